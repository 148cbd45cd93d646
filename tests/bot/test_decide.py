"""The decision's promises, by simulation with fixed seeds: noise does not get kept, real gains do."""

import random
from dataclasses import replace
from math import ceil
from statistics import fmean
from types import SimpleNamespace

import pytest
from msgspec import structs

from bot.decide import EQUAL, MOST, MOST_EQUAL, PER_FRESH, Evidence, Step, next_step
from bot.history import History
from bot.loop import evidence
from bot.records import Proposal
from bot.stats import Noise
from tests.bot import builders

POOL = (10.0, 10.1, 9.9, 10.0)


def play(rng: random.Random, effect: float, sd: float = 1.0, candidate_sd: float | None = None, **facts) -> tuple[Step, int]:
    """One experiment with true `effect` against a fresh pool of four; the last step and the runs it took."""
    pool, fresh, screen, runs = [rng.gauss(0, sd) for _ in range(4)], [], None, 0
    while True:
        step = next_step(Evidence(tuple(pool), screen, tuple(fresh), (None,) * len(fresh), **facts))
        if step.action in ("keep", "discard"):
            return step, runs
        runs += 1
        if step.action == "champion":
            pool.append(rng.gauss(0, sd))
        elif step.action == "screen":
            screen = rng.gauss(effect, candidate_sd or sd)
        else:
            fresh.append(rng.gauss(effect, candidate_sd or sd))


def kept(effect: float, tries: int, **how) -> float:
    rng = random.Random(7)
    return fmean(play(rng, effect, **how)[0].action == "keep" for _ in range(tries))


def test_at_most_one_null_in_a_hundred_is_kept():
    assert kept(0.0, 6000) <= 0.01


def test_at_most_one_null_in_a_hundred_is_kept_when_candidates_are_twice_as_noisy():
    assert kept(0.0, 6000, candidate_sd=2.0) <= 0.01


def test_a_large_gain_is_kept_and_a_loss_never():
    assert kept(-6.0, 300) >= 0.9
    assert kept(+2.0, 2000) == 0.0


def test_a_well_known_noise_keeps_more_of_the_real_gains():
    known = Noise((30.0, 30))
    assert kept(-2.5, 500, noise=known) > kept(-2.5, 500) + 0.02


def test_the_screening_run_never_counts_as_evidence():
    base = {"champion": POOL, "fresh": (9.0, 9.05, 8.95), "partners": (None,) * 3}
    assert next_step(Evidence(screen=9.0, **base)) == next_step(Evidence(screen=5.0, **base))


def test_runs_that_selected_the_champion_place_it_for_screening_and_never_for_the_test():
    worse = {"champion": POOL, "selecting": (11.0,) * 4}
    assert next_step(Evidence(screen=10.0, **worse)).action == "confirm"
    assert next_step(Evidence(screen=10.0, champion=POOL)).action == "discard"
    tested = {"screen": 9.0, "fresh": (9.0, 9.05, 8.95), "partners": (None,) * 3}
    assert next_step(Evidence(**worse, **tested)).delta == next_step(Evidence(champion=POOL, **tested)).delta


def test_a_higher_is_better_metric_decides_the_mirror_image():
    down = Evidence(POOL, 9.0, (9.0, 9.05), (None, None))
    up = Evidence(tuple(-v for v in POOL), -9.0, tuple(-v for v in down.fresh), (None, None), sign=-1)
    a, b = next_step(down), next_step(up)
    assert (a.action, b.action) == ("keep", "keep")
    assert (b.delta, b.low, b.high) == pytest.approx((-a.delta, -a.high, -a.low))


def test_the_champion_is_measured_in_turn_with_the_candidate():
    champion = (10.0, 10.1)
    assert next_step(Evidence(champion, 9.0, (9.7, 9.9), (None, None))).action == "confirm"
    assert next_step(Evidence(champion, 9.0, (9.7, 9.9, 9.8), (None,) * 3)).action == "champion"


def test_a_champion_without_runs_of_its_own_gets_them_before_the_verdict():
    assert next_step(Evidence((10.0,), 9.0, (8.0,), (None,), selecting=(10.0, 10.0))).action == "champion"


def test_an_undecided_candidate_ends_after_its_last_look():
    rng = random.Random(3)
    assert max(play(rng, -1.0)[1] for _ in range(300)) <= 1 + MOST + ceil(PER_FRESH * MOST) - len(POOL)


def test_the_verdict_says_what_a_researcher_needs():
    why = next_step(Evidence((*POOL, 10.0), 9.0, (9.0, 9.05, 8.95), (None,) * 3)).why
    assert why.startswith("kept: -1.0000 ± 0.") and "(3 v 5 seeds), needed -0." in why


def test_identical_values_are_no_gain_and_no_crash():
    assert next_step(Evidence((5.0,) * 4, 5.0)).action == "discard"


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_an_exact_gain_in_a_metric_without_noise_is_kept_in_any_unit(scale):
    assert next_step(Evidence((100 * scale,) * 5, 99 * scale, (99 * scale,) * 2, (None, None))).action == "keep"


def test_a_tiny_metric_is_told_with_the_digits_it_has():
    why = next_step(Evidence((2.5e-5, 2.6e-5, 2.4e-5), 3.1e-5)).why
    assert "+0.000006" in why and "needed -0.0000011" in why


