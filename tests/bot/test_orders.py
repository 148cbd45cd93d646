"""What people ask for in comments, done by a running night: never beyond its time, and where the champion does not run."""

import time

import pytest

from bot import confirm, orders, tasks
from bot.errors import BaselineFailed
from bot.loop import run_loop
from bot.orders import Order
from bot.stack import FINAL, OUT, Stack
from tests.bot import nights
from tests.bot.test_pairs import GAIN, played
from tests.targets import patch

GAINS = [GAIN, patch("4.0", "3.0", "another gain"), patch("3.0", "2.0", "a third")]
RUN = 60.0  # seconds that a run takes
FAR = "".join(f"# {i}\n" for i in range(5))
TEXT = f"X = 5.0\n{FAR}Y = 5.0\n{FAR}Z = 5.0\n"
EVENTS = iter(range(1, 10_000))


def change(name: str, new: float) -> str:
    """A patch of one line of TEXT, which the others are far from."""
    lines, at = TEXT.splitlines(), 6 * "XYZ".index(name)
    first, shown = max(0, at - 3), lines[max(0, at - 3) : at + 4]
    body = [f"-{line}\n+{name} = {new}" if line == lines[at] else f" {line}" for line in shown]
    size = f"{first + 1},{len(shown)}"
    head = f"{name} to {new}\n\ndiff --git a/params.py b/params.py\n--- a/params.py\n+++ b/params.py\n@@ -{size} +{size} @@\n"
    return head + "\n".join(body) + "\n"


WEAK = [*(change(name, 4.92) for name in "XYZ"), *(change("Z", 9.0 + i) for i in range(3))]  # of which one is not sure


def order(command: str, argument: str = "", **fields) -> Order:
    return Order(next(EVENTS), time.time(), "bob", command, argument, **fields)


def timed(night, referee, answer=lambda asked: {}) -> None:
    """From here on each run takes RUN seconds of the night, and says so; scoring takes none."""

    def takes(asked) -> dict:
        night.started -= RUN if asked["role"] != "sealed" else 0
        return {"seconds": RUN} | answer(asked)

    referee.answer = takes


def with_time_for(night, runs: float) -> None:
    """The night ends after so many more runs."""
    each = confirm.seconds_per_run(night.history)
    night.settings = night.settings.model_copy(update={"stop_after": f"{round(night.elapsed + runs * each + 1)}s"})


def finished(root, *patches, answer=lambda asked: {}):
    """A night that has kept changes, each of whose runs took RUN seconds, and whose stack is not proved yet."""
    text = TEXT if patches == (*WEAK,) else ""
    night, referee = nights.make_night(root, list(patches), lambda asked: {"seconds": RUN}, text, "reserve: 0%\n")
    search_only(night)
    referee.asked.clear()
    timed(night, referee, answer)
    night.started = time.monotonic()
    return night, referee


def search_only(night) -> None:
    """Without the end of a night."""
    run, confirm.run = confirm.run, lambda night: None
    try:
        run_loop(night)
    finally:
        confirm.run = run


def said(night, asked: Order) -> str | None:
    known = night.history.asked.get(asked.comment)
    return known and known.said


