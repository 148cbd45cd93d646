"""The textbook's test where nothing is pooled, intervals that hold the truth, and no wild group that becomes everybody's noise."""

import random
from statistics import fmean

import pytest
from scipy.stats import false_discovery_control, ttest_ind

from bot.stats import KNOWN, Comparison, Noise, compare, correlation, discoveries, pooled, squares, variance


def draws(rng: random.Random, count: int, sd: float = 1.0, level: float = 0.0) -> list[float]:
    return [rng.gauss(level, sd) for _ in range(count)]


KNOWN_NOISE = Noise((60.0, 60), (60.0, 60))


def alone(champion, candidate, noise=None) -> Comparison:
    """Without shared seeds."""
    return compare(champion, candidate, [None] * len(candidate), noise or Noise())


def groups(rng: random.Random, count: int, runs: int, sd: float = 1.0) -> tuple[float, int]:
    return pooled([squares(draws(rng, runs, sd)) for _ in range(count)])


@pytest.mark.parametrize("seed", range(5))
def test_without_other_groups_it_is_welchs_t_test(seed):
    rng = random.Random(seed)
    champion, candidate = draws(rng, 6), draws(rng, 4, 5.0, -1.0)
    found, want = alone(champion, candidate), ttest_ind(candidate, champion, equal_var=False, alternative="less")
    assert (found.p(), found.freedom) == pytest.approx((want.pvalue, want.df))
    low, high = ttest_ind(candidate, champion, equal_var=False).confidence_interval(0.95)
    assert (found.delta - found.half(), found.delta + found.half()) == pytest.approx((low, high))


def test_a_shift_asks_whether_the_difference_is_below_it():
    test = Comparison(delta=-1.0, error=0.5, freedom=7)
    assert test.p(-1.0) == 0.5 and test.p(0.0) < 0.05 and test.p(-2.0) == pytest.approx(1 - test.p(0.0))


class TestIntervals:
    """95 of 100 hold the truth, or a few more where little is known of the noise."""

    @pytest.mark.parametrize(
        ("champion", "candidate", "sd", "others"),
        [
            pytest.param(4, 3, 1.0, 0, id="nothing known"),
            pytest.param(4, 3, 2.0, 0, id="nothing known, a noisy candidate"),
            pytest.param(6, 2, 1.0, 0, id="two runs of the candidate"),
            pytest.param(8, 3, 1.0, 4, id="known"),
            pytest.param(4, 6, 2.0, 6, id="known, candidates noisier"),
            pytest.param(8, 2, 0.5, 6, id="known, candidates calmer"),
        ],
    )
    def test_they_cover(self, champion, candidate, sd, others):
        rng, covered, tries = random.Random(1), 0, 2500
        for _ in range(tries):
            noise = Noise(groups(rng, others, 4), groups(rng, others, 3, sd)) if others else Noise()
            found = alone(draws(rng, champion), draws(rng, candidate, sd), noise)
            covered += abs(found.delta) <= found.half()
        assert covered / tries > 0.94  # 0.95 less two standard errors

    def test_they_cover_where_a_champion_is_compared_with_another(self):
        rng, covered, tries = random.Random(2), 0, 6000
        for _ in range(tries):
            found = alone(draws(rng, 3), draws(rng, 3), Noise(groups(rng, 4, 3)).alike)
            covered += abs(found.delta) <= found.half()
        assert covered / tries > 0.944

    def test_those_of_paired_runs_cover(self):
        rng, covered, tries = random.Random(3), 0, 2500
        for _ in range(tries):
            champion, candidate = paired(rng, 5, 3, 0.8)
            found = compare(champion, candidate, [0, 1, None], Noise(groups(rng, 4, 4), groups(rng, 4, 4), 0.8))
            covered += abs(found.delta) <= found.half()
        assert covered / tries > 0.94


def paired(rng: random.Random, champion: int, candidate: int, rho: float, effect: float = 0.0) -> tuple[list[float], list[float]]:
    """The k-th run of both is on one seed, and shares `rho` of its variance."""
    luck = draws(rng, max(champion, candidate))
    one, other = ([rho**0.5 * x + (1 - rho) ** 0.5 * rng.gauss(0, 1) for x in luck[:count]] for count in (champion, candidate))
    return one, [x + effect for x in other]


