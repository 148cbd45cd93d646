"""Other people's rules, on numbers worked out by hand."""

import random
from itertools import product

import pytest

from bot.rules import RULES, BestOverMad, Bootstrap, KeepIfLower


def decisions(rule, base, *changes):
    rule.begin(base)
    return [rule.decide(samples) for samples in changes]


class TestKeepIfLower:
    def test_each_new_lowest_is_kept(self):
        assert decisions(KeepIfLower(), [1.0], [0.9], [0.95], [0.8], [0.85]) == [True, False, True, False]

    def test_equal_is_not_lower(self):
        assert decisions(KeepIfLower(), [1.0], [1.0]) == [False]


class TestBootstrap:
    base = [1.0, 1.1, 0.9]

    def test_a_first_run_above_the_mean_ends_it(self):
        assert decisions(Bootstrap(), self.base, [1.0], [1.2]) == [False, False]

    def test_a_promising_one_is_run_three_times(self):
        assert decisions(Bootstrap(), self.base, [0.9], [0.9, 0.9]) == [None, None]

    def test_clearly_lower_is_kept_and_becomes_the_best(self):
        rule = Bootstrap()
        assert decisions(rule, self.base, [0.5, 0.6, 0.7]) == [True] and rule.best == [0.5, 0.6, 0.7]
        assert rule.decide([0.65]) is False

    def test_lower_on_average_is_not_enough(self):
        rule = Bootstrap()
        assert decisions(rule, self.base, [0.9, 1.0, 1.0]) == [False] and rule.best == self.base

    def test_the_chance_is_that_of_all_resamples(self):
        """Base mean: 0 in 1 of 8 draws, 0.5 in 3, ...: counted by hand for two and two values."""
        rule = Bootstrap()
        rule.begin([0.0, 1.0])
        # old means 0, 0.5 (twice), 1; new means 0.25, 0.5 (twice), 0.75: lower in 1 + 1 + 1 + 1 of 16 with old 1, and 0.25 < 0.5 twice
        assert rule.better([0.25, 0.75]) == (4 + 2) / 16

    def test_it_agrees_with_drawing_at_random(self):
        rng, rule, new = random.Random(1), Bootstrap(), [0.93, 1.04, 0.95]
        rule.begin(self.base)
        tries = 20_000
        drawn = sum(sum(rng.choices(new, k=3)) < sum(rng.choices(self.base, k=3)) - 1e-9 for _ in range(tries)) / tries
        assert rule.better(new) == pytest.approx(drawn, abs=0.015)

    def test_numbers_of_runs_may_differ(self):
        rule = Bootstrap()
        rule.begin([1.0])
        assert rule.better([0.9, 0.9, 0.9]) == 1.0 and rule.better([1.1, 1.1, 1.1]) == 0.0

    def test_equal_runs_are_never_lower(self):
        rule = Bootstrap()
        rule.begin([0.1, 0.1, 0.1])
        assert rule.better([0.1, 0.1, 0.1]) == 0.0


class TestBestOverMad:
    def test_a_gain_of_twice_the_deviation_is_kept(self):
        # seen 1.0 1.2 1.1 0.5: median 1.05, deviations 0.05 0.15 0.05 0.55, MAD 0.1; gain over 1.1 (mean of the base) 0.6
        assert decisions(BestOverMad(), [1.0, 1.2, 1.1], [0.5]) == [True]

    def test_a_smaller_gain_is_not(self):
        # seen 0.8 1.4 1.1 1.0: median 1.05, deviations 0.25 0.35 0.05 0.05, MAD 0.15; gain over 1.1 only 0.1
        assert decisions(BestOverMad(), [0.8, 1.4, 1.1], [1.0]) == [False]

    def test_discards_are_noise_for_the_next_one(self):
        # seen 1.0 2.0 3.0 0.9: median 1.5, deviations 0.5 0.5 1.5 0.6, MAD 0.55; alone, 0.9 had been kept
        assert decisions(BestOverMad(), [1.0], [2.0], [3.0], [0.9]) == [False, False, False]

    def test_the_second_run_of_all_always_passes_if_it_is_lower(self):
        """Two runs deviate by half of what they differ by: the gain is exactly twice that."""
        assert decisions(BestOverMad(), [1.0], [0.5]) == [True]


@pytest.mark.parametrize(("name", "seed"), list(product(RULES, range(3))))
def test_every_rule_ends_on_every_change(name, seed):
    rng, rule = random.Random(seed), RULES[name]()
    rule.begin([rng.gauss(1, 0.1) for _ in range(rule.runs)])
    for _ in range(20):
        samples, found = [], None
        while found is None:
            samples.append(rng.gauss(1, 0.1))
            found = rule.decide(samples)
        assert len(samples) <= 3
