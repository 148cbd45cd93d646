"""The report on what the decision found out: the final comparison, the sealed split, the labels."""

import re

import pytest
from msgspec.structs import replace

from bot.history import History
from bot.records import Drift, Proposal, Pruned, Variant, Verdict
from bot.report import data, facts, markdown, page, plot, points, proof, terminal, tsv
from bot.report.decisions import Decisions
from bot.report.text import md
from bot.stack import Stack

from .builders import BASE, Night, null_night, sha

EARLY = "stopped after 25% of its budget: its loss was 4.1230, at most 3.9870 goes on"


class Confirmed(Night):
    """A night with what comes after the search: the stack without its parts, the final comparison, the sealed split."""

    def early(self, hypothesis: str = "", seconds: float = 3.2) -> int:
        """A screening run that was stopped early."""
        id = self.proposed(hypothesis)
        self.run(id, "screen", 0, sha(id), outcome="stopped", reason=EARLY)
        self.events[-1] = replace(self.events[-1], seconds=seconds, startup_seconds=0.0, eval_seconds=0.0)
        self._add(Verdict, id=id, status="discard", why=f"discarded: {EARLY}", delta=0.05)
        return id

    def drift(self, since: float, shift: float = 0.05) -> None:
        self.level += shift
        self._add(Drift, since=since, why=f"the champion measured {self.level - shift:.4f} in 5 runs, and then {self.level:.4f} in 2")
        for index in range(4):
            self.run(self.next_id - 1, "champion", 40 + index, self.champion)

    def without(self, id: int, effect: float, runs: int = 4) -> str:
        """The stack without one change, which is worth `effect`; the stack itself is measured as often."""
        variant = sha(id + 900)
        self._add(Variant, id=id, stack=self.champion, sha=variant, ids=(id,))
        for index in range(runs):
            self.run(id, "ablate", index, variant, self.level - effect)
            self.run(self.next_id - 1, "champion", 20 + index, self.champion)
        return variant

    def pruned(self, id: int, effect: float = 0.0, hunks: tuple[int, ...] = ()) -> None:
        variant = self.without(id, effect)
        newest = max(e.id for e in History.fold(self.events).keeps)
        self._add(Pruned, id=newest, stack=self.champion, variant=variant, sha=sha(id + 700), ids=(id,), hunks=hunks,
                  why="pruned: it brings -0.0002 ± 0.0011 (5 v 4 seeds), less than the margin of 0.0031", effect=-0.0002, low=-0.0013,
                  high=0.0009)  # fmt: skip
        self.champion = sha(id + 700)

    def final(self, gain: float, runs: int = 3) -> None:
        for index in range(runs):
            self.run(0, "final", 2 * index, BASE, self.level + gain)
            self.run(0, "final", 2 * index + 1, self.champion)

    def sealed(self, gain: float, runs: int = 3) -> None:
        """A text on which everything is 0.4 worse."""
        for index in range(runs):
            self.run(0, "final", 2 * index, BASE, self.level + gain + 0.4, split="sealed")
            self.run(0, "final", 2 * index + 1, self.champion, self.level + 0.4, split="sealed")


def confirmed_night() -> Confirmed:
    night = Confirmed().baseline()
    for effect in (0.012, 0.004, -0.025, 0.03, -0.018, 0.006):
        night.kept(effect) if effect < 0 else night.screened(effect)
    night.early("DEPTH.cpu 4 → 9")
    night.early("SOFTCAP 15 → 2")
    night.kept(-0.006)
    night.failed("crash")
    since = next(e.at for e in reversed(night.events) if getattr(e, "role", "") == "champion")
    night.screened(0.004, "decided while the machine drifted")
    night.drift(since)
    night.screened(0.02)
    night.without(3, -0.025)
    night.without(5, -0.018)
    night.pruned(9)
    night.final(0.043)
    night.sealed(0.041)
    return night.stopped(reason="no new proposal after 6m (stop_after)")


@pytest.fixture(scope="module")
def night() -> History:
    return History.fold(confirmed_night().events)


def fold(night: Night) -> History:
    return History.fold(night.events)


def shown(renderable, capsys) -> str:
    terminal.console().print(renderable, soft_wrap=True)
    return capsys.readouterr().out


def row(text: str, id: int) -> str:
    """The line of one experiment in the table of what was kept."""
    return next(line for line in text.splitlines() if re.match(rf"\| {id:04d}†? \|.*`[0-9a-f]+` \|$", line))


# The headline


def test_the_headline_is_the_final_comparison(night):
    stack, found = Stack(night), facts.change(night)
    assert found.p == stack.headline().p() and found.delta == stack.headline().delta and (found.seeds, found.start_seeds) == (3, 3)
    assert found.now == pytest.approx(sum(m.value for m in stack.final(stack.whole)) / 3)


def test_it_says_proved_only_below_the_bound(night):
    assert re.search(r"lower \(95 % interval 0\.0\d+ to 0\.0\d+\).*; proved \(p < 0\.000001\)", facts.headline(night))
    weak = Confirmed(noise=0.02).baseline()
    weak.kept(-0.03)
    weak.final(0.03, runs=2)
    assert "not proved yet (p = " in facts.headline(fold(weak)) and not facts.change(fold(weak)).proved


def test_final_runs_too_few_are_never_called_proved():
    early = Confirmed().baseline()
    early.kept(-0.03)
    early.final(0.03, runs=2)
    found = facts.change(fold(early))
    assert found.p < 0.001 and not found.proved


def test_before_the_final_comparison_nothing_is_called_confirmed():
    before = Confirmed().baseline()
    before.kept(-0.03)
    assert facts.change(fold(before)).p is None
    assert "Not confirmed yet: the final comparison has not run." in facts.headline(fold(before))