def spread(rho: float, pairing: float) -> tuple[float, float]:
    """Mean and mean square error of the difference found, of a true one of -1."""
    rng = random.Random(4)
    found = [compare(*paired(rng, 4, 3, rho, -1.0), [0, 1, 2], Noise(pairing=pairing)).delta for _ in range(4000)]
    return fmean(found), fmean((d + 1) ** 2 for d in found)


class TestPairing:
    def test_it_does_not_shift_what_is_found(self):
        assert spread(0.8, 0.8)[0] == pytest.approx(-1.0, abs=0.02) and spread(0.0, 0.8)[0] == pytest.approx(-1.0, abs=0.04)

    def test_runs_that_share_a_seed_differ_less(self):
        assert spread(0.8, 0.8)[1] < 0.8 * spread(0.8, 0.0)[1] < 0.4 * spread(0.0, 0.0)[1]

    def test_the_error_that_is_told_is_the_one_that_is_made(self):
        rng, known = random.Random(5), Noise((400.0, 400), (400.0, 400), 0.8)
        told = [compare(*paired(rng, 4, 3, 0.8), [0, 1, 2], known).error for _ in range(300)]
        assert fmean(told) == pytest.approx(spread(0.8, 0.8)[1] ** 0.5, rel=0.04)

    def test_the_order_of_the_runs_does_not_matter(self):
        rng, noise = random.Random(6), Noise(pairing=0.5)
        champion, candidate = paired(rng, 4, 3, 0.5)
        there, back = compare(champion, candidate, [0, 1, 2], noise), compare(champion[::-1], candidate[::-1], [1, 2, 3], noise)
        assert (there.delta, there.error, there.freedom) == pytest.approx((back.delta, back.error, back.freedom))


class TestCorrelation:
    @staticmethod
    def of(rho: float, seed: int, candidates: int = 30) -> float:
        rng = random.Random(seed)
        return correlation([paired(rng, 3, 3, rho)[::-1] for _ in range(candidates)])

    def test_independent_runs_are_seldom_given_any_and_never_much(self):
        found = [self.of(0.0, seed) for seed in range(200)]
        assert sum(r > 0 for r in found) < 50 and max(found) < 0.4

    def test_what_is_claimed_is_seldom_more_than_there_is(self):
        found = [self.of(0.6, seed) for seed in range(200)]
        assert sum(r > 0.6 for r in found) < 50 and fmean(found) > 0.4

    def test_more_runs_make_it_surer(self):
        assert self.of(0.6, 1, candidates=2000) == pytest.approx(0.6, abs=0.04)

    def test_few_runs_say_nothing(self):
        assert correlation([((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))] * 2) == 0.0

    def test_equal_runs_are_not_claimed_to_be_exactly_alike(self):
        assert 0.5 < correlation([((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))] * 20) < 0.96

    def test_levels_that_differ_between_candidates_are_no_correlation(self):
        rng = random.Random(8)
        pairs = [(draws(rng, 3, level=level), draws(rng, 3, level=level)) for level in range(0, 600, 10)]
        assert correlation(pairs) < 0.3

    def test_runs_without_noise_say_nothing(self):
        assert correlation([((1.0, 1.0), (2.0, 2.0))] * 20) == 0.0

    def test_exactly_opposite_runs_are_no_pairing(self):
        """A metric with few values: one pair differs, the others do not."""
        assert correlation([((1.0, 2.0), (2.0, 1.0)), *[((1.0, 1.0), (1.0, 1.0))] * 5]) == 0.0


class TestPooled:
    def test_groups_of_equal_noise_are_added_up(self):
        assert pooled([(3.0, 3), (2.0, 2), (5.0, 4), (0.0, 0)]) == (10.0, 9)

    def test_a_wild_group_is_cut_down_to_what_the_others_explain(self):
        usual = [(3.0, 3)] * 5
        wild, freedom = pooled([*usual, (3000.0, 3)])
        assert freedom == 18 and wild < 15 + 3 * 10

    def test_it_is_still_among_the_noisiest(self):
        assert pooled([(3.0, 3)] * 5 + [(3000.0, 3)])[0] > pooled([(3.0, 3)] * 6)[0]

    def test_chance_alone_is_seldom_cut(self):
        rng = random.Random(9)
        nights = [[squares(draws(rng, 4)) for _ in range(8)] for _ in range(300)]
        assert sum(pooled(night)[0] < sum(ss for ss, _ in night) - 1e-9 for night in nights) < 300 * 8 * 0.002

    def test_few_others_cut_nothing(self):
        assert pooled([(1.0, 2), (1000.0, 2)]) == (1001.0, 4)

    def test_no_groups_no_noise(self):
        assert pooled([]) == (0.0, 0) and variance() == (0.0, 0)


