"""Thinking about the next change while the present one is measured, and mending one that failed: real nights, a proposer of the test."""

import threading
import time

import pytest

from bot.ahead import Ahead
from bot.errors import UsageError
from bot.history import History
from bot.loop import run_loop
from bot.proposers import Answer, Unavailable
from bot.records import Call, Repaired
from tests.bot.nights import make_night, open_again

LONG = 20.0  # seconds until a test gives up
TEXT = "A = 5.0\n" + "".join(f"# {i}\n" for i in range(4)) + "B = 5.0\n"


class Script:
    """Answers in order: functions of the champion's text, or errors to be raised. Thinks slowly; `contexts` keeps what it was told."""

    def __init__(self, *answers):
        self.answers, self.contexts, self.repairs, self.asked = list(answers), [], [], threading.Event()
        self.mended = None

    def slow(self, context):
        return True

    def propose(self, context):
        self.contexts.append(context)
        self.asked.set()
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer and Answer(f"idea {len(self.contexts)}", "script", edits={"params.py": answer(context.files["params.py"])})

    def repair(self, context, proposal, broken, failure):
        self.repairs.append((proposal, broken, failure))
        return self.mended and Answer(proposal.hypothesis, "script", edits={"params.py": self.mended(broken["params.py"])})


def to(name, value):
    return lambda text: "".join(f"{name} = {value}\n" if line.startswith(name) else line for line in text.splitlines(keepends=True))


def night_of(root, script, answer=lambda asked: {}, config=""):
    night, referee = make_night(root, [], answer, TEXT, config)
    return using(night, script), referee


def using(night, script):
    night.proposer, night.ahead = script, Ahead(script)
    return night


def statuses(night):
    return {e.id: e.status for e in night.history.experiments.values() if e.id}


def params(night, sha):
    return [line for line in night.repo.read(sha, "params.py").splitlines() if "=" in line]


def test_the_next_change_is_thought_of_while_this_one_is_measured(tmp_path):
    script = Script(to("A", 9.0), to("B", 9.0))

    def answer(asked):
        if asked["id"] == 1 and asked["role"] == "screen":
            assert script.asked.wait(LONG), "nobody thinks while experiment 1 runs"
        return {}

    night, _ = night_of(tmp_path / "repo", script, answer)
    night.settings = night.settings.model_copy(update={"max_experiments": 2})
    think, script.propose = script.propose, lambda context: (script.asked.clear() if not script.contexts else None, think(context))[1]
    run_loop(night)
    assert statuses(night) == {1: "discard", 2: "discard"}
    assert script.contexts[1].history.pending.id == 1 and script.contexts[1].history is not night.history


def test_an_answer_that_was_thought_of_for_an_older_champion_is_merged_into_the_new_one(tmp_path):
    night, _ = night_of(tmp_path / "repo", Script(to("A", 4.0), to("B", 4.0)))
    run_loop(night)
    second = night.history.experiments[2].proposal
    assert second.parent == night.history.experiments[1].verdict.sha
    assert params(night, second.sha) == ["A = 4.0", "B = 4.0"]
    assert len(night.proposer.contexts) == 4  # after it nothing was found for either champion


def test_one_that_touches_the_same_line_is_asked_for_again(tmp_path):
    script = Script(to("A", 4.0), to("A", 4.5), to("B", 4.0))
    night, _ = night_of(tmp_path / "repo", script)
    run_loop(night)
    assert params(night, night.history.experiments[2].proposal.sha) == ["A = 4.0", "B = 4.0"]
    assert "A = 4.0" in script.contexts[2].files["params.py"]


def test_a_proposer_that_has_nothing_left_is_not_asked_twice(tmp_path):
    script = Script(to("A", 9.0))
    night, _ = night_of(tmp_path / "repo", script)
    assert run_loop(night) == "the proposer has nothing left to propose" and len(script.contexts) == 2


def test_nothing_is_thought_of_that_will_not_be_measured(tmp_path):
    script = Script(to("A", 9.0), to("B", 9.0))
    night, _ = night_of(tmp_path / "repo", script)
    night.settings = night.settings.model_copy(update={"max_experiments": 1})
    run_loop(night)
    assert len(script.contexts) == 1


def test_what_goes_wrong_in_the_thread_ends_the_night(tmp_path):
    night, _ = night_of(tmp_path / "repo", Script(to("A", 9.0), UsageError("models[0].key: empty")))
    with pytest.raises(UsageError, match="key: empty"):
        run_loop(night)
    assert statuses(night) == {1: "discard"}