def test_nothing_is_kept_before_one_run_has_passed_the_heavy_probes():
    good = {"champion": POOL, "screen": 9.0, "fresh": (9.0, 9.05), "partners": (None, None)}
    assert next_step(Evidence(**good)).action == "keep"
    assert next_step(Evidence(**good, proved=False)).action == "confirm"


def test_a_candidate_that_never_passes_them_is_discarded_in_the_end():
    step = next_step(Evidence(POOL * 3, 9.0, (9.0, 9.05, 8.95) * 4, (None,) * 12, proved=False))
    assert (step.action, step.why) == ("discard", "discarded: none of its runs passed the heavy probes")


class TestShorter:
    """Equal within the margin and fewer statements is a keep."""

    def test_most_equal_ones_are_kept_and_few_that_lose_twice_the_margin(self):
        known = Noise((30.0, 30))
        assert kept(0.0, 300, noise=known, shorter=True) > 0.4
        assert kept(2.0, 1000, noise=known, shorter=True) <= EQUAL

    def test_it_ends(self):
        rng = random.Random(5)
        assert max(play(rng, 0.5, shorter=True)[1] for _ in range(300)) <= 1 + 2 * MOST_EQUAL

    def test_a_screening_run_within_the_margin_is_enough(self):
        assert next_step(Evidence(POOL, 10.05, shorter=True)).action == "confirm"
        assert next_step(Evidence(POOL, 10.05)).action == "discard"

    def test_the_margin_of_the_settings_wins(self):
        assert next_step(Evidence(POOL, 10.05, shorter=True, margin=0.01)).action == "discard"

    def test_what_shorter_changes_have_lost_already_is_gone_from_the_margin(self):
        loses = Evidence(POOL, 10.05, shorter=True, margin=0.1)
        assert next_step(loses).action == "confirm" and next_step(replace(loses, spent=0.08)).action == "discard"

    def test_in_a_metric_without_noise_the_same_value_is_equal(self):
        same = Evidence((5.0,) * 4, 5.0, (5.0,) * 2, (None, None), shorter=True)
        assert next_step(same).action == "keep" and next_step(replace(same, shorter=False)).action == "discard"

    def test_the_verdict_says_so(self):
        why = next_step(Evidence(POOL * 2, 10.0, (10.0, 9.95, 10.0), (None,) * 3, shorter=True, margin=0.5)).why
        assert why.startswith("kept: ") and "shorter, and equal within 0.5000" in why


def test_a_broken_limit_ends_it_whatever_it_gains():
    step = next_step(Evidence(POOL, 1.0, broken="parameters is 2e+07, the limit is <= 1e+07"))
    assert (step.action, step.why) == ("discard", "discarded: parameters is 2e+07, the limit is <= 1e+07")


def test_a_stopped_screening_run_is_a_discard_with_what_it_was_heading_for():
    step = next_step(Evidence(POOL, ended="stopped after 40% of its budget", heading=0.3))
    assert (step.action, step.why, step.delta) == ("discard", "discarded: stopped after 40% of its budget", 0.3)


class TestSharedSeeds:
    """What a seed does to both is no difference between them."""

    def test_a_seed_that_was_bad_for_the_champion_excuses_the_screening_run(self):
        facts = {"champion": (10.0, 10.3, 9.9, 9.8), "screen": 9.95, "screen_partner": 1}
        assert next_step(Evidence(**facts)).action == "discard"
        assert next_step(Evidence(**facts, noise=Noise(pairing=0.9))).action == "confirm"

    def test_pairing_decides_sooner_where_it_is_known_to_help(self):
        luck = (0.4, -0.3, 0.2, -0.3)
        facts = {"champion": tuple(10 + x for x in luck), "screen": 9.0, "fresh": tuple(9.8 + x for x in luck[:2]), "partners": (0, 1)}
        assert next_step(Evidence(**facts, noise=Noise((0.9, 10), (0.9, 10)))).action != "keep"
        assert next_step(Evidence(**facts, noise=Noise((0.9, 10), (0.9, 10), 0.9))).action == "keep"


def test_losses_of_all_that_was_kept_for_being_shorter_add_up():
    night = builders.Night(noise=1e-6).baseline()
    for effect in (0.002, -0.001, 0.003):
        id = night.kept(effect)
        night.events = [structs.replace(e, statements=-1) if isinstance(e, Proposal) and e.id == id else e for e in night.events]
    night.kept(-0.004)
    history = History.fold(night.events)
    settings = SimpleNamespace(direction="min", command=(), margin=0.01, limits={})
    found = evidence(SimpleNamespace(history=history, settings=settings), history.experiments[4])
    assert found.spent == pytest.approx(0.005, abs=1e-4) and found.equal == pytest.approx(0.005, abs=1e-4)


def test_elsewhere_a_limit_refers_to_the_champion_that_was_measured_there():
    night = builders.Night().baseline()
    night.kept()
    night.context = "elsewhere"
    night.opened()
    for index in range(4):
        night.run(1, "champion", 50 + index, night.champion)
    night.screened()
    history = History.fold(night.events)
    settings = SimpleNamespace(direction="min", command=(), margin=None, limits={"peak_memory": "<= 110%"})
    assert evidence(SimpleNamespace(history=history, settings=settings), history.experiments[2]).broken == ""
