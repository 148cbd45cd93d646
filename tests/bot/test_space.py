"""What comments and code say about constants: ranges, choices, what stays, what must divide what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.proposers.hints import Hint, read
from bot.proposers.moves import Choice, Rules, applied, singles, tunables
from bot.proposers.relations import find as relations
from bot.proposers.source import find
from bot.proposers.space import infer, neighbours


def choices(line: str) -> list[str]:
    (constant,) = find(line)
    space = infer(constant)
    return [text for _, _, text in neighbours(constant, space)] if space else []


def moved(text: str) -> list[dict[str, float]]:
    """Every move of one constant, and what it takes along."""
    tuned = tunables({"train.py": text}, "cpu")
    return [{tuned[i].name: choice.value for i, choice in move.items()} for move in singles(tuned, {"train.py": text}, "cpu")]


# Comments

RANGES = [
    "0.01 .. 0.3",
    "0.01...0.3",
    "rate, 1e-2 .. 3e-1",
    "between 0.01 and 0.3",
    "in [0.01, 0.3]",
    "range: 0.01 to 0.3",
    "range 0.01-0.3",
]


@pytest.mark.parametrize("comment", [*RANGES, ">= 0.01, <= 0.3", "at least 0.01 and at most 0.3"])
def test_a_range_is_read(comment):
    assert read(comment, 0.02) == Hint(low=0.01, high=0.3)


@pytest.mark.parametrize("comment", ["one of 64, 128, 256", "64 | 128 | 256", "choices: 64, 128 or 256", "one of {2**6, 2**7, 2**8}"])
def test_a_list_of_choices_is_read(comment):
    assert read(comment, 128) == Hint(choices=(64, 128, 256))


NOTHING = [
    "0.3 .. 0.01 over the run", "layers; 4 win from a minute on (1.36 against 2 layers' 1.38), 2 at 10 s", "at most; the rest later",
    "1 or 2 of them",
    "7 .. 9", "one of 5, 6", "multiple of 3", "version 1.2.3", "one of many", "a third of 5, 6", "fixed learning rate", "10% .. 20%", "",
]  # fmt: skip


@pytest.mark.parametrize("comment", NOTHING)
def test_what_only_resembles_a_hint_is_none(comment):
    assert read(comment, 4) == Hint()


@pytest.mark.parametrize(
    "comment", ["fixed", "fixed: the data has so many", "fixed by the tokenizer", "do not change", "layers; don't touch"]
)
def test_a_constant_that_a_comment_fixes_stays(comment):
    assert choices(f"LAYERS = 4  # {comment}") == []


@pytest.mark.parametrize(
    "line, expected",
    [
        ("LR = 0.02  # 0.01 .. 0.03", ["0.01", "0.013", "0.03"]),
        ("WIDTH = 128  # one of 64, 128, 512", ["64", "512"]),
        ("WIDTH = 2**7  # one of 2**6, 2**7, 2**9", ["2**6", "2**9"]),
        ("SCALE = 0.5  # one of 0.5, 1, 2", ["1.0", "2.0"]),
        ("LEVEL = 0  # one of 0, 1, 2", ["1", "2"]),
        ("DEPTH = 3  # 1 .. 4", ["1", "2", "4"]),
        ("TOKENS = 2**11  # 2**10 .. 2**12", ["2**10", "2**12"]),
        ("WIDTH = 640  # multiple of 320", ["320", "960", "1280", "1920", "2560"]),
        ("WIDTH = 600  # multiple of 40", ["160", "200", "320", "400", "920", "1200", "1680", "2400"]),
        ("GROUPS = 8  # power of two", ["2", "4", "16", "32"]),
        ("BETA2 = 0.95  # 0.9 .. 0.97", ["0.9", "0.924", "0.967", "0.97"]),
    ],
)
def test_values_keep_to_what_the_comment_says(line, expected):
    assert choices(line) == expected


@given(st.floats(1e-4, 1.0), st.floats(0.26, 0.6), st.floats(1.6, 3.9))
def test_no_value_leaves_its_range_and_the_ends_are_among_them(value, down, up):
    low, high = value * down, max(2.0, value * up)
    got = [float(text) for text in choices(f"X = {value!r}  # {low!r} .. {high!r}")]
    assert all(low <= found <= high for found in got)
    assert low in got and (high in got or high > 4 * value)


def test_a_comment_belongs_to_its_own_constant():
    text = "A = f(cpu=2,  # one of 2, 4\n      cuda=8)  # one of 8, 16\nB = 3\n# one of 3, 5\n"
    comments = {constant.name: constant.comment for constant in find(text, "cpu")}
    assert comments == {"A.cpu": "one of 2, 4", "B": ""}


def test_a_comment_behind_a_call_is_of_all_its_numbers():
    (constant,) = find("DEPTH = preset(cpu=4, cuda=8)  # 2 .. 12", "cpu")
    assert constant.comment == "2 .. 12"


# Code

HEADS = "WIDTH = 384\nHEADS = 6\nassert WIDTH % HEADS == 0\n"


def test_no_move_breaks_a_division_that_the_code_asserts():
    for move in moved(HEADS):
        values = {"WIDTH": 384, "HEADS": 6} | move
        assert values["WIDTH"] % values["HEADS"] == 0, move


def test_a_width_takes_its_heads_along_and_keeps_their_size():
    assert {"WIDTH": 256, "HEADS": 4} in moved(HEADS)


def test_heads_that_divide_the_width_move_alone():
    assert {"HEADS": 3} in moved(HEADS) and {"HEADS": 12} in moved(HEADS)


def test_heads_that_do_not_divide_it_take_the_width_along():
    assert {"HEADS": 9, "WIDTH": 387} in moved(HEADS)


def test_a_floor_division_is_one_too():
    assert {"WIDTH": 256, "HEADS": 4} in moved("WIDTH = 384\nHEADS = 6\ndef f():\n    return WIDTH // HEADS\n")


def test_a_division_that_does_not_hold_now_is_no_rule():
    assert {"WIDTH": 256} in moved("WIDTH = 384\nHEADS = 7\nx = WIDTH // HEADS\n")


def test_a_partner_that_is_fixed_is_not_moved_and_the_move_is_left_out():
    got = moved("WIDTH = 384\nHEADS = 6  # fixed\nassert WIDTH % HEADS == 0\n")
    assert got and all(move.keys() == {"WIDTH"} and move["WIDTH"] % 6 == 0 for move in got)


def test_a_move_whose_partner_would_break_another_rule_is_left_out():
    got = moved(HEADS + "assert HEADS >= 5\n")
    assert got and all(move.get("HEADS", 6) >= 5 for move in got)


def test_a_partner_keeps_to_its_own_choices():
    got = moved("WIDTH = 384\nHEADS = 6  # one of 3, 6\nassert WIDTH % HEADS == 0\n")
    assert all(move.get("HEADS", 6) in (3, 6) for move in got)


def test_a_tied_move_is_written_into_both_places():
    files = {"train.py": HEADS}
    tuned = tunables(files, "cpu")
    move = Rules(tuned, files, "cpu").completed({0: Choice(256, "256", -0.6)})
    assert applied(tuned, move, files)["train.py"] == "WIDTH = 256\nHEADS = 4\nassert WIDTH % HEADS == 0\n"


@pytest.mark.parametrize(
    "code, broken",
    [
        ("assert 0 < RATIO <= 0.5", {"RATIO": 0.6}),
        ("assert RATIO <= 0.5 and DEPTH", {"RATIO": 0.6}),
        ("assert 0.5 >= RATIO", {"RATIO": 0.6}),
        ("assert min(RATIO, DEPTH) > 0.1", {"RATIO": 0.1}),
        ("assert max(RATIO, DEPTH) < 9", {"DEPTH": 9}),
    ],
)
def test_limits_that_an_assert_gives_hold(code, broken):
    found = relations({"train.py": code}, {"RATIO": 0.4, "DEPTH": 4})
    assert found.broken({"RATIO": 0.4, "DEPTH": 4} | broken) and not found.broken({"RATIO": 0.4, "DEPTH": 4})


@pytest.mark.parametrize(
    "code", ["assert min(RATIO, DEPTH) < 9", "assert RATIO < LIMIT", "assert RATIO != 3", "if RATIO < 0.5: pass", "assert RATIO < ("]
)
def test_what_gives_no_limit_gives_none(code):
    assert not relations({"train.py": code}, {"RATIO": 0.4, "DEPTH": 4}).broken({"RATIO": 8.9, "DEPTH": 99})


def test_a_name_in_two_files_is_tied_to_nothing():
    files = {"a.py": HEADS, "b.py": "WIDTH = 12\n"}
    assert Rules(tunables(files, "cpu"), files, "cpu").relations.divisions == ()
