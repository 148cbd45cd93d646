"""A thought and what happens meanwhile: other experiments, an end of the money, a signal, a kill. Real nights, a proposer of the test."""

import threading
import time

import pytest

from bot import duplicates
from bot.history import History
from bot.loop import run_loop
from bot.proposers import Answer, Unavailable
from bot.records import Learned, Proposal, Repaired
from tests.bot.test_ahead import LONG, Script, cut, night_of, params, statuses, to, using


class Turns(Script):
    """Some of its answers take no time, as the constants' part of a hybrid."""

    def __init__(self, turns, *answers):
        super().__init__(*answers)
        self.turns, self.quick = turns, []

    def slow(self, context):
        return self.turns.get(context.history.next_id if not context.history.pending else context.history.next_id, True)

    def propose(self, context):
        if not self.slow(context):
            return Answer("quick", "script", edits={"params.py": self.quick.pop(0)(context.files["params.py"])})
        return super().propose(context)


def ones(night, *names):
    return [params(night, e.proposal.sha)[: len(names) or None] for e in night.history.experiments.values() if e.id]


def limited(night, **fields):
    night.settings = night.settings.model_copy(update=fields)
    return night


def lingering(root, *answers):
    """Thought of while 1 is measured; 2 is another's, which takes no time; then comes 3."""
    script = Turns({}, to("A", 9.0), *answers)
    script.quick.append(to("A", 8.0))

    def answer(asked):
        if asked["id"] == 1:
            while not script.contexts[1:]:
                time.sleep(0.01)
            script.turns[2] = False
        return {}

    night, _ = night_of(root, script, answer)
    return limited(night, max_experiments=3), script


def test_a_thought_that_another_experiment_was_the_same_as_is_not_measured_again(tmp_path):
    night, script = lingering(tmp_path / "repo", to("A", 8.0), to("B", 9.0))
    run_loop(night)
    assert ones(night) == [["A = 9.0", "B = 5.0"], ["A = 8.0", "B = 5.0"], ["A = 5.0", "B = 9.0"]]
    assert "does not fit any more" in night.observer.stream.getvalue() and len(script.contexts) == 3


def test_a_thought_that_lingered_and_is_still_new_is_measured(tmp_path):
    night, script = lingering(tmp_path / "repo", to("B", 9.0))
    run_loop(night)
    assert ones(night)[2] == ["A = 5.0", "B = 9.0"] and len(script.contexts) == 2


def test_that_a_server_was_away_long_ago_says_nothing_now(tmp_path):
    night, script = lingering(tmp_path / "repo", Unavailable("away"), to("B", 9.0))
    run_loop(night)
    assert [e.proposal.source for e in night.history.experiments.values() if e.id] == ["script"] * 3


def test_a_merged_thought_is_checked_again(tmp_path):
    def uses(text):
        return text.replace("B = 5.0", "B = A + 2.0")

    script = Script(lambda text: text.replace("A = 5.0\n", ""), uses, to("B", 4.0))
    night, _ = night_of(tmp_path / "repo", script)
    run_loop(limited(night, max_experiments=2))
    assert statuses(night)[1] == "keep" and params(night, night.history.experiments[2].proposal.sha) == ["B = 4.0"]


