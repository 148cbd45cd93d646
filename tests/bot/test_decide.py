"""The decision's promises, by simulation with fixed seeds: noise does not get kept, real gains do."""

import random
from statistics import fmean

import pytest

from bot.decide import ALPHA, MAX_FRESH, Evidence, Step, next_step, sigma, squares


def play(rng: random.Random, effect: float, sd: float = 1.0, candidate_sd: float | None = None, sign: int = 1) -> tuple[Step, int]:
    """One experiment with true `effect` (negative is better for sign 1) against a fresh pool of four; the last step and runs used."""
    pool, fresh, screen, extra, runs = [rng.gauss(0, sd) for _ in range(4)], [], None, 0, 0
    while True:
        step = next_step(Evidence(tuple(pool), screen, tuple(fresh), extra, sign=sign))
        if step.action in ("keep", "discard"):
            return step, runs
        runs += 1
        if step.action == "champion":
            pool.append(rng.gauss(0, sd))
            extra += 1
        elif step.action == "screen":
            screen = rng.gauss(effect, candidate_sd or sd)
        else:
            fresh.append(rng.gauss(effect, candidate_sd or sd))


def kept(effect: float, tries: int, **how: float) -> float:
    rng = random.Random(7)
    return fmean(play(rng, effect, **how)[0].action == "keep" for _ in range(tries))


def test_at_most_one_null_in_a_hundred_is_kept():
    assert kept(0.0, 4000) <= 0.01


def test_at_most_one_null_in_a_hundred_is_kept_when_candidates_are_twice_as_noisy():
    assert kept(0.0, 4000, candidate_sd=2.0) <= 0.01


def test_a_large_gain_is_kept_and_a_large_loss_never():
    assert kept(-6.0, 300) >= 0.9
    assert kept(+3.0, 300) == 0.0


def test_the_screening_run_never_counts_as_evidence():
    base = {"champion": (10.0, 10.1, 9.9, 10.0), "fresh": (9.0, 9.05, 8.95), "interleaved": 1}
    assert next_step(Evidence(screen=9.0, **base)) == next_step(Evidence(screen=5.0, **base))


def test_a_higher_is_better_metric_decides_the_mirror_image():
    down = Evidence((10.0, 10.1, 9.9, 10.0), 9.0, (9.0, 9.05, 8.95), 1)
    up = Evidence(tuple(-v for v in down.champion), -9.0, tuple(-v for v in down.fresh), 1, sign=-1)
    a, b = next_step(down), next_step(up)
    assert (a.action, b.action) == ("keep", "keep")
    assert (b.delta, b.low, b.high) == pytest.approx((-a.delta, -a.high, -a.low))


def test_the_champion_is_measured_again_between_the_candidates_runs():
    step = next_step(Evidence((10.0, 10.1, 9.9, 10.0), 9.0, (9.0, 9.1), 0))
    assert step.action == "champion"


def test_an_undecided_candidate_ends_after_max_fresh_runs():
    rng = random.Random(3)
    assert max(play(rng, -1.0)[1] for _ in range(300)) <= 1 + MAX_FRESH + MAX_FRESH // 2


def test_noise_of_other_groups_is_pooled_by_degrees_of_freedom():
    assert sigma(squares((1.0, 3.0)), squares((2.0, 2.0, 2.0))) == pytest.approx(((2.0 / 3) ** 0.5, 3))


def test_the_verdict_says_what_a_researcher_needs():
    why = next_step(Evidence((10.0, 10.1, 9.9, 10.0, 10.0), 9.0, (9.0, 9.05, 8.95), 1)).why
    assert why.startswith("kept: -1.0000 ± ") and "(3 v 5 seeds)" in why and "needed -" in why
    assert 0 < ALPHA < 0.05


def test_identical_values_are_no_gain_and_no_crash():
    same = (5.0,) * 4
    assert next_step(Evidence(same, 5.0)).action == "discard"


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_an_exact_gain_in_a_metric_without_noise_is_kept_in_any_unit(scale):
    assert next_step(Evidence((100 * scale,) * 5, 99 * scale, (99 * scale,) * 3, 1)).action == "keep"


def test_a_tiny_metric_is_told_with_the_digits_it_has():
    why = next_step(Evidence((2.5e-5, 2.6e-5, 2.4e-5), 3.1e-5)).why
    assert "+0.000006" in why and "needed -0.000001" in why


def test_nothing_is_kept_before_one_run_has_passed_the_heavy_probes():
    good = {"champion": (10.0, 10.1, 9.9, 10.0), "screen": 9.0, "fresh": (9.0, 9.05, 8.95), "interleaved": 1}
    assert next_step(Evidence(**good)).action == "keep"
    assert next_step(Evidence(**good, proved=False)).action == "confirm"


def test_a_candidate_that_never_passes_them_is_discarded_in_the_end():
    step = next_step(Evidence((10.0, 10.1, 9.9, 10.0), 9.0, (9.0, 9.05, 8.95) * 4, 6, proved=False))
    assert (step.action, step.why) == ("discard", "discarded: none of its runs passed the heavy probes")