def test_a_proposer_that_cannot_be_reached_is_stood_in_for(tmp_path):
    night, _ = night_of(tmp_path / "repo", Script(Unavailable("no answer"), Unavailable("no answer"), to("B", 4.0)))
    night.settings = night.settings.model_copy(update={"max_experiments": 3})
    run_loop(night)
    assert [e.proposal.source for e in night.history.experiments.values() if e.id] == ["constants", "constants", "script"]
    assert "could not be reached (no answer)" in night.observer.stream.getvalue()


def test_a_stop_does_not_wait_for_a_thought(tmp_path):
    script, thinking = Script(), threading.Event()
    script.propose = lambda context: thinking.wait(LONG)
    night, _ = night_of(tmp_path / "repo", script)
    threading.Timer(1.0, lambda: setattr(night.stop, "soft", "SIGINT")).start()
    began = time.monotonic()
    assert run_loop(night) == "stopped by SIGINT" and time.monotonic() - began < LONG / 2
    thinking.set()


def test_what_a_request_cost_is_on_the_ledger_before_the_answer_is_used(tmp_path):
    script = Script(to("A", 9.0))
    think = script.propose

    def billing(context):
        context.billed(Call(time.time(), context.next_id, "m", 10, 5, dollars=0.5))
        assert [c.dollars for c in History.fold(night.ledger.events()).calls].count(0.5) == len(script.contexts) + 1
        return think(context)

    script.propose = billing
    night, _ = night_of(tmp_path / "repo", script)
    run_loop(night)
    assert [(c.id, c.dollars) for c in night.history.calls] == [(1, 0.5), (2, 0.5)]


class TestMending:
    """Experiment 1 crashes as long as A is 1."""

    @staticmethod
    def broken(night_box):
        def answer(asked):
            crash = night_box and "A = 1" in night_box[0].repo.read(asked["sha"], "params.py")
            return {"outcome": "crash", "value": None, "reason": "ValueError: A"} if crash else {}

        return answer

    @pytest.fixture
    def night(self, tmp_path):
        box = []
        night, _ = night_of(tmp_path / "repo", Script(to("A", "1")), self.broken(box))
        box.append(night)
        return night

    def test_a_change_that_crashed_is_mended_within_its_experiment(self, night):
        night.proposer.mended = to("A", 4.0)
        run_loop(night)
        assert statuses(night) == {1: "keep"} and params(night, night.history.champion_sha)[0] == "A = 4.0"
        (proposal, broken, failure), = night.proposer.repairs
        assert "A = 1" in broken["params.py"] and failure.reason == "ValueError: A" and proposal.id == 1

    def test_its_patch_is_the_mended_one(self, night):
        night.proposer.mended = to("A", 4.0)
        run_loop(night)
        assert "+A = 4.0" in night.ledger.read_patch(1)

    def test_not_more_often_than_the_settings_say(self, night):
        night.proposer.mended = lambda text: text + "# another\n"
        run_loop(night)
        assert statuses(night) == {1: "crash"} and len(night.proposer.repairs) == 1 == len(night.history.experiments[1].repairs)

    def test_a_repair_that_changes_nothing_is_none(self, night):
        night.proposer.mended = lambda text: text
        run_loop(night)
        assert statuses(night) == {1: "crash"} and not night.history.experiments[1].repairs

    def test_a_kill_after_the_repair_goes_on_with_it(self, night, tmp_path):
        night.proposer.mended = to("A", 4.0)
        run_loop(night)
        events = list(night.ledger.events())
        until = next(i for i, event in enumerate(events) if isinstance(event, Repaired)) + 1
        box = []
        again, referee = cut(night, events[:until], self.broken(box))
        box.append(again)
        run_loop(using(again, Script()))
        assert statuses(again) == {1: "keep"} and {a["sha"] for a in referee.asked if a["role"] == "screen"} == {events[until - 1].sha}


def cut(night, events, answer):
    from bot.ledger import ENCODER

    night.ledger.path.write_bytes(b"".join(ENCODER.encode(event) + b"\n" for event in events))
    night.repo._git("update-ref", "-d", "refs/heads/autoresearch/demo")
    return open_again(night.settings.root, answer)


def test_a_night_without_any_proposer_waits_for_one(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.proposing.RESTED", 0.5)
    script = Script(*[Unavailable("no answer")] * 3, to("x", "x = 1"))
    script.answers[3] = lambda text: text.replace("x = 1", "x = 1  # again")
    night, _ = make_night(tmp_path / "repo", [], text="x = 1\n")  # nothing that constants could tune
    using(night, script)
    run_loop(night)
    assert len(script.contexts) >= 4 and "no answer" in night.observer.stream.getvalue()
