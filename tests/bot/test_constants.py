"""Finding, changing and choosing constants: edits are exact to the byte, values keep their kind, proposals learn from the ledger."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.history import History
from bot.proposers import ProposalContext
from bot.proposers.constants import Constants
from bot.proposers.past import describe, recall
from bot.proposers.source import evaluate, find, replace
from bot.proposers.space import infer, neighbours
from bot.records import Measurement, Opened, Proposal, Verdict
from tests.bot.landscape import SOURCE, Night, Valley, constants, mean_gains


def values(text: str, device: str = "cpu") -> dict[str, float]:
    return {constant.name: constant.value for constant in find(text, device)}


def choices(line: str) -> list[str]:
    (constant,) = find(line)
    return [text for _, _, text in neighbours(constant, infer(constant))]


LITERALS = {
    "3": 3, "1_000_000": 1_000_000, "0x10": 16, "-7": -7, "+2": 2, "0.5": 0.5, "1e-3": 1e-3, "-.5": -0.5, "2**19": 2**19, "2 ** 19": 2**19,
    "1 << 19": 1 << 19, "3 * 128": 384, "1 / 4": 0.25, "(2**4)": 16, "-2**2": -4, "5.": 5.0,
}  # fmt: skip


@pytest.mark.parametrize("text", LITERALS)
def test_constant_expressions_are_read(text):
    assert values(f"A = {text}\n") == {"A": LITERALS[text]}


NOT_A_NUMBER = [
    "True", "None", "1j", "'x'", "(1, 2)", "[3]", "f(4)", "9**9**9", "1 / 0", "1e999", "-True", "B", "~3", "(-8) ** 0.5",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_A_NUMBER)
def test_what_is_not_one_number_is_left_out(text):
    assert values(f"A = {text}\n") == {}


@pytest.mark.parametrize(
    "line",
    ["SEED = 1", "DATA_SEED = 1", "VOCAB_SIZE = 9", "MAX_SEQ_LEN = 9", "SEQUENCE_LENGTH = 9", "EVAL_TOKENS = 9", "LOG_EVERY = 9"],
)
def test_names_that_others_own_are_left_out(line):
    assert values(line) == {}


@pytest.mark.parametrize("name", ["LEVEL", "MEDIUM_LR", "SEEDLING", "SEQ_WEIGHT", "LOG_SCALE", "PADDING"])
def test_names_that_only_resemble_owned_ones_are_found(name):
    assert values(f"{name} = 2") == {name: 2}


NOT_PLAIN = [
    "a = 1", "def f():\n    A = 1", "A = B = 1", "A, B = 1, 2", "A = 1\nA = 2", "A = 1\nA += 1", "x.A = 1", "A: int",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_only_single_top_level_upper_case_assignments_count(text):
    assert values(text) == {}


def test_annotated_assignments_are_found():
    assert values("A: float = 0.5  # x") == {"A": 0.5}


def test_keywords_of_a_call_are_parameters_of_the_active_device_only():
    text = "A = preset(cpu=4, mps=6, cuda=8, seed=3, scale=0.5)"
    assert values(text, "cuda:0") == {"A.cuda": 8, "A.scale": 0.5}


def test_a_file_that_does_not_parse_has_no_constants():
    assert find("A = (\n") == [] and find("A = 1\0") == []


NUMBERS = st.one_of(
    st.integers(1, 10**12).map(str),
    st.floats(1e-9, 1e9).map(repr),
    st.integers(0, 40).map(lambda k: f"2**{k}"),
    st.integers(-999, -1).map(str),
    st.integers(1000, 10**9).map(lambda n: f"{n:_}"),
    st.floats(1e-6, 1e6).map(lambda x: f"{x:.2e}"),
)
PROSE = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs", "Cc"]), max_size=12)
QUOTES = "\"'\\"
FILLER = st.one_of(
    PROSE.map(lambda s: f"# {s}"),
    PROSE.map(lambda s: f"x = {s!r}"),
    PROSE.map(lambda s: f'"""é {s.translate(dict.fromkeys(map(ord, QUOTES)))}\n"""'),
    st.sampled_from(["", "def f():", "\f", "s = '''a\n  b'''", "y = 'ü'; z = 1"]).map(lambda s: s + " pass" if s.startswith("def") else s),
)
SHAPES = [
    "{n} = {v}", "{n}: float={v}  # ü {n}", "é = 'ß'; {n} = ({v})", "{n} = preset('ö', cpu={v}, cuda=3)", "{n}={v};q = 1",
    "{n} = \\\n  {v}",
]  # fmt: skip


@st.composite
def sources(draw) -> tuple[str, int]:
    """A file with constants between other lines; how many constants it has."""
    lines, count = [], draw(st.integers(1, 5))
    for index in range(count):
        lines += draw(st.lists(FILLER, max_size=3))
        lines.append(draw(st.sampled_from(SHAPES)).format(n=f"NAME{index}", v=draw(NUMBERS)))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return draw(st.sampled_from(["", "\ufeff"])) + end.join("\n".join(lines).split("\n")) + end, count


@settings(max_examples=150, deadline=None)
@given(sources(), st.data())
def test_replacing_changes_the_literal_and_not_one_other_byte(source, data):
    text, count = source
    found = find(text)
    assert len(found) == count
    chosen = data.draw(st.sampled_from(found))
    new = data.draw(NUMBERS)
    edited = replace(text, {chosen: new}).encode()
    raw = text.encode()
    assert edited == raw[: chosen.start] + new.encode() + raw[chosen.end :]
    assert values(edited.decode()) == values(text) | {chosen.name: evaluate(new)}
    assert evaluate(chosen.text) == chosen.value


def test_a_byte_order_mark_shifts_nothing():
    text = "\ufeffA = 3  # x\nB = 4\n"
    assert replace(text, dict.fromkeys(find(text), "55")) == "\ufeffA = 55  # x\nB = 55\n"


@settings(max_examples=200, deadline=None)
@given(NUMBERS, st.sampled_from(["LR", "BETA", "DROPOUT", "WIDTH", "WARMDOWN_RATIO"]))
def test_every_choice_is_another_value_of_the_same_kind_and_sign(text, name):
    (constant,) = find(f"{name} = {text}")
    for steps, value, written in neighbours(constant, infer(constant)):
        assert evaluate(written) == value != constant.value
        assert type(value) is type(constant.value) and (value > 0) == (constant.value > 0)
        assert 0 < abs(steps) <= 3.01


@settings(max_examples=100, deadline=None)
@given(st.floats(0.001, 0.999), st.sampled_from(["DROPOUT", "WARMDOWN_RATIO", "FINAL_LR_FRAC"]))
def test_fractions_stay_fractions(value, name):
    assert all(0 < float(text) <= 1 for text in choices(f"{name} = {value!r}"))


@settings(max_examples=100, deadline=None)
@given(st.floats(0.55, 0.9999))
def test_betas_stay_below_one(value):
    assert all(0 < float(text) < 1 for text in choices(f"BETA2 = {value!r}"))


@pytest.mark.parametrize(
    "line, expected",
    [
        ("LR = 0.02", ["0.005", "0.0071", "0.01", "0.013", "0.03", "0.04", "0.057", "0.08"]),
        ("LR = 3e-4", ["7.5e-5", "1.06e-4", "1.5e-4", "2e-4", "4.5e-4", "6e-4", "8.5e-4", "1.2e-3"]),
        ("BETA2 = 0.95", ["0.8", "0.86", "0.9", "0.924", "0.967", "0.975", "0.982", "0.987"]),
        ("TOKENS = 2 ** 19", ["2 ** 17", "2 ** 18", "2 ** 20", "2 ** 21"]),
        ("TOKENS = 1 << 4", ["1 << 2", "1 << 3", "1 << 5", "1 << 6"]),
        ("TOKENS = 65_536", ["16_384", "32_768", "131_072", "262_144"]),
        ("DEPTH = 4", ["1", "2", "3", "6", "8", "11", "16"]),
        ("DEPTH = 1", ["2", "3", "4"]),
        ("WIDTH = 384", ["128", "256", "640", "768", "1024", "1536"]),
        ("STEPS = 1200", ["300", "600", "1800", "2400", "4800"]),
        ("INIT_SCALE = 0.68", ["0.34", "1.4"]),
        ("DECAY = 0.0", ["0.01", "0.018", "0.03"]),
        ("RATIO = 1.0", ["0.25", "0.35", "0.5", "0.66"]),
    ],
)
def test_choices_are_sensible_and_written_like_the_original(line, expected):
    got = choices(line)
    assert len(got) >= 3 and set(expected) & set(got) == set(expected), got


def test_an_integer_zero_is_a_switch_and_stays():
    assert infer(find("A = 0")[0]) is None


# The proposer. `told` plays a ledger in which each proposal has the outcome that `outcome` gives it.


def context(history: History, text: str = SOURCE, seed: int = 0, direction: str = "min", **files: str) -> ProposalContext:
    return ProposalContext({"train.py": text} | files, history, history.next_id, "cpu", Path(), direction, seed)


def opened(direction: str = "min") -> History:
    history = History()
    history.add(Opened(0.0, "autoresearch/x", "base", "main", "m", direction, "5s cpu", "c", "constants"))
    for index, value in enumerate((1.799, 1.801, 1.8, 1.802)):
        history.add(Measurement(0.0, 0, "baseline", index, "base", index, "ok", "c", value))
    return history


def tell(history: History, params: dict[str, float], hypothesis: str, status: str, delta: float | None = None, seeds: int = 0) -> None:
    id = history.next_id
    parent = history.champion_sha
    history.add(Proposal(0.0, id, parent, f"sha{id}", hypothesis, "constants", params=params))
    outcome = "ok" if delta is not None else status
    history.add(Measurement(0.0, id, "screen", 0, f"sha{id}", 9, outcome, "c", 1.8 + delta if delta is not None else None))
    history.add(Verdict(0.0, id, status, "", delta=delta, seeds=seeds, sha=f"sha{id}" if status == "keep" else ""))


ONE = "LR = 0.02\n"


def test_a_proposal_says_exactly_what_it_changes():
    answer = Constants().propose(context(opened()))
    assert re.fullmatch(r"[\w.]+ \S+ -> \S+", answer.hypothesis)
    changed = {name: value for name, value in values(answer.edits["train.py"]).items() if value != values(SOURCE)[name]}
    assert changed == answer.params and len(changed) == 1


def test_the_same_ledger_gives_the_same_proposal():
    night = Night(Valley(1), constants(1), 1)
    for _ in range(8):
        night.experiment()
    assert Constants().propose(context(night.history, night.text)) == Constants().propose(context(night.history, night.text))


def test_what_helped_goes_further():
    history = opened()
    tell(history, {"LR": 0.04}, "LR 0.02 -> 0.04", "keep", -0.01, 4)
    assert Constants().propose(context(history, "LR = 0.04\n")).params["LR"] > 0.04


def test_what_hurt_goes_the_other_way():
    history = opened()
    tell(history, {"LR": 0.03}, "LR 0.02 -> 0.03", "discard", 0.01)
    assert Constants().propose(context(history, ONE)).params["LR"] < 0.02


def test_a_larger_metric_can_be_better():
    history = opened("max")
    tell(history, {"LR": 0.03}, "LR 0.02 -> 0.03", "discard", -0.01)
    assert Constants().propose(context(history, ONE, direction="max")).params["LR"] < 0.02


@pytest.mark.parametrize("status", ["crash", "oom", "timeout"])
def test_nothing_goes_past_a_value_that_failed(status):
    history, seen = opened(), []
    tell(history, {"LR": 0.04}, "LR 0.02 -> 0.04", status)
    while answer := Constants().propose(context(history, ONE)):
        seen.append(answer.params["LR"])
        tell(history, answer.params, answer.hypothesis, "discard", 0.001)
    assert seen and max(seen) < 0.04


def test_a_failure_of_the_machine_teaches_nothing():
    history = opened()
    tell(history, {"LR": 0.04}, "LR 0.02 -> 0.04", "invalid")
    first = Constants().propose(context(history, ONE))
    assert first.params["LR"] != 0.04 and any(p["LR"] > 0.04 for p in _all(history, ONE))


def _all(history: History, text: str) -> list[dict[str, float]]:
    """Every proposal until nothing is left, each of them discarded by a hair."""
    seen = []
    while answer := Constants().propose(context(history, text)):
        seen.append(answer.params)
        tell(history, answer.params, answer.hypothesis, "discard", 0.0001)
    return seen


def test_no_set_of_values_is_tried_twice_and_it_ends():
    seen = [tuple(sorted(params.items())) for params in _all(opened(), "LR = 0.02\nDEPTH = 2\n")]
    assert len(seen) == len(set(seen)) > 5


def test_a_value_that_was_left_by_a_keep_is_not_tried_again():
    history = opened()
    tell(history, {"LR": 0.04}, "LR 0.02 -> 0.04", "keep", -0.01, 4)
    tell(history, {"LR": 0.03}, "LR 0.04 -> 0.03", "discard", 0.01)
    assert {"LR": 0.03} not in _all(history, "LR = 0.04\n")


def test_the_champions_older_values_come_back_from_the_hypotheses():
    history = opened()
    tell(history, {"A": 2, "B.cpu": 16}, describe([("A", "1", "2"), ("B.cpu", "2 ** 3", "2 ** 4")]), "keep", -0.01, 4)
    tell(history, {"A": 4}, "A 2 -> 4", "discard", 0.01)
    assert [p.champion for p in recall(history, {"A": 2, "B.cpu": 16})] == [{"A": 2, "B.cpu": 16}, {"A": 1, "B.cpu": 8}]


def test_the_same_name_in_two_files_is_two_parameters():
    answers = _all(opened(), "LR = 0.02\n")
    history = opened()
    answer = Constants().propose(context(history, ONE, **{"other.py": ONE}))
    assert set(answer.params) < {"train.py:LR", "other.py:LR"} and set(answers[0]) == {"LR"}


def test_files_without_constants_leave_nothing_to_propose():
    assert Constants().propose(context(opened(), "x = 1\n", **{"notes.txt": "A = 1"})) is None


def test_a_vanished_constant_in_the_ledger_is_no_trouble():
    history = opened()
    tell(history, {"GONE": 2.0, "LR": 0.04}, "GONE 1.0 -> 2.0, LR 0.02 -> 0.04", "discard", 0.01)
    assert Constants().propose(context(history, ONE))


def test_every_proposal_of_a_long_night_parses_and_moves_at_most_two():
    night = Night(Valley(5, cliff=True), constants(5), 5)
    for _ in range(25):
        answer = night.experiment()
        ast.parse(answer.edits["train.py"])
        assert 1 <= len(answer.params) <= 2


@pytest.mark.parametrize("count, factor", [(12, 1.3), (30, 1.2)])
def test_it_beats_random_search_on_average(count, factor):
    ours, random = (sum(row[-1] for row in mean_gains(name, 16, count, first=500)) for name in ("constants", "random"))
    assert ours > factor * random
