"""What is counted as tried and what as given, and which base the views speak of."""

from statistics import fmean
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from bot.history import History
from bot.live import verdict_line
from bot.loop import evidence
from bot.records import Drift, Measurement, Proposal, Verdict
from bot.report import data, facts, markdown, page, plot, points, pull, shown, tally, terminal, tsv
from bot.report.decisions import Decisions

from .builders import BASE, Night, good_night, sha
from .moved import LEVEL, NEW, Moved, before_it_is_measured, moved_night, shorter
from .pulls import LINKS, MARKER, check, made


def fold(night: Night) -> History:
    return History.fold(night.events)


@pytest.fixture(scope="module")
def history() -> History:
    return fold(moved_night())


@pytest.fixture
def config(tmp_path):
    return made(tmp_path)


def printed(what, capsys) -> str:
    terminal.console().print(what)
    return capsys.readouterr().out


def of_new(history: History) -> list[float]:
    return [m.value for m in history.experiments[0].runs("baseline") if m.sha == NEW]


class TestCounts:
    def test_what_was_given_was_not_tried(self, history):
        assert history.tried == 5 and sum(history.counts().values()) == 1 + 5
        assert history.counts()["keep"] == 2 and history.counts()["discard"] == 2

    def test_what_was_given_is_counted_apart(self, history):
        assert history.given_counts() == {"carried": 1, "dropped": 1}
        night = moved_night()
        night.given()
        assert fold(night).given_counts()["adopted"] == 1

    def test_no_false_keeps_are_expected_of_what_was_given(self, history):
        assert Decisions(history).tested == 4  # 1, 2, 3 and 7: the crash tested nothing

    def test_a_night_counts_what_it_decided(self, history, config):
        text = pull.comment(history, config, LINKS, MARKER)
        assert ": 1 tried, 0 kept" in text

    def test_a_humans_commit_in_a_night_was_not_tried_in_it(self, config):
        night = moved_night().opened()
        night.given()
        assert ": 0 tried, 0 kept" in pull.comment(fold(night.stopped()), config, LINKS, MARKER)

    def test_a_nights_comment_tells_what_came_from_outside(self, history, config):
        text = pull.comment(history, config, LINKS, MARKER)
        check(text, comments=1)
        assert f"main moved from {BASE[:6]}" in text.replace("\u200b", "") and "**0006**" not in text
        assert "0006 DEPTH 4 → 5: discarded: not carried over from 0003: it is in conflict" in text

    def test_and_the_next_one_does_not_repeat_it(self, config):
        night = moved_night().opened()
        night.screened(0.01)
        assert "main moved" not in pull.comment(fold(night.stopped()), config, LINKS, MARKER)

    def test_the_report_names_what_was_given_apart(self, history):
        text = markdown.render(history)
        assert "| Experiments | 2 keep, 2 discard, 1 crash |" in text
        assert "| Not tried here | 1 carried over to a new base, 1 dropped there |" in text
        assert "<summary>discard: 2</summary>" in text

    def test_so_does_status(self, history, capsys):
        text = printed(terminal.screen(history, "stopped"), capsys)
        assert "2 keep, 2 discard, 1 crash; not tried here: 1 carried over to a new base, 1 dropped there" in text
        found = data.status(history, "stopped")
        assert found["tried"] == 5 and found["given"] == {"carried": 1, "dropped": 1} and found["fates"] == {1: "in", 3: "left"}

    def test_so_does_the_pull_request(self, history, config):
        text = pull.body(history, [], config, LINKS)
        check(text)
        assert "1 change of 5 tried is in it." in text and "<summary>Discarded: 2</summary>" in text
        assert "<summary>Kept on an older base, and not carried over: 1</summary>" in text
        assert "| Proposers | constants (5) |" in text

    def test_rows_say_how_they_were_given(self, history, capsys):
        text = printed(terminal.table(history, history.experiments.values()), capsys)
        assert "SOFTCAP 15 → 30 (carried over from 0001)" in text and "DEPTH 4 → 5 (not carried over from 0003)" in text

    def test_what_was_given_was_not_decided_during_a_drift(self):
        night = moved_night()
        proposal = next(e for e in night.events if isinstance(e, Proposal) and e.given)
        night.events.append(Drift(night.at + 1, since=proposal.at - 1, why="it drifted"))
        history = fold(night)
        assert Decisions(history).during(history.drifts[0]) == [7]


