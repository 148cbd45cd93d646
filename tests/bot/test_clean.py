"""Throughput that is off makes a run suspect, once; a slow idea is not punished for being slow."""

import pytest

from bot.clean import suspicion
from bot.records import Measurement


def run(speed, index=0, sha="c", **fields):
    """A good run of 10 s at so many tokens per second, 100 tokens a step."""
    known = {"outcome": "ok", "context": "x", "parameters": 1000, "train_seconds": 10.0, "tokens": int(speed * 10), "role": "confirm"}
    known |= {"steps": int(speed / 10)} | fields
    return Measurement(at=0.0, id=1, index=index, sha=sha, seed=index, **known)


def runs(*speeds, **fields):
    return [run(speed, index, **fields) for index, speed in enumerate(speeds, 10)]


CHAMPION = runs(1000, 1010, 990, sha="champion")


@pytest.mark.parametrize("speed", [1400 / 1.34, 1290 / 1.34, 1000])
def test_what_neighbours_do_to_a_cpu_budget_is_borne(speed):
    assert suspicion(run(speed), runs(1400 / 1.34, 1000, 1290 / 1.34), []) is None


@pytest.mark.parametrize(("speed", "word"), [(600, "40% below"), (1500, "50% above")])
def test_far_from_its_own_runs(speed, word):
    assert word in suspicion(run(speed), runs(1000, 1010, 990), [])


def test_a_wall_clock_repeats_closely():
    assert suspicion(run(850), runs(1000, 1010, 990), []) is None
    assert "15% below" in suspicion(run(850), runs(1000, 1010, 990), [], clock="wall")


def test_one_earlier_run_says_too_little():
    assert suspicion(run(600), runs(1000), []) is None


def test_runs_that_scatter_by_themselves_widen_the_band():
    assert suspicion(run(600), runs(700, 1000, 1300), []) is None


def test_short_runs_scatter():
    short = {"train_seconds": 0.5}
    assert suspicion(run(1000, tokens=300, steps=3, **short), [run(1000, i, tokens=500, steps=5, **short) for i in (10, 11)], []) is None


def test_far_below_the_champion_with_the_same_shape():
    assert "60% of the champion's" in suspicion(run(600), [], CHAMPION)


@pytest.mark.parametrize("other", [{"parameters": 2000}, {"steps": 30}], ids=["parameters", "tokens in a step"])
def test_another_shape_may_be_slower(other):
    assert suspicion(run(600, **other), [], CHAMPION) is None


def test_faster_than_the_champion_is_no_suspicion():
    assert suspicion(run(3000), [], CHAMPION) is None


def test_a_low_throughput_that_repeats_is_the_candidates_own():
    first = run(600, 0, outcome="invalid", suspect=True)
    assert suspicion(run(610, 1), [first], CHAMPION) is None
    assert suspicion(run(300, 1), [first], CHAMPION) is not None


def test_other_machines_say_nothing():
    assert suspicion(run(600), runs(1000, 1010, context="y"), runs(1000, 1000, sha="champion", context="y")) is None


def test_the_champions_own_runs_are_held_to_its_own_band():
    assert "other runs of this commit" in suspicion(run(650, sha="champion"), [], CHAMPION)


def test_a_run_without_tokens_has_no_throughput():
    assert suspicion(run(0, tokens=0, steps=0), [], CHAMPION) is None
