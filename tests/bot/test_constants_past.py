"""What the constants proposer takes from earlier experiments, its own and others': failures, results, values that were left."""

from pathlib import Path

import pytest

from bot.history import History
from bot.proposers import ProposalContext
from bot.proposers.constants import Constants, _trials, best
from bot.proposers.moves import Choice, Fences, tunables
from bot.proposers.past import recall, results
from bot.records import Measurement, Opened, Proposal, Verdict

TWO = "LR = 0.02\nDEPTH = 4\n"


def opened() -> History:
    history = History()
    history.add(Opened(0.0, "autoresearch/x", "base", "main", "m", "min", "5s cpu", "c", "hybrid"))
    for index, value in enumerate((1.799, 1.801, 1.8, 1.802)):
        history.add(Measurement(0.0, 0, "baseline", index, "base", index, "ok", "c", value))
    return history


def tell(history: History, status: str, delta: float | None = None, source: str = "constants", **fields) -> None:
    id, parent = history.next_id, history.champion_sha
    history.add(Proposal(0.0, id, parent, f"sha{id}", fields.pop("hypothesis", "an idea"), source, **fields))
    value = None if delta is None else 1.8 + delta
    history.add(Measurement(0.0, id, "screen", 0, f"sha{id}", 9, "ok" if value else status, "c", value))
    history.add(Verdict(0.0, id, status, "", delta=delta, seeds=4 if status == "keep" else 0, sha=f"sha{id}" if status == "keep" else ""))


def context(history: History, text: str = TWO) -> ProposalContext:
    return ProposalContext({"train.py": text}, history, history.next_id, "cpu", Path())


def every(history: History, text: str = TWO) -> list[dict[str, float]]:
    """Every proposal until nothing is left, each of them discarded by a hair."""
    seen = []
    while answer := Constants().propose(context(history, text)):
        seen.append(answer.params)
        tell(history, "discard", 0.0001, params=answer.params, hypothesis=answer.hypothesis)
    return seen


def fences(history: History, text: str = TWO) -> Fences:
    tuned = tunables({"train.py": text}, "cpu")
    return Fences(tuned, list(recall(history, {t.name: t.value for t in tuned})))


LR, DEPTH = 0, 1


def choice(steps: float) -> Choice:
    return Choice(0, "", steps)


def test_two_constants_that_failed_together_go_no_further_together():
    history = opened()
    tell(history, "oom", params={"LR": 0.04, "DEPTH": 8}, hypothesis="LR 0.02 -> 0.04, DEPTH 4 -> 8")
    free = fences(history).free
    assert free([{LR: choice(1.0), DEPTH: choice(1.5)}, {LR: choice(2.0), DEPTH: choice(1.0)}]) == []
    assert (
        len(free([{LR: choice(1.0), DEPTH: choice(0.6)}, {LR: choice(-1.0), DEPTH: choice(1.0)}, {LR: choice(2.0)}, {DEPTH: choice(2.0)}]))
        == 4
    )


def test_a_failure_that_the_champion_has_passed_since_stops_only_what_goes_on_that_way():
    history = opened()
    tell(history, "crash", params={"LR": 0.04}, hypothesis="LR 0.02 -> 0.04")
    free = fences(history, "LR = 0.05\nDEPTH = 4\n").free
    assert free([{LR: choice(0.5)}]) == []
    assert len(free([{DEPTH: choice(1.0)}, {LR: choice(-1.0)}])) == 2


def test_a_rejected_answer_is_no_failure_but_is_not_tried_again():
    history = opened()
    id = history.next_id
    history.add(Proposal(0.0, id, "base", "", "LR 0.02 -> 0.04", "constants", params={"LR": 0.04}, rejected="the patch does not apply"))
    history.add(Verdict(0.0, id, "crash", "rejected before running"))
    got = [params.get("LR") for params in every(history)]
    assert 0.04 not in got and max(value for value in got if value) > 0.04


@pytest.mark.parametrize("source", ["llm:some-model", "agent:claude", "replay:0001.patch"])
def test_constants_that_another_proposer_moved_teach_as_well(source):
    history = opened()
    tell(history, "discard", 0.01, source, moved={"LR": (0.02, 0.03)})
    first = Constants().propose(context(history, "LR = 0.02\n"))
    assert first.params["LR"] < 0.02
    assert {"LR": 0.03} not in every(history, "LR = 0.02\n")


def test_values_that_another_proposers_keep_left_are_not_tried_again():
    history = opened()
    tell(history, "keep", -0.01, "llm:some-model", moved={"LR": (0.02, 0.04)})
    assert [p.champion for p in recall(history, {"LR": 0.04})] == [{"LR": 0.02}]
    assert {"LR": 0.02} not in every(history, "LR = 0.04\n")


def test_after_a_change_of_the_code_old_values_are_new():
    history = opened()
    tell(history, "discard", 0.01, params={"LR": 0.03}, hypothesis="LR 0.02 -> 0.03")
    tell(history, "crash", params={"LR": 0.04}, hypothesis="LR 0.02 -> 0.04")
    tell(history, "keep", -0.05, "llm:some-model")
    got = every(history, "LR = 0.02\n")
    assert {"LR": 0.03} in got and {"LR": 0.08} in got


def test_a_discarded_move_leaves_the_champions_values_as_they_were():
    history = opened()
    tell(history, "discard", 0.01, params={"LR": 0.03}, hypothesis="LR 0.02 -> 0.03")
    tell(history, "keep", -0.01, "llm:some-model", moved={"LR": (0.02, 0.04)})
    tell(history, "discard", 0.01, params={"LR": 0.06}, hypothesis="LR 0.04 -> 0.06")
    assert [p.champion["LR"] for p in recall(history, {"LR": 0.04})] == [0.04, 0.02, 0.02]


def test_where_a_constant_was_before_a_change_of_the_code_is_known_from_what_was_tried_then():
    history = opened()
    tell(history, "discard", 0.01, params={"DEPTH": 8}, hypothesis="DEPTH 4 -> 8")
    tell(history, "discard", 0.01, params={"LR": 0.03}, hypothesis="LR 0.02 -> 0.03")
    tell(history, "keep", -0.01, "llm:some-model")  # and it set LR to 0.05
    assert [p.champion["LR"] for p in recall(history, {"LR": 0.05, "DEPTH": 4})] == [0.02, 0.02]


def test_a_result_counts_less_with_every_change_of_the_code_since():
    history = opened()
    tell(history, "discard", 0.01, params={"LR": 0.03}, hypothesis="LR 0.02 -> 0.03")
    tell(history, "keep", -0.05, "llm:some-model")
    tell(history, "discard", 0.05, "llm:some-model")
    tell(history, "discard", 0.01, params={"LR": 0.06}, hypothesis="LR 0.02 -> 0.06")
    tuned = tunables({"train.py": TWO}, "cpu")
    past = list(recall(history, {t.name: t.value for t in tuned}))
    assert [p.age for p in past] == [0, 1]
    new, old = (trial.variance for trial in _trials(tuned, results(history, past, "min")))
    assert old > 2 * new


def test_the_improvement_that_is_expected_shrinks_as_nothing_helps():
    history = opened()
    first = best(context(history)).improvement
    for way, delta in ((0.04, 0.02), (0.01, 0.02)):
        tell(history, "discard", delta, params={"LR": way}, hypothesis=f"LR 0.02 -> {way}")
    for way, delta in ((8, 0.02), (2, 0.02)):
        tell(history, "discard", delta, params={"DEPTH": way}, hypothesis=f"DEPTH 4 -> {way}")
    assert best(context(history)).improvement < first / 4