class TestFates:
    def test_a_carried_change_is_still_the_one_that_was_tried(self, history):
        assert history.origin(history.experiments[5]).id == 1 and history.ours(history.experiments[5])
        assert tally.kept(history) == "2 of 5 changes kept, 1 left behind with an older base"

    def test_what_was_merged_is_told(self):
        night = Moved().baseline()
        night.kept(-0.02)
        history = fold(night.stopped().moves(merged=(1,)).rebased())
        assert tally.kept(history) == "1 of 1 change kept, 1 merged"
        assert facts.headline(history).startswith("Nothing is in the stack: 1 of 1 change kept, 1 merged; val_bpb stays at 1.5999")

    def test_what_was_carried_over_twice_has_one_origin(self):
        night = Moved().baseline()
        night.kept(-0.02)
        night.moves(carry=(1,)).given(carries=1)
        night.moves(carry=(2,), base="d" * 40).given(carries=2)
        history = fold(night)
        assert history.origin(history.experiments[3]).id == 1 and history.fates == {1: "in"}

    def test_a_broken_record_has_an_origin_too(self):
        night = Moved().baseline()
        id = night.given(carries=1)
        night.events = [replace(e, carries=id) if isinstance(e, Proposal) else e for e in night.events]
        assert fold(night).origin(fold(night).experiments[id]).id == id

    def test_a_humans_commit_in_the_stack_is_no_change_that_was_tried(self, config):
        night = moved_night()
        id = night.given()
        history = fold(night.opened().measures(id, sha(id), "champion"))
        assert tally.in_stack(history) == "1 change of 5 tried is in it, and 1 commit of others"
        assert "1 change of 5 tried is in it, and 1 commit of others." in pull.body(history, [], config, LINKS)
        assert "; 1 commit of others is in the stack too" in facts.headline(history)


class TestSpent:
    def shorter_keep(self) -> Moved:
        night = Moved().baseline()
        night.kept(0.002)
        return shorter(night, 1)

    def test_what_a_shorter_keep_lost_counts(self):
        history = fold(self.shorter_keep())
        assert history.conceded == history.experiments[1].verdict.delta > 0

    def test_and_still_does_when_it_was_carried_over(self):
        night = self.shorter_keep()
        lost = fold(night).conceded
        night.moves(carry=(1,)).given(carries=1)
        assert fold(night).conceded == lost > 0

    def test_the_next_shorter_change_is_judged_by_what_is_left(self):
        night = self.shorter_keep().moves(carry=(1,))
        carried = night.given(carries=1)
        night.rebased().measures(carried, night.champion, "champion").proposed()
        history = fold(night)
        settings = SimpleNamespace(direction="min", command=("a", "command"), margin=0.01, limits={})
        found = evidence(SimpleNamespace(settings=settings, history=history), history.experiments[3])
        assert found.equal == pytest.approx(0.01 - history.experiments[1].verdict.delta)

    def test_no_longer_once_it_is_merged(self):
        assert fold(self.shorter_keep().moves(merged=(1,))).conceded == 0.0

    def test_one_that_gained_gave_nothing_away(self):
        night = Moved().baseline()
        night.kept(-0.02)
        assert fold(shorter(night, 1)).conceded == 0.0

    def test_where_more_is_better_a_loss_is_less(self):
        night = Moved(direction="max", metric="tokens_per_s", level=21000, noise=10).baseline()
        night.kept(effect=-50)
        history = fold(shorter(night, 1))
        assert history.conceded == -history.experiments[1].verdict.delta > 0

    def test_it_is_still_said_to_be_kept_for_being_shorter(self):
        night = self.shorter_keep().moves(carry=(1,))
        id = night.given(carries=1)
        label = Decisions(fold(night.rebased())).labels[id]
        assert label.why.startswith("carried over from 0001; kept for being shorter; ")


class TestLabels:
    def test_what_was_given_is_one_more_that_may_be_right_by_chance(self):
        night = moved_night()
        assert Decisions(fold(night)).labels[5].why.endswith("among 5 tried and 1 given")

    def test_so_it_takes_a_smaller_p_to_be_confirmed(self):
        stack = Decisions(fold(moved_night())).stack
        assert (stack.tried, stack.given) == (5, 1)
        assert stack.sure({5: 0.025 / 5}) == set() and stack.sure({5: 0.025 / 6}) == {5}

    def test_its_interval_is_no_wider_for_having_been_selected_elsewhere(self, history):
        label, found = Decisions(history).labels[5], facts.change(history)
        assert (label.effect, label.low, label.high) == pytest.approx((found.delta, found.low, found.high))

    def test_a_commit_that_nobody_tried_here_is_judged_all_the_same(self):
        night = Moved().baseline()
        id = night.given()
        night.level -= 0.05
        label = Decisions(fold(night.measures(id, sha(id), "champion"))).labels[id]
        assert label.status == "confirmed" and label.why.startswith("a human's commit; by the search, p = ")
        assert label.effect == pytest.approx(-0.05, abs=0.01) and label.low < label.effect < label.high < 0

    def test_where_there_is_nothing_to_compare_no_p_is_told(self):
        night = Moved().baseline()
        id = night.given()
        label = Decisions(fold(night.measures(id, sha(id), "champion", count=1))).labels[id]
        assert label.why == "a human's commit; too few runs to compare it with what is below it" and label.effect is None


