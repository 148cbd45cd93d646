"""`retest` and `compare`: two commits in turn on shared seeds, what is said of them, and what is left alone."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from bot import compare, pairs, retest
from bot.errors import AutoresearchError, UsageError
from bot.loop import run_loop
from bot.records import Proposal
from tests.bot import nights
from tests.conftest import git
from tests.targets import patch

GAIN, LOSS = patch("5.0", "4.0", "a gain"), patch("4.0", "9.0", "a loss")
SEARCH = ("screen", "confirm")


def played(root, *patches, answer=lambda asked: {}, config=""):
    """A finished night and its referee, whose list of questions begins anew."""
    night, referee = nights.make_night(root, list(patches), answer, config="reserve: 1%\n" + config)
    run_loop(night)
    referee.asked.clear()
    return night, referee


def lucky(asked) -> dict:
    """A change that gains only while the search looks."""
    return {"value": 1.02 + asked["seed"] % 1000 / 1e6} if asked["role"] in SEARCH else {}


def branch(root, name: str, path: str, text: str) -> None:
    """A branch beside main, with one file changed."""
    git(root, "switch", "-q", "-c", name, "main")
    (root / path).write_text(text)
    git(root, "commit", "-q", "-a", "-m", name)
    git(root, "switch", "-q", "main")


def soft_stop_after(referee, count: int, night, role: str = "") -> None:
    """As one Ctrl-C during that run (of that role)."""

    def answer(asked) -> dict:
        if len([a for a in referee.asked if a["role"] == role or not role]) == count:
            night.stop.soft = "SIGINT"
        return {}

    referee.answer = answer


def story(night) -> tuple:
    return git(night.settings.root, "rev-parse", night.settings.branch), [e.verdict for e in night.history.experiments.values()]


class TestRetest:
    def test_change_and_parent_run_in_turn_on_seeds_that_decided_nothing(self, tmp_path):
        night, referee = played(tmp_path / "repo", GAIN)
        earlier = {m.seed for e in night.history.experiments.values() for m in e.measurements}
        proposal = night.history.experiments[1].proposal
        retest.run(night, 1, 4)
        a, b = proposal.parent, proposal.sha
        assert [m["sha"] for m in referee.asked] == [a, b, b, a, a, b, b, a] and referee.doses("retest") == ["heavy"] * 4
        seeds = [m["seed"] for m in referee.asked]
        assert seeds[::2] == seeds[1::2] and not earlier & set(seeds)

    def test_the_verdict_and_the_branch_stay(self, tmp_path):
        night, _ = played(tmp_path / "repo", GAIN, LOSS)
        before = story(night)
        retest.run(night, 1, 2)
        retest.run(night, 2, 2)
        assert story(night) == before

    def test_every_call_adds_seeds(self, tmp_path):
        night, _ = played(tmp_path / "repo", GAIN)
        retest.run(night, 1, 2)
        retest.run(night, 1, 3)
        assert "(5 v 5 seeds)" in retest.answer(night.history, "demo", 1, None)

    def test_a_stop_loses_nothing(self, tmp_path):
        night, referee = played(tmp_path / "repo", GAIN)
        soft_stop_after(referee, 3, night)
        assert retest.run(night, 1, 4) == "stopped by SIGINT" and len(referee.asked) == 3
        night.stop.soft = None
        retest.run(night, 1, 3)
        assert len(referee.asked) == 8 and len({(m["sha"], m["seed"]) for m in referee.asked}) == 8

    def test_a_real_gain_stands(self, tmp_path):
        night, _ = played(tmp_path / "repo", GAIN)
        retest.run(night, 1, 4)
        assert "The verdict (kept) stands" in retest.answer(night.history, "demo", 1, None)

    def test_a_lucky_keep_does_not_stand(self, tmp_path):
        night, _ = played(tmp_path / "repo", patch("5.0", "5.0 ", "luck"), answer=lucky, config="margin: 0.003\n")
        assert night.history.experiments[1].status == "keep"
        retest.run(night, 1, 4)
        assert "(kept) does not stand: it gains less than 0.0030" in retest.answer(night.history, "demo", 1, 0.003)

    def test_a_discarded_gain_is_in_doubt_and_was_chosen(self, tmp_path):
        def unlucky(asked) -> dict:
            return {"value": 1.2} if asked["role"] == "screen" else {}

        night, _ = played(tmp_path / "repo", GAIN, answer=unlucky)
        assert night.history.experiments[1].status == "discard"
        retest.run(night, 1, 4)
        text = retest.answer(night.history, "demo", 1, None)
        assert "(discarded) is in doubt" in text and "You chose it among 1 discarded" in text

    def test_a_discarded_loss_stands(self, tmp_path):
        night, _ = played(tmp_path / "repo", GAIN, LOSS)
        retest.run(night, 2, 2)
        assert "The verdict (discarded) stands: it loses." in retest.answer(night.history, "demo", 2, None)

    def test_the_interval_is_of_the_metric_where_more_is_better(self, tmp_path):
        night, _ = played(tmp_path / "repo", GAIN)
        retest.run(night, 1, 4)
        night.history.opened = changed(night.history.opened, direction="max")
        text = retest.answer(night.history, "demo", 1, None)
        assert text.startswith("0001 val_bpb -0.0100 ±") and "does not stand: it loses" in text

    @pytest.mark.parametrize(
        ("id", "words"), [(0, "is the baseline"), (3, "ended as crash"), (4, "is not decided yet"), (9, "the ledger has 0 to 4")]
    )
    def test_what_has_no_result_is_refused(self, tmp_path, id, words):
        night, referee = played(tmp_path / "repo", GAIN, LOSS, patch("77.0", "1", "does not apply"))
        night.record(Proposal(1.0, 4, night.history.champion_sha, "f" * 40, "interrupted", "replay:x"))
        with pytest.raises(UsageError, match=words):
            retest.run(night, id, 2)
        assert not referee.asked


class TestCompare:
    @pytest.fixture
    def night(self, tmp_path):
        """No night has run here; `better` and `same` are branches beside main."""
        night, self.referee = nights.make_night(tmp_path / "repo", [])
        branch(night.settings.root, "better", "params.py", "X = 4.0\n")
        branch(night.settings.root, "same", "params.py", "X = 5.0 \n")
        self.referee.asked.clear()
        return night

    def ask(self, night, *names, until=None):
        return compare.ask(night.repo, night.settings, names, until)

    def answer(self, night, question, margin=None):
        return compare.Answer(night.history, question, night.settings.name, margin)

    def test_the_two_run_in_turn_on_shared_fresh_seeds(self, night):
        question = self.ask(night, "main", "better")
        compare.run(night, question, 4)
        (a, b), asked = sorted(question.shas), self.referee.asked
        assert [m["sha"] for m in asked] == [a, b, b, a, a, b, b, a] and {(m["id"], m["role"]) for m in asked} == {(0, "compare")}
        seeds = [m["seed"] for m in asked]
        assert seeds[::2] == seeds[1::2] and len(set(seeds)) == 4

    def test_b_minus_a_with_its_interval(self, night):
        question = self.ask(night, "main", "better")
        compare.run(night, question, 4)
        found = self.answer(night, question).data()
        assert found["verdict"] == "B is better" and found["delta"] == pytest.approx(-0.01) and found["low"] < -0.01 < found["high"] < 0

    def test_the_question_turned_around_costs_nothing_and_has_the_opposite_answer(self, night):
        questions = self.ask(night, "main", "better"), self.ask(night, "better", "main")
        for question in questions:
            compare.run(night, question, 3)
        there, back = (self.answer(night, question).data() for question in questions)
        assert len(self.referee.asked) == 6 and back["verdict"] == "A is better"
        assert (back["delta"], back["low"], back["high"], back["p"]) == (-there["delta"], -there["high"], -there["low"], there["p"])

    def test_it_continues_after_a_stop(self, night):
        question = self.ask(night, "main", "better")
        soft_stop_after(self.referee, 5, night)
        assert compare.run(night, question, 4) == "stopped by SIGINT"
        night.stop.soft = None
        compare.run(night, question, 4)
        assert len({(m["sha"], m["seed"]) for m in self.referee.asked}) == len(self.referee.asked) == 8

    def test_runs_of_another_question_do_not_count(self, night):
        compare.run(night, self.ask(night, "main", "better"), 2)
        compare.run(night, self.ask(night, "main", "same"), 2)
        assert len({m["seed"] for m in self.referee.asked}) == 4

    def test_on_another_budget_it_begins_again_on_other_seeds(self, night):
        question = self.ask(night, "main", "better")
        compare.run(night, question, 2)
        nights.reopen(night, self.referee, "c2")
        compare.run(night, question, 2)
        assert len({m["seed"] for m in self.referee.asked}) == 4 and len(self.answer(night, question).a) == 2

    def test_an_invalid_run_is_repeated_on_its_seed(self, night):
        self.referee.answer = lambda asked: {"outcome": "invalid", "value": None} if asked["index"] == 1 else {}
        compare.run(night, self.ask(night, "main", "better"), 2)
        assert [m["index"] for m in self.referee.asked] == [0, 1, 2, 3, 4] and self.referee.asked[1]["seed"] == self.referee.asked[2][
            "seed"
        ]

    def test_a_machine_that_stays_unfit_ends_it(self, night):
        self.referee.answer = lambda asked: {"outcome": "invalid", "value": None}
        with pytest.raises(AutoresearchError, match="3 times in a row"):
            compare.run(night, self.ask(night, "main", "better"), 2)

    def test_a_crash_ends_it_with_its_last_words(self, night):
        self.referee.answer = lambda asked: {"outcome": "crash", "value": None, "reason": "boom", "log_tail": "last words"}
        with pytest.raises(AutoresearchError, match="ended as crash: boom\n  | last words"):
            compare.run(night, self.ask(night, "main", "better"), 2)

    def test_equal_takes_a_margin_that_refutes_both_sides(self, night):
        question = self.ask(night, "main", "same")
        compare.run(night, question, 4)
        assert self.answer(night, question, 0.01).verdict == "equal within the margin"
        assert self.answer(night, question, 0.00001).verdict == "not distinguishable"

    def test_a_difference_below_the_margin_is_told_with_it(self, night):
        question = self.ask(night, "main", "better")
        compare.run(night, question, 4)
        assert "B is better, by less than the margin of 0.0300." in self.answer(night, question, 0.03).text()

    @pytest.mark.parametrize(("b", "runs"), [("better", 6), ("same", 48)])
    def test_until_doubles_the_seeds_while_nothing_is_clear(self, night, b, runs):
        self.referee.answer = lambda asked: {"value": 1 + asked["seed"] % 1000 / 1e4} if b == "same" else {}
        night.settings = night.settings.model_copy(update={"margin": 1e-9})
        compare.run(night, self.ask(night, "main", b, until=0.04), 3)
        assert len(self.referee.asked) == runs

    def test_all_looks_count(self, night):
        question = self.ask(night, "main", "better")
        compare.run(night, question, 4)
        assert self.answer(night, replace(question, until=0.01)).p == compare.LOOKS * self.answer(night, question).p

    def test_the_noise_of_the_night_narrows_the_interval(self, night, tmp_path):
        def freedom(night, referee, name):
            referee.answer = lambda asked: {"value": 1 + asked["index"] * 1e-5}
            question = self.ask(night, "main", name)
            compare.run(night, question, 2)
            return self.answer(night, question).test.freedom

        assert freedom(*played(tmp_path / "known", GAIN, LOSS), "autoresearch/demo") > freedom(night, self.referee, "better")

    def test_a_side_that_scatters_more_than_the_night_is_judged_by_itself(self, tmp_path):
        night, referee = played(tmp_path / "repo", GAIN, LOSS)
        referee.answer = lambda asked: {"value": 1 + asked["seed"] % 1000 / 1e3}
        question = self.ask(night, "main", "autoresearch/demo")
        compare.run(night, question, 4)
        assert self.answer(night, question).test.freedom <= 6

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (("main", "nowhere"), "'nowhere' is not a branch"),
            (("main", "HEAD"), "are the same commit"),
            (("main", "score"), "score.py"),
            (("main", "gone"), "params.py is not a plain file in gone"),
        ],
    )
    def test_what_cannot_be_compared_is_refused(self, night, names, words):
        root = night.settings.root
        branch(root, "score", "score.py", "print()\n")
        git(root, "switch", "-q", "-c", "gone", "main")
        git(root, "rm", "-q", "params.py")
        git(root, "commit", "-q", "-m", "gone")
        git(root, "switch", "-q", "main")
        night.settings = night.settings.model_copy(update={"locked": ("score.py",)})
        with pytest.raises(UsageError, match=words):
            self.ask(night, *names)

    def test_what_is_not_measured_may_differ(self, night):
        branch(night.settings.root, "words", "score.py", "print()\n")
        assert self.ask(night, "main", "words").shas[0] != self.ask(night, "main", "words").shas[1]


def test_rounds_know_their_seeds_without_the_ledger(tmp_path):
    """A lost line costs a run, never a second seed."""
    night, referee = played(tmp_path / "repo", GAIN)
    both = retest.pair(night.history.experiments[1])
    first = [seed for seed, _ in pairs.rounds(night.history, "demo", both, 3)]
    retest.run(night, 1, 3)
    assert list(dict.fromkeys(m["seed"] for m in referee.asked)) == first