class TestTime:
    @pytest.mark.parametrize("command", ["retest", "ablate", "confirm"])
    @pytest.mark.parametrize("runs", [1.5, 2.5])
    def test_no_order_makes_the_night_longer_or_takes_the_time_of_the_final_comparison(self, tmp_path, command, runs):
        night, referee = finished(tmp_path / "repo", *WEAK)
        with_time_for(night, runs + 2 * FINAL)
        asked = order(command, "1" if command == "retest" else "")
        orders.look(night, [asked])
        assert night.elapsed <= night.settings.stop_after_seconds and "ask again" in said(night, asked)
        apart = [run for run in referee.asked if run["role"] not in ("final", "sealed")]
        assert 0 < len(apart) <= runs and len(referee.doses("final")) == (2 * FINAL if command == "confirm" else 0)

    def test_a_retest_says_how_many_seeds_are_left(self, tmp_path):
        night, referee = finished(tmp_path / "repo", GAIN)
        with_time_for(night, 5 + 2 * FINAL)
        asked = order("retest", "1")
        orders.look(night, [asked])
        assert len(referee.doses("retest")) == 2
        assert "is over. Not all of 4 more seeds were run (2 by now): ask again for the rest. 0001 val_bpb" in said(night, asked)
        orders.look(night, [asked])
        assert len(referee.doses("retest")) == 2

    def test_leaving_out_says_which_parts_are_left(self, tmp_path):
        night, _ = finished(tmp_path / "repo", *WEAK)
        with_time_for(night, OUT - 1 + 2 * FINAL)
        asked = order("ablate")
        orders.look(night, [asked])
        (weak,) = Stack(night.history).order()
        assert f"Left undone: leaving out {weak.id:04d}; ask again for the rest" in said(night, asked)

    def test_confirming_comes_to_the_final_comparison_before_what_is_sure_already(self, tmp_path):
        """With time for little more than that it proves the stack, as the night's end would, and says that this is not all."""
        night, referee = finished(tmp_path / "repo", *GAINS)
        with_time_for(night, 2 * FINAL + 1)
        asked = order("confirm")
        orders.look(night, [asked])
        assert len(referee.doses("final")) == 2 * FINAL and Stack(night.history).proved
        assert "Left undone: leaving out 000" in said(night, asked) and "final comparison" not in said(night, asked)

    def test_a_final_comparison_that_is_not_done_is_named(self, tmp_path):
        noisy = lambda asked: {"value": 1.0 + asked["seed"] % 1000 / 1e4} if asked["role"] == "final" else {}  # noqa: E731
        night, _ = finished(tmp_path / "repo", GAIN, answer=noisy)
        with_time_for(night, 2 * FINAL + 2)
        asked = order("confirm")
        orders.look(night, [asked])
        assert "the final comparison (4 v 4 runs); ask again for the rest" in said(night, asked)

    @pytest.mark.parametrize("command, argument", [("retest", "1"), ("drop", "1"), ("ablate", ""), ("confirm", "")])
    def test_what_cannot_even_begin_is_left_to_the_next_night(self, tmp_path, command, argument):
        night, referee = finished(tmp_path / "repo", *WEAK)
        with_time_for(night, 0.5 if command == "confirm" else 2 * FINAL + 0.5)
        asked, note = order(command, argument), order("focus", "less")
        orders.look(night, [asked, note])
        assert not referee.asked and said(night, asked) is None and said(night, note)
        night.settings = night.settings.model_copy(update={"stop_after": None})
        orders.look(night, [asked, note])
        assert referee.asked and said(night, asked)

    def test_a_drop_that_ends_with_the_time_is_answered_by_the_next_night(self, tmp_path):
        night, referee = finished(tmp_path / "repo", *GAINS)
        with_time_for(night, 1.5 + 2 * FINAL)
        asked = order("drop", "3")
        orders.look(night, [asked])
        assert len(referee.asked) == 1 and len(night.history.stack) == 2 and said(night, asked) is None
        night.settings = night.settings.model_copy(update={"stop_after": None})
        orders.look(night, [asked])
        assert said(night, asked) == "0003 is taken out of the stack"

    def test_without_a_limit_it_goes_on_until_it_is_done(self, tmp_path):
        night, referee = finished(tmp_path / "repo", *WEAK)
        asked = order("confirm")
        orders.look(night, [asked])
        assert said(night, asked) == "confirmed as far as it can be"
        assert all(len(referee.doses("ablate", id)) >= OUT for id in (1, 2, 3))

    def test_the_guard_is_gone_when_the_order_is_done(self, tmp_path):
        night, referee = finished(tmp_path / "repo", GAIN)
        with_time_for(night, 2 * FINAL + 1.5)
        asked = order("retest", "1")
        orders.look(night, [asked])
        assert "ask again" in said(night, asked) and night.measure is referee


