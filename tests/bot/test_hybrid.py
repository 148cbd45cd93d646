"""Constants and code by turns: whose turn it is follows from the history."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.history import History
from bot.proposers import Answer, ProposalContext
from bot.proposers.constants import best
from bot.proposers.hybrid import PATIENCE, PATIENCE_AROUND, USELESS, Hybrid, tunes
from bot.records import HUMAN, Measurement, Opened, Proposal, Verdict

NAMES = ("MATRIX", "EMBED", "HEAD", "GATE", "SCALAR", "INPUT", "OUTPUT", "FIRST", "LAST", "BIAS", "NORM", "VALUE")
MANY = "".join(f"{name}_LR = 0.02\n" for name in NAMES) + "DEPTH = 4\nWIDTH = 384\nBATCH_TOKENS = 2**14\n"


class Code:
    """A proposer of the test: the same idea again and again, or none."""

    def __init__(self, idea: str = "an idea"):
        self.idea, self.repaired = idea, []

    def slow(self, context):
        return True

    def propose(self, context):
        return Answer(self.idea, "llm:some-model", edits={"train.py": "x = 1\n"}) if self.idea else None

    def repair(self, context, proposal, broken, failure):
        self.repaired.append(proposal.id)
        return Answer("mended", "llm:some-model")


@pytest.fixture
def history():
    history = History()
    history.add(Opened(0.0, "autoresearch/x", "base", "main", "m", "min", "5s cpu", "c", "hybrid"))
    for index, value in enumerate((1.799, 1.801, 1.8, 1.802)):
        history.add(Measurement(0.0, 0, "baseline", index, "base", index, "ok", "c", value))
    return history


def context(history, text: str = MANY, mode: str = "") -> ProposalContext:
    return ProposalContext({"train.py": text}, history, history.next_id, "cpu", Path(), mode=mode)


def add(history, source: str, status: str = "discard", delta: float = 0.0001, **fields) -> None:
    id, parent = history.next_id, history.champion_sha
    history.add(Proposal(0.0, id, parent, f"sha{id}", fields.pop("hypothesis", "an idea"), source, **fields))
    history.add(Measurement(0.0, id, "screen", 0, f"sha{id}", 9, "ok" if status in ("keep", "discard") else status, "c", 1.8 + delta))
    history.add(Verdict(0.0, id, status, "", delta=delta, seeds=4, sha=f"sha{id}" if status == "keep" else ""))


def tune(history, status: str = "discard", delta: float = 0.01) -> None:
    """The constants' own next proposal, and how it went."""
    answer = Hybrid(Code()).constants.propose(context(history))
    add(history, answer.source, status, delta, hypothesis=answer.hypothesis, params=answer.params)


def whose(history, **how) -> str:
    return Hybrid(Code()).propose(context(history, **how)).source.partition(":")[0]


def test_constants_come_first_and_code_when_they_stall(history):
    for _ in range(PATIENCE):
        assert whose(history) == "constants"
        tune(history)
    assert whose(history) == "llm"


def test_code_goes_on_until_it_brings_something(history):
    for _ in range(PATIENCE):
        tune(history)
    for _ in range(5):
        add(history, "llm:some-model")
        assert whose(history) == "llm"
    add(history, "llm:some-model", "keep", -0.1)
    assert whose(history) == "constants"


def test_after_a_kept_change_of_the_code_they_have_fewer_tries(history):
    for _ in range(PATIENCE):
        tune(history)
    add(history, "llm:some-model", "keep", -0.1)
    for _ in range(PATIENCE_AROUND):
        assert whose(history) == "constants"
        tune(history)
    assert whose(history) == "llm" and PATIENCE_AROUND < PATIENCE


def test_a_kept_constant_begins_anew(history):
    for _ in range(PATIENCE - 1):
        tune(history)
    tune(history, "keep", -0.1)
    for _ in range(PATIENCE):
        assert whose(history) == "constants"
        tune(history)
    assert whose(history) == "llm"


def test_a_move_that_promises_little_is_not_made_after_a_few(history):
    text = "LR = 0.02\n"
    for value in (0.013, 0.03, 0.01, 0.04):
        assert whose(history, text=text) == "constants"
        add(history, "constants", delta=0.02, hypothesis=f"LR 0.02 -> {value}", params={"LR": value})
    assert whose(history, text=text) == "llm"
    assert Hybrid(Code("")).propose(context(history, text)).source == "constants"


