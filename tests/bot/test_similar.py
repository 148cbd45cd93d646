"""How alike two changes are: rewording an idea does not hide it, and no two ideas are taken for one."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.duplicates import units
from bot.similar import ALIKE, alike, close, jaccard, same_move, shape

from .ideas import OTHERS, PATH, SAME, TRAIN, diff, made

SAME_MOVES = [
    ((4, 8), (4, 8)),
    ((0.04, 0.06), (0.04, 0.062)),
    ((0.95, 0.98), (0.95, 0.9795)),
    ((0.0, 0.1), (0.0, 0.11)),
    ((512, 640), (512, 648)),
]
OTHER_MOVES = [
    ((0.04, 0.06), (0.04, 0.03)), ((0.04, 0.06), (0.04, 0.08)), ((0.04, 0.06), (0.05, 0.06)), ((0.95, 0.99), (0.95, 0.995)),
    ((4, 5), (4, 6)), ((0.0, 0.1), (0.0, 0.2)), ((0.0, 0.1), (0.0, -0.1)), ((8, 9), (8, 7)), ((0.6, 0.91), (0.6, 1.2)),
]  # fmt: skip


@pytest.mark.parametrize("a, b", SAME_MOVES)
def test_moves_by_about_as_much_are_the_same(a, b):
    assert same_move(a, b) and same_move(b, a)


@pytest.mark.parametrize("a, b", OTHER_MOVES)
def test_moves_another_way_or_by_more_are_not(a, b):
    assert not same_move(a, b) and not same_move(b, a)


# Similar diffs


def shapes(edits):
    return [shape(diff(TRAIN, made(edit))) for edit in edits]


@pytest.mark.parametrize("name", ["gelu", "no nesterov", "average the weights", "skip connections", "no value embeddings"])
def test_an_idea_under_other_names_and_comments_is_the_same(name):
    assert alike(*shapes(SAME[name])[:2])


def test_different_ideas_are_never_the_same():
    firsts = {name: edits[0] for name, edits in SAME.items()} | OTHERS
    known = dict(zip(firsts, shapes(firsts.values()), strict=True))
    assert [(a, b) for a, b in itertools.combinations(known, 2) if alike(known[a], known[b])] == []


def test_what_a_changed_line_only_repeats_does_not_count():
    assert jaccard(*shapes([SAME["gelu"][0], OTHERS["silu"]])) < 0.7


def test_the_threshold_lies_between_rewording_and_other_ideas():
    same = [jaccard(*shapes(edits)[:2]) for name, edits in SAME.items() if name in ("gelu", "average the weights", "skip connections")]
    other = jaccard(*shapes([SAME["average the weights"][0], OTHERS["average by products"]]))
    assert min(same) == 1.0 > ALIKE > other > 0.9


def test_an_idea_is_the_same_on_a_champion_that_has_changed_elsewhere():
    later = made(SAME["clip gradients"][0], TRAIN.replace("# model\n", "# model\n# more\n# lines\n"))
    on_another = diff(later, made(SAME["average the weights"][1], later))
    assert alike(shape(on_another), *shapes(SAME["average the weights"][:1]))


def test_the_same_line_in_another_place_is_another_idea():
    line = "            x = x * 0.9\n"
    places = ["            h = rms_norm(x)\n", "            x = x + F.linear(y.transpose(1, 2).flatten(2), w_out)\n"]
    assert not alike(*shapes([(place, place + line)] for place in places))


def test_lines_that_change_places_are_a_change():
    text = "def f():\n    a()\n    b()\n    c()\n"
    swaps = ("a()\n    b()", "b()\n    a()"), ("b()\n    c()", "c()\n    b()")
    first, second = (shape(diff(text, text.replace(old, new), "f.py")) for old, new in swaps)
    assert first.size and not alike(first, second)


def test_what_a_diff_touches_is_read_off_its_lines_and_headings():
    text = TRAIN.replace("MLP_RATIO = 4", "MLP_RATIO = 3").replace("return 2 * cap", "return cap")
    text = text.replace("            optimizer.param_groups[0].update", "            optimizer.param_groups[-1].update")
    assert shape(diff(TRAIN, text)).units == {"MLP_RATIO", "softcap", "optimizer_step"}


def test_a_removed_line_that_looks_like_a_heading_is_a_line():
    text = "a = 1\n-- x\nb = 2\n"
    assert shape(diff(text, text.replace("-- x\n", ""), "f.txt")).size > 0


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_closeness_of_any_two_numbers_is_symmetric(a, b):
    assert close(a, b) == close(b, a) and close(a, a)


def test_what_two_texts_differ_in_is_named_like_what_a_diff_touches():
    edits = [edits[0] for edits in SAME.values()] + [*OTHERS.values()]
    texts = [made(edit) for edit in edits]
    assert [units({PATH: TRAIN}, {PATH: text}) for text in texts] == [shape(diff(TRAIN, text)).units for text in texts]