def test_what_was_taken_out_again_is_told(night):
    assert "3 of 12 changes kept, 1 of them taken out again" in facts.headline(night)


def test_a_pruned_part_is_told():
    parts = Confirmed().baseline()
    parts.kept(-0.03)
    parts.pruned(1, hunks=(1, 3))
    history = fold(parts)
    assert "1 of 1 change kept, parts of 1 taken out again" in facts.headline(history)
    assert "hunks 1, 3 taken out again" in row(markdown.render(history), 1)


def test_the_champion_after_a_prune_is_the_pruned_stack():
    before = Confirmed(noise=0.001).baseline()
    before.kept(-0.03)
    before.kept(-0.004)
    before.pruned(2)
    before.run(2, "champion", 60, before.champion, level=1.5)
    found = facts.change(fold(before))
    assert found.now == pytest.approx(1.5, abs=0.01) and facts.standing(fold(before)) == found.now


def test_a_pruned_stack_that_was_not_run_again_rests_on_what_selected_it():
    before = Confirmed(noise=0.001).baseline()
    before.kept(-0.03)
    before.kept(-0.004)
    before.pruned(2)
    found = facts.change(fold(before))
    assert not found.fresh and found.seeds == 4


# The sealed split


def test_the_sealed_split_has_its_own_sentence(night):
    text = facts.sealed(Decisions(night), proof.sealed_reads(night))
    words = r"On the sealed split, which steered nothing: 0\.0\d+ lower \(95 % .*\) on 3 v 3 seeds, p [=<] .*; read 6 times\."
    assert re.match(words, text)
    assert md(text) in markdown.render(night)


def test_sealed_values_are_in_no_other_number():
    without, sealed = confirmed_night(), confirmed_night()
    sealed.run(0, "baseline", 9, BASE, level=9.0, split="sealed")
    without.events = [e for e in without.events if getattr(e, "split", "") != "sealed"]
    for view in (facts.change, facts.noise, facts.baseline, facts.standing, facts.headline, tsv.render, lambda h: points.collect(h).line):
        assert view(fold(without)) == view(fold(sealed)), view


def test_reads_without_a_comparison_are_told():
    before = Confirmed().baseline()
    before.kept(-0.03)
    before.final(0.03)
    before.run(0, "final", 0, BASE, split="sealed", outcome="invalid")
    assert facts.sealed(Decisions(fold(before)), 1).startswith("The sealed split was read 1 time; ")
    assert facts.sealed(Decisions(fold(before)), 0) == ""


# Labels


def test_every_kept_change_has_its_label_and_effect(night):
    text, labels = markdown.render(night), Stack(night).labels()
    assert {id: label.status for id, label in labels.items()} == {3: "confirmed", 5: "confirmed", 9: "pruned"}
    for id, label in labels.items():
        assert f"**{label.status}**: " in row(text, id) and re.search(r"\| −0\.0\d+ ± 0\.0\d+ \|", row(text, id))
    assert "**pruned**: it brings -0.0002 ± 0.0011" in row(text, 9)


def test_a_weak_keep_is_unproven():
    weak = Confirmed().baseline()
    weak.kept(-0.001)
    assert "**unproven**: by the search, p = " in row(markdown.render(fold(weak)), 1)


def test_the_terminal_shows_the_label_of_each_keep(night, capsys):
    lines = shown(terminal.table(night), capsys).splitlines()
    found = {int(m[1]): m[2] for line in lines if (m := re.search(r"(\d{4})†?\s+keep .*(confirmed|unproven|pruned) −0\.", line))}
    assert found == {3: "confirmed", 5: "confirmed", 9: "pruned"}


def test_without_keeps_the_terminal_has_no_column_for_them(capsys):
    assert "effect" not in shown(terminal.table(fold(null_night())), capsys)


def test_show_tells_the_label(night, capsys):
    text = shown(page.render(night, night.experiments[3], ""), capsys)
    assert re.search(r"confirmed: .* seeds without it, p = .*; it is worth −0\.0\d+ ± 0\.0", text)


def test_json_has_label_effect_and_reason(night):
    found, label = data.experiment(night.experiments[3], night.context, night), Stack(night).labels()[3]
    assert (found["label"], found["effect"], found["effect_low"], found["effect_high"], found["label_why"]) == (
        label.status, label.effect, label.low, label.high, label.why)  # fmt: skip
    assert data.experiment(night.experiments[1], night.context, night)["label"] is None


def test_the_expected_false_keeps_are_one_in_a_hundred_of_what_was_tested(night):
    known = Decisions(night)
    assert known.tested == 11 and known.false_keeps == pytest.approx(0.11)  # the crash tested nothing
    assert "Of 11 changes that had to gain, at most about 0.11 keeps are expected to be false" in markdown.render(night)
    assert "Of the 2 labelled confirmed, no more than 5 % are" in known.false_keeps_text()


def test_what_is_shorter_had_not_to_gain():
    night = confirmed_night()
    events = [replace(e, statements=-1) if isinstance(e, Proposal) and e.id == 1 else e for e in night.events]
    assert Decisions(History.fold(events)).tested == 10


def test_only_what_is_still_there_is_to_be_taken(night):
    assert "# all 2" in markdown.render(night) and sha(509)[:7] not in markdown.render(night).partition("## Take the win")[2]


def test_the_pictures_ends_stand_where_their_numbers_are():
    """The final comparison is of other runs than the champion's line."""
    history = History.fold(confirmed_night().events)
    (ax,), found = plot.figure(history).axes, facts.change(history)
    ends = {text.get_text().split("\n")[1]: text.xy[1] for text in ax.texts if "\n" in text.get_text()}
    assert ends == {"best": found.now, "baseline": found.start} and ax.get_ylim()[0] < found.now < found.start < ax.get_ylim()[1]
