"""Where the cuts fall, and what follows them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.probes import Continuations, capped, draw, masses, pivotal, prepare
from eval.score import windows

LENGTH, ROWS = 32, 40


@pytest.fixture
def case():
    rng = np.random.default_rng(3)
    tokens = rng.integers(64, size=4_000).astype(np.uint16)
    starts = windows(len(tokens), LENGTH, ROWS * LENGTH)
    bits = rng.gamma(1.0, 3.0, (ROWS, LENGTH))
    reference, sizes = bits + rng.normal(0, 1, bits.shape), rng.integers(0, 5, bits.shape)
    return tokens, starts, tokens[starts[:, None] + np.arange(LENGTH + 1)], masses(bits, reference, sizes), sizes


@given(st.lists(st.floats(0.0, 100.0), min_size=3, max_size=60), st.data())
def test_inclusion_chances_are_chances_and_sum_to_the_count(weights, data):
    weights = np.array(weights) + 1e-6
    count = data.draw(st.integers(1, len(weights)))
    chance = capped(weights, count)
    assert (chance >= 0).all() and (chance <= 1 + 1e-9).all() and chance.sum() == pytest.approx(count)
    free = chance < 1 - 1e-9
    ratio = chance[free] / weights[free]
    assert np.allclose(ratio, ratio[:1]) if free.any() else True


@settings(max_examples=40)
@given(st.integers(1, 20), st.integers(0, 1000))
def test_a_sample_has_its_size_and_no_row_twice(count, seed):
    rng = np.random.default_rng(seed)
    chosen = pivotal(capped(rng.gamma(0.5, size=20), count), rng)
    assert len(chosen) == len(set(chosen.tolist())) == count


def test_a_sample_holds_each_row_with_its_chance():
    rng = np.random.default_rng(0)
    chance = capped(rng.gamma(0.5, size=12), 4)
    seen = np.mean([np.bincount(pivotal(chance, rng), minlength=12) for _ in range(8000)], axis=0)
    np.testing.assert_allclose(seen, chance, atol=4 * 0.5 / 8000**0.5)


def test_sets_escape_no_more_often_than_promised():
    rng = np.random.default_rng(1)
    mass = rng.gamma(0.3, size=(30, 8))
    mass /= mass.sum()
    dirty = rng.random(mass.shape) < 0.05
    _, expected = draw(mass, 5, 3, rng)
    escaped = np.mean([not any(dirty[cell] for block in draw(mass, 5, 3, rng)[0] for cell in block) for _ in range(3000)])
    assert escaped <= np.exp(-expected[dirty].sum()) + 3 * 0.5 / 3000**0.5


def test_positions_are_drawn_as_often_as_expected(case):
    rng = np.random.default_rng(5)
    counts, mass = np.zeros((ROWS, LENGTH)), case[3]
    for _ in range(3000):
        plan, expected = draw(mass, 4, 3, rng)
        for block in plan:
            for cell in block:
                counts[cell] += 1
    assert expected.sum() == pytest.approx(12)
    error = np.sqrt(expected / 3000)
    assert (np.abs(counts / 3000 - expected) < 6 * error + 0.002).all()


def test_unscored_and_last_positions_are_not_tested(case):
    mass, sizes = case[3], case[4]
    assert (mass[sizes == 0] == 0).all() and (mass[:, -1] == 0).all() and (mass[:, :-1][sizes[:, :-1] > 0] > 0).all()


def test_blocks_hold_distinct_rows_and_rows_are_cut_ever_later(case):
    plan, _ = draw(case[3], 8, 30, np.random.default_rng(2))
    last: dict[int, int] = {}
    for block in plan:
        assert len({row for row, _ in block}) == 8
        for row, position in block:
            assert last.get(row, 0) <= position
            last[row] = position


def made(case, blocks=12, seed=4):
    tokens, starts, texts, mass, _ = case
    rng = np.random.default_rng(seed)
    plan, expected = draw(mass, 8, blocks, rng)
    return prepare(tokens, starts, texts, plan, expected, rng)


def test_a_probe_keeps_the_beginning_and_alters_the_token_at_the_cut(case):
    texts = case[2]
    for probe in (probe for block in made(case) for probe in block):
        np.testing.assert_array_equal(probe.inputs[: probe.cut], texts[probe.row, : probe.cut])
        assert probe.inputs[probe.cut] != texts[probe.row, probe.cut] and len(probe.inputs) == LENGTH


def test_no_continuation_shows_a_tested_token_of_a_row_not_yet_asked():
    # every token of the split is unique, so that a shown one can be traced
    tokens = np.arange(3_000).astype(np.uint16)
    starts = windows(len(tokens), LENGTH, ROWS * LENGTH)
    texts = tokens[starts[:, None] + np.arange(LENGTH + 1)]
    mass = np.full((ROWS, LENGTH), 1.0)
    mass[:, -1] = 0
    rng = np.random.default_rng(0)
    plan, expected = draw(mass / mass.sum(), 8, 20, rng)
    blocks = prepare(tokens, starts, texts, plan, expected, rng)
    for number, block in enumerate(blocks):
        shown = set(np.concatenate([probe.inputs for earlier in blocks[: number + 1] for probe in earlier]).tolist())
        for probe in block:
            hidden = texts[probe.row, probe.cut :].tolist()
            assert not shown & set(hidden), "the second worker could know what is tested"


def test_a_continuation_is_what_follows_the_same_tokens_elsewhere():
    tokens = np.array([9, 1, 2, 3, 4, 5, 9, 1, 2, 7, 8, 6, 0, 0, 0, 0], np.uint16)
    found = Continuations(tokens, np.array([0]), 5, {0: 3}, np.random.default_rng(0)).after(np.array([1, 2]), 3, 3)
    assert found.tolist() == [7, 8, 6]


def test_without_any_other_text_the_tokens_still_differ():
    tokens = np.array([1, 2, 3, 4], np.uint16)
    found = Continuations(tokens, np.array([0]), 3, {0: 0}, np.random.default_rng(0)).after(np.array([1]), 2, 5)
    assert len(found) == 5 and found[0] != 2