class TestBase:
    def test_row_0_is_of_the_base_as_it_is_now(self, history):
        found = data.experiment(history.experiments[0], facts.shown_context(history), history)
        assert found["value"] == fmean(of_new(history)) and found["commit"] == NEW and found["seeds"] == 4
        assert found["at"] == next(m.at for m in history.experiments[0].measurements if m.sha == NEW)

    def test_until_it_is_measured_it_has_no_value(self, capsys):
        history = fold(before_it_is_measured())
        found = data.experiment(history.experiments[0], facts.shown_context(history), history)
        assert (found["value"], found["seeds"], found["why"], found["commit"]) == (None, 0, None, NEW)
        assert "1.73" not in printed(page.render(history, history.experiments[0], ""), capsys).partition("run ")[0]

    def test_the_table_shows_the_same(self, history, capsys):
        line = next(x for x in printed(terminal.table(history), capsys).splitlines() if "0000" in x)
        assert f"{fmean(of_new(history)):.4f}" in line and line.split()[3] == "4"

    def test_results_tsv_mixes_no_bases(self, history):
        rows = {row.split("\t")[0]: row.split("\t") for row in tsv.rows(history)}
        assert rows[NEW[:7]][1:] == [f"{fmean(of_new(history)):.6f}", "1.2", "keep", "baseline"]
        older = [row for row in rows.values() if "on an older base" in row[4]]
        assert len(older) == 4 and {row[1] for row in older} == {row[2] for row in older} == {"nan"}
        assert rows[sha(5)[:7]][1] == f"{facts.level(history, sha(5), 0):.6f}"

    def test_older_rows_of_a_table_are_named(self, history, capsys):
        text = printed(terminal.table(history), capsys)
        assert [f"{id:04d}‡" in text for id in (0, 1, 4, 5)] == [False, True, True, False] and "‡ on an older base" in text
        assert "‡" not in printed(terminal.table(fold(good_night())), capsys)

    def test_the_memory_of_the_base_is_that_of_the_new_one(self):
        night = moved_night()
        night.events = [
            replace(e, peak_memory=9_000_000_000) if isinstance(e, Measurement) and e.sha == BASE else e for e in night.events
        ]  # fmt: skip
        history = fold(night)
        assert shown.peak(history, history.experiments[0]) == 1_310_000_000

    def test_the_progress_begins_with_the_new_base(self, history, config):
        line = points.collect(history).line
        assert line[0] == (4.5, fmean(of_new(history))) and all(abs(value - LEVEL) < 0.04 for _, value in line)
        text = pull.body(history, [], config, LINKS)
        assert "over 1 experiment on this base" in text and 'x-axis "experiment" 4 --> 7' in text and "1.73" not in text

    def test_it_begins_with_what_the_base_measured_since(self):
        """A base that was the champion before it was merged has runs from before."""
        night = Moved().baseline()
        night.kept(-0.02)
        night._add(Drift, since=night.at - 1, why="it drifted")
        night.level += 0.5
        history = fold(night.moves(base=night.champion, merged=(1,)).opened().measures(0, night.champion, "baseline"))
        assert points.collect(history).line[0][1] == pytest.approx(night.level, abs=0.01)

    def test_the_picture_marks_where_the_base_moved(self, history):
        (ax,) = plot.figure(history).axes
        assert [text.xy[0] for text in ax.texts if text.get_text() == "new base"] == [4.5]
        assert "new base" not in [text.get_text() for text in plot.figure(fold(good_night())).axes[0].texts]

    def test_show_marks_runs_of_an_older_base(self, history, capsys):
        text = printed(page.render(history, history.experiments[0], ""), capsys)
        assert text.count("an older base") == 4 and f"{fmean(of_new(history)):.4f} val_bpb on 4 seeds" in text
        assert f"commit {NEW[:12]}" in text

    def test_the_verdict_line_of_a_new_baseline_is_its_own(self):
        night = moved_night()
        verdict = next(e for e in night.events if isinstance(e, Verdict) and e.sha == NEW)
        history = History()
        for event in night.events[: night.events.index(verdict) + 1]:
            history.add(event)
        assert verdict_line(history.experiments[0]) == f"0000 baseline {LEVEL:.4f} (4 seeds)"

    def test_a_value_of_an_older_base_is_named_in_the_report(self, history):
        rows = [line for line in markdown.render(history).splitlines() if line.startswith(("| 0002 ", "| 0007 "))]
        assert ["on an older base" in row for row in rows] == [True, False]

    def test_a_human_who_builds_on_the_branch_moves_no_base(self):
        night = Moved().baseline()
        night.kept(-0.02)
        history = fold(night.moves(base=BASE, commits=(night.champion,), tip=sha(99)))
        assert history.based_at == 0.0 and not history.older(history.experiments[1])