class TestBroken:
    """The champion does not run any more: another machine, another library."""

    def night(self, root, *patches, pending: bool = False, broken=lambda text: "X = 3.0" in text):
        night, referee = played(root, *patches)
        if pending:
            (root / "patches/999.patch").write_text(patch("3.0", "2.0", "not decided"))
            night, referee = nights.open_again(root)
            referee.answer = lambda asked: setattr(night.stop, "soft", "SIGTERM") or {}
            run_loop(night)
            assert night.history.pending
        night, referee = nights.open_again(root)
        referee.answer = lambda asked: self.fails(night, asked, broken)
        nights.reopen(night, referee, "c2")
        return night, referee

    @staticmethod
    def fails(night, asked, broken) -> dict:
        bad = broken(night.repo.read(asked["sha"], "params.py"))
        return {"outcome": "crash", "value": None, "reason": "no such kernel"} if bad else {}

    def test_a_drop_takes_out_what_does_not_run_and_the_night_goes_on(self, tmp_path):
        night, _ = self.night(tmp_path / "repo", *GAINS[:2])
        asked = order("drop", "2")
        night.between = lambda: orders.look(night, [asked])
        assert "nothing left" in run_loop(night)
        assert said(night, asked) == "0002 is taken out of the stack" and [e.id for e in night.history.stack] == [1]
        assert night.history.pool(night.history.champion_sha) and not night.broken

    def test_without_an_order_that_helps_the_night_ends_with_the_reason(self, tmp_path):
        night, referee = self.night(tmp_path / "repo", *GAINS[:2])
        asked, note = order("retest", "1"), order("focus", "smaller")
        night.between = lambda: orders.look(night, [note, asked])
        with pytest.raises(BaselineFailed, match="no such kernel"):
            run_loop(night)
        assert said(night, note) and len(referee.doses("retest", 1)) == tasks.SEEDS

    def test_what_waits_for_a_decision_does_not_stand_in_the_way(self, tmp_path):
        night, _ = self.night(tmp_path / "repo", *GAINS[:2], pending=True)
        pending, asked = night.history.pending, order("drop", "2")
        night.between = lambda: orders.look(night, [asked])
        run_loop(night)
        assert pending.status == "discard" and "the champion does not run" in pending.verdict.why
        assert said(night, asked) == "0002 is taken out of the stack"

    def test_where_the_champion_runs_a_drop_waits_for_the_decision(self, tmp_path):
        night, _ = self.night(tmp_path / "repo", *GAINS[:2], pending=True, broken=lambda text: False)
        asked = order("drop", "2")
        orders.look(night, [asked])
        assert night.history.pending and said(night, asked) is None

    def test_a_rest_that_does_not_run_either_is_said_to_be_and_ends_the_night(self, tmp_path):
        night, _ = self.night(tmp_path / "repo", *GAINS[:2])
        asked, runs = order("drop", "2"), []

        def once(text: str) -> bool:
            """The rest runs once, while it is tried, and then no more."""
            runs.append(text)
            return "X = 3.0" in text or sum("X = 4.0" in t for t in runs) > 1

        night.measure.answer = lambda asked: self.fails(night, asked, once)
        night.between = lambda: orders.look(night, [asked])
        with pytest.raises(BaselineFailed):
            run_loop(night)
        assert said(night, asked).startswith("0002 is taken out of the stack; the rest does not run here either")


def test_a_stop_that_comes_too_late_is_not_called_undone(tmp_path):
    night, _ = played(tmp_path / "repo", GAIN)
    late = [Order(1, 1.0, "bob", "stop"), Order(2, 1.0, "bob", "continue", "3")]
    orders.look(night, late)
    assert [said(night, one) for one in late] == [
        "the night that it was meant for had ended", "not done: the night that it was meant for had ended",
    ]  # fmt: skip
    assert not night.stop.soft and not night.more and tasks.measured(night) > 0