class TestCandidates:
    """They may be noisier than champions, and until enough of them have run nobody knows."""

    few, many = (2.0, 2), (2.0 * KNOWN, KNOWN)

    def test_first_they_are_never_taken_for_calmer_than_champions(self):
        assert Noise((30.0, 30), (0.2, 2)).of_candidate((0.0, 0)) == (1.0, 2)

    def test_first_their_own_noise_counts_where_it_is_larger(self):
        assert Noise((30.0, 30), self.few).of_candidate((0.0, 0), (6.0, 2)) == (2.0, 4)

    def test_first_the_champions_runs_make_nobody_surer_of_it(self):
        assert Noise((300.0, 300)).of_candidate((0.0, 0), (1.0, 1))[1] == 1

    def test_once_known_and_alike_all_runs_are_one_noise(self):
        assert Noise((10.0, 10), (9.0, 9)).of_candidate((4.0, 4), (1.0, 1)) == (1.0, 24)

    def test_once_known_to_be_noisier_only_their_own_counts(self):
        assert Noise((30.0, 30), (90.0, 30)).of_candidate((0.0, 0)) == (3.0, 30)

    def test_they_are_known_from_so_many_on(self):
        assert not Noise(candidate=(1.0, KNOWN - 1)).known and Noise(candidate=(1.0, KNOWN)).known

    def test_one_that_scatters_more_than_the_others_is_judged_by_its_own_scatter(self):
        noise = Noise((40.0, 40), (40.0, 40))
        calm, odd = (alone([0.0, 1.0, -1.0, 0.0], values, noise) for values in ([-3.0, -2.0, -4.0], [-3.0, 6.0, -12.0]))
        assert calm.p() < 0.001 and odd.error > 4 * calm.error and odd.p() > 0.2


class TestExact:
    """A metric without noise, such as a count."""

    def test_a_gain_is_sure(self):
        assert alone([5.0] * 4, [4.0, 4.0]).p() < 1e-6

    def test_equal_values_are_no_gain(self):
        assert alone([5.0] * 4, [5.0, 5.0]).p() == 0.5

    def test_zero_is_a_value(self):
        found = alone([0.0] * 4, [0.0, 0.0])
        assert (found.delta, found.p()) == (0.0, 0.5)

    def test_a_scatter_too_small_to_square_is_none(self):
        assert alone([5.0] * 4, [1e-100, 2e-100]).p() < 1e-6


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_units_do_not_matter(scale):
    rng = random.Random(10)
    champion, candidate = draws(rng, 5, level=3.0), draws(rng, 3, level=2.0)
    noise, scaled = (Noise((4.0 * s * s, 12), (6.0 * s * s, 14), 0.4) for s in (1.0, scale))
    one = compare(champion, candidate, [0, None, 2], noise)
    other = compare([v * scale for v in champion], [v * scale for v in candidate], [0, None, 2], scaled)
    assert (other.p(), other.freedom, other.half() / scale) == pytest.approx((one.p(), one.freedom, one.half()))


class TestDiscoveries:
    def test_it_is_benjamini_and_hochbergs_rule(self):
        rng = random.Random(11)
        for _ in range(200):
            ps = [rng.random() ** 3 for _ in range(rng.randint(1, 20))]
            want = {i for i, p in enumerate(false_discovery_control(ps)) if p <= 0.1}
            assert discoveries(ps, len(ps), 0.1) == want

    def test_what_was_tried_and_is_not_listed_counts(self):
        ps = [0.001, 0.004, 0.02]
        want = {i for i, p in enumerate(false_discovery_control([*ps, *[1.0] * 17])) if p <= 0.05}
        assert discoveries(ps, 20, 0.05) == want == {0, 1} and discoveries(ps, 3, 0.05) == {0, 1, 2}

    def test_none_of_none(self):
        assert discoveries([], 0, 0.05) == discoveries([], 100, 0.05) == set()

    def test_false_ones_are_as_few_as_promised(self):
        rng, shares = random.Random(12), []
        for _ in range(800):
            truth = [True] * 5 + [False] * 15
            found = discoveries([alone(draws(rng, 4), draws(rng, 4, 1.0, -2.5 * real), KNOWN_NOISE).p() for real in truth], 20, 0.1)
            shares.append(sum(not truth[i] for i in found) / max(1, len(found)))
        assert fmean(shares) < 0.1