@pytest.mark.parametrize("mode", ["combine:1,2", "ablate", "category:systems", "bold", "revisit:abc"])
def test_a_mode_that_asks_for_code_gets_it(history, mode):
    assert whose(history, mode=mode) == "llm"


def test_what_code_did_not_bring_is_not_the_constants_fault(history):
    for _ in range(PATIENCE):
        add(history, "llm:some-model")
    assert whose(history) == "constants"


@pytest.mark.parametrize("mode", ["", "bold"])
def test_after_useless_answers_in_a_row_constants_have_one_turn(history, mode):
    alone, turns = Hybrid(Code(), first=False), []
    for _ in range(2 * USELESS + 2):
        source = alone.propose(context(history, mode=mode)).source
        add(history, source, "crash", rejected="" if source == "constants" else "it does not parse")
        turns.append(source == "constants")
    assert turns == 2 * [*[False] * USELESS, True]


def test_the_mode_for_constants_gets_them(history):
    for _ in range(PATIENCE):
        tune(history)
    assert whose(history, mode="constants") == "constants"


def test_a_proposer_of_code_alone_tunes_where_a_mode_asks_for_it(history):
    alone = Hybrid(Code(), first=False)
    assert [alone.propose(context(history, mode=mode)).source for mode in ("", "bold", "constants")] == ["llm:some-model"] * 2 + [
        "constants"
    ]
    assert alone.slow(context(history)) and not alone.slow(context(history, mode="constants"))


def test_where_one_has_nothing_left_the_other_goes_on(history):
    assert whose(history, text="x = 1\n") == "llm" and whose(history, text="x = 1\n", mode="constants") == "llm"
    assert Hybrid(Code("")).propose(context(history, mode="bold")).source == "constants"
    assert Hybrid(Code("")).propose(context(history, "x = 1\n")) is None


@pytest.mark.parametrize("fields", [{"status": "invalid"}, {"given": True, "source": HUMAN, "status": "keep", "delta": -0.1}])
def test_what_was_not_the_searchs_try_does_not_count(history, fields):
    for _ in range(PATIENCE - 1):
        tune(history)
    add(history, **{"source": "constants"} | fields)
    assert whose(history) == "constants"
    tune(history)
    assert whose(history) == "llm"


def test_thinking_about_constants_is_not_slow(history):
    hybrid = Hybrid(Code())
    assert not hybrid.slow(context(history)) and hybrid.slow(context(history, mode="bold"))


def test_whose_turn_it_is_is_worked_out_once_for_one_state_of_the_record(history, monkeypatch):
    found, hybrid = [], Hybrid(Code())
    monkeypatch.setattr("bot.proposers.hybrid.best", lambda context: found.append(best(context)) or found[-1])
    for count in (1, 2):
        assert not hybrid.slow(context(history)) and hybrid.tunes(context(history)) and len(found) == count
        tune(history)


def test_code_is_thought_of_ahead_where_a_mode_asks_for_constants_and_there_are_none(history):
    for first in (True, False):
        assert Hybrid(Code(), first).slow(context(history, "x = 1\n", mode="constants"))


def test_the_same_history_gives_the_same_turn(history):
    for step in range(12):
        tune(history) if step % 3 else add(history, "llm:some-model", "keep" if step == 6 else "discard")
        assert tunes(context(history)) == tunes(replace(context(history), next_id=history.next_id))


def test_a_repair_is_for_code_alone(history):
    code, failure = Code(), Measurement(0.0, 1, "screen", 0, "s", 1, "crash", "c")
    for source, wanted in (("llm:some-model", True), ("constants", False)):
        proposal = Proposal(0.0, 1, "base", "s", "an idea", source)
        assert bool(Hybrid(code).repair(context(history), proposal, {}, failure)) == wanted
    assert len(code.repaired) == 1


def test_code_that_cannot_repair_is_no_trouble(history):
    proposal = Proposal(0.0, 1, "base", "s", "an idea", "replay:a.patch")
    assert Hybrid(Hybrid(Code()).constants).repair(context(history), proposal, {}, None) is None
