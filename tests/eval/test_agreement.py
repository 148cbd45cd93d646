"""The estimate, its bound and the judgement, on differences that are made up."""

import numpy as np
import pytest

from eval import agreement
from eval.agreement import Compared, escaped, estimate, leak, suspect, tail
from eval.probes import Probe, draw, masses

SHAPE, BYTES = (60, 40), 60 * 40 * 3


def pairs(differences, cuts=None, expected=0.1) -> list[Compared]:
    return [Compared(Probe(0, len(d), expected, np.empty(0)), np.zeros(len(d)), np.array(d, float)) for d in differences]


def judged(found, coarse=False):
    facts = estimate(found, np.zeros((1, 1)), np.ones((1, 1)), BYTES)
    return suspect(found, facts, coarse, 3.0)


@pytest.fixture
def world():
    """Bits of a candidate and a champion, and what the candidate leaks where."""
    rng = np.random.default_rng(0)
    honest = rng.gamma(1.0, 3.0, SHAPE)
    leaks = np.where(rng.random(SHAPE) < 0.05, 0.5 * honest, 0.0)
    leaks[:, -1] = 0
    return honest - leaks, honest + rng.normal(0, 0.7, SHAPE), leaks


def answered(plan, expected, leaks):
    found = []
    for row, at in (cell for block in plan for cell in block):
        difference = np.append(np.zeros(at), leaks[row, at])
        found.append(Compared(Probe(row, at + 1, expected[row, at], np.empty(0)), np.zeros(at + 1), difference))
    return found


def test_the_estimate_is_unbiased(world):
    bits, champion, leaks = world
    mass, rng = masses(bits, champion, np.ones(SHAPE)), np.random.default_rng(1)
    found = []
    for _ in range(1500):
        plan, expected = draw(mass, 6, 5, rng)
        found.append(leak(answered(plan, expected, leaks), BYTES)[0])
    assert np.mean(found) == pytest.approx(leaks.sum() / BYTES, abs=4 * np.std(found) / 1500**0.5)


def test_the_bound_covers_what_escaped_19_times_in_20(world):
    bits, champion, leaks = world
    gain, mass = champion - bits, masses(bits, champion, np.ones(SHAPE))
    rng, missed, silent = np.random.default_rng(2), 0, 0
    few = np.where((leaks > 0) & (np.random.default_rng(9).random(SHAPE) < 0.25), leaks, 0.0)
    for _ in range(1500):
        plan, expected = draw(mass, 6, 2, rng)
        if all(few[cell] == 0 for block in plan for cell in block):
            silent += 1
            missed += np.maximum(gain, 0)[few > 0].sum() > escaped(gain, expected)
    assert silent > 100 and missed / 1500 <= 0.05


def test_the_bound_of_a_silent_test_is_not_zero_and_falls_with_the_dose(world):
    bits, champion, _ = world
    gain, mass, rng = champion - bits, masses(bits, champion, np.ones(SHAPE)), np.random.default_rng(2)
    few, many = (escaped(gain, draw(mass, 6, blocks, rng)[1]) for blocks in (1, 40))
    assert few > many > 0


def test_the_bound_is_the_best_knapsack():
    gain, expected = np.array([[6.0, 4.0, 1.0, -3.0]]), np.array([[2.0, 2.0, 4.0, 0.1]])
    room = agreement.CONFIDENCE - 2.0
    assert escaped(gain, expected) == pytest.approx(6.0 + 4.0 * room / 2.0)


def test_exact_agreement_is_said():
    facts = estimate(pairs([[0.0] * 9] * 6), np.ones((1, 1)), np.ones((1, 1)), BYTES)
    assert facts["exact"] and facts["bpb"] == 0 and facts["bound"] > 0 and facts["positions"] == 54


def test_rounding_is_no_disagreement():
    rng = np.random.default_rng(0)
    assert judged(pairs(rng.normal(0, 5e-6, (256, 200)))) is None


def test_a_single_large_difference_at_a_tested_position_is_one():
    differences = np.zeros((6, 128))
    differences[2, -1] = 0.3
    assert judged(pairs(differences)).tested == 0.3


def test_small_differences_at_tested_positions_alone_are_one():
    differences = np.zeros((6, 128))
    differences[:2, -1] = 3e-4
    assert judged(pairs(differences)) is not None


def test_a_router_that_falls_over_once_elsewhere_is_none():
    differences = np.zeros((256, 128))
    differences[17, 30] = 0.4
    assert judged(pairs(differences)) is None


def test_dependence_on_one_position_in_twenty_is_one():
    differences = np.zeros((6, 128))
    differences[:, ::20] = 0.3
    assert judged(pairs(differences)) is not None


def test_a_small_shift_everywhere_is_found_by_the_heavy_dose():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.0012, 0.001, (256, 128))
    assert judged(pairs(differences)) is not None
    assert judged(pairs(differences - 0.0012)) is None


def test_coarse_rounding_needs_coarse_room():
    rng = np.random.default_rng(0)
    differences = rng.normal(0, 0.01, (6, 128))
    assert judged(pairs(differences), coarse=True) is None
    assert judged(pairs(differences)) is not None


@pytest.mark.parametrize("hits, tries, seen, of", [(1, 6, 0, 768), (3, 256, 2, 1000), (10, 20, 5, 30)])
def test_the_tail_is_that_of_a_beta_binomial(hits, tries, seen, of):
    from scipy.stats import betabinom

    assert tail(hits, tries, seen, of) == pytest.approx(betabinom.sf(hits - 1, tries, seen + 0.5, of - seen + 0.5), rel=1e-6)