def test_what_comes_next_is_thought_of_in_the_way_that_the_search_goes_then(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.plateau.STALL", 2)
    script = Script(to("A", 9.0), to("B", 9.0), to("A", 8.0))
    night, _ = night_of(tmp_path / "repo", script)
    monkeypatch.setattr("bot.plateau.ONE_WAY", ())
    run_loop(limited(night, max_experiments=3))
    assert [c.mode for c in script.contexts] == ["", "", night.history.switches[0].mode] and script.contexts[2].mode


def test_nothing_is_thought_of_beyond_the_patience(tmp_path):
    script = Script(to("A", 9.0), to("B", 9.0), to("A", 8.0))
    night, _ = night_of(tmp_path / "repo", script)
    assert "patience" in run_loop(limited(night, patience=2)) and len(script.contexts) == 2


def test_an_insight_is_written_down_once(tmp_path):
    script = Script(to("A", 9.0))
    think = script.propose
    script.propose = lambda context: (found := think(context)) and Answer(found.hypothesis, "s", edits=found.edits, learned=("x", "x", "y"))
    night, _ = night_of(tmp_path / "repo", script)
    night.record(Learned(time.time(), 1, "x"))  # and killed before its proposal
    run_loop(night)
    assert [note.text for note in History.fold(night.ledger.events()).learned] == ["x", "y"]


class TestMending:
    """Experiment 1 runs out of time in its second run as long as A is 1, and crashes at once while it is 2."""

    @pytest.fixture
    def night(self, tmp_path):
        box = []
        night, self.referee = night_of(tmp_path / "repo", Script(to("A", "1")), lambda asked: self.answer(box[0], asked))
        box.append(night)
        return night

    @staticmethod
    def answer(night, asked):
        text = night.repo.read(asked["sha"], "params.py")
        if "A = 2" in text:
            return {"outcome": "crash", "value": None}
        return {"outcome": "timeout", "value": None} if "A = 1" in text and asked["role"] == "confirm" else {}

    def test_runs_of_what_was_mended_are_no_runs_of_the_change(self, night):
        night.proposer.mended = to("A", 4.0)
        run_loop(night)
        found = night.history.experiments[1]
        assert statuses(night) == {1: "keep"} and {m.sha for m in found.runs("screen", "confirm")} == {found.proposal.sha}
        own = [m for m in found.measurements if m.role in ("screen", "confirm")]
        assert len(own) > len(found.runs("screen", "confirm")) and len({(m.role, m.index) for m in own}) == len(own)
        assert len({(m.sha, m.seed) for m in own}) == len(own)
        commit = night.repo._git("log", "-1", "--format=%B", found.verdict.sha)
        assert f"Measured-Commit: {found.proposal.sha}" in commit and "+A = 4.0" in night.ledger.read_patch(1)

    def test_as_many_repairs_as_the_settings_say(self, night):
        values = iter(["2", "2  # again", "4.0"])
        night.proposer.mended = lambda text: to("A", next(values))(text)
        run_loop(limited(night, repairs=3))
        assert statuses(night) == {1: "keep"} and len(night.history.experiments[1].repairs) == 3

    def test_without_repairs_nobody_is_asked(self, night):
        night.proposer.mended = to("A", 4.0)
        run_loop(limited(night, repairs=0))
        assert statuses(night) == {1: "timeout"} and not night.proposer.repairs

    def test_a_kill_before_the_repair_is_recorded_leaves_the_patch_of_what_failed(self, night):
        night.proposer.mended = to("A", 4.0)
        run_loop(night)
        events = list(night.ledger.events())
        until = next(i for i, event in enumerate(events) if isinstance(event, Repaired))
        box = []
        again, _ = cut(night, events[:until], lambda asked: self.answer(box[0], asked))
        box.append(using(again, Script()))
        assert "+A = 4.0" in again.ledger.read_patch(1)
        run_loop(again)
        assert statuses(again)[1] == "timeout" and "+A = 1" in again.ledger.read_patch(1)

    def test_a_signal_during_the_run_that_failed_leaves_the_repair_to_the_next_night(self, night):
        measure = night.measure

        def interrupted(**asked):
            found = measure(**asked)
            if found.outcome == "timeout":
                night.stop.soft = "SIGINT"
            return found

        night.measure, night.proposer.mended = interrupted, to("A", 4.0)
        assert run_loop(night) == "stopped by SIGINT" and statuses(night) == {1: "running"}
        night.stop.soft = None
        run_loop(night)
        assert statuses(night) == {1: "keep"}

    def test_a_stop_does_not_wait_for_a_repair(self, night):
        asked, answered = threading.Event(), threading.Event()

        def hangs(*_):
            asked.set()
            answered.wait(LONG)

        night.proposer.repair = hangs
        threading.Thread(target=lambda: asked.wait(LONG) and setattr(night.stop, "soft", "SIGTERM"), daemon=True).start()
        began = time.monotonic()
        assert run_loop(night) == "stopped by SIGTERM" and time.monotonic() - began < LONG / 2
        assert statuses(night) == {1: "running"}
        answered.set()

    def test_what_repeats_are_recognised_by_is_the_mended_change(self, night):
        night.proposer.mended = to("A", 4.0)
        run_loop(night)
        proposal = night.history.experiments[1].proposal
        assert isinstance(proposal, Proposal) and proposal.moved == {"A": (5.0, 4.0)}
        assert proposal.fingerprint == duplicates.fingerprint({"params.py": night.repo.read(proposal.sha, "params.py")})
