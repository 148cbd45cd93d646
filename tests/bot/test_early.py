"""Early stopping on synthetic nights with known truth: what it may lose, what it saves, and what a curve that lies can do."""

import random
from functools import cache
from math import log
from statistics import fmean

import pytest

from benchmarks.worlds import BYTES, CARRIED, LEVEL, TOKENS, calibrated, errors, stopped
from bot.early import ENOUGH, FRACTIONS, SPARED, Curves, fit
from bot.history import History
from bot.records import Measurement, Opened, Proposal, Verdict
from eval.early import Bound

SIGMA = 0.0005
NATS = BYTES / TOKENS * log(2)  # bits per byte -> nats per token
SCREEN = -1.1 * SIGMA  # what a run must reach, relative to the champion's mean


class Night:
    """Runs whose curves know their own end as well as real ones do. `level`: true value of the champion. `shown` is added to what the curve
    says before its end, `end` to what it says there; its errors before are `rough` times the usual ones."""

    def __init__(self, seed: int):
        self.random, self.clock, self.history, self.level, self.champion = random.Random(seed), 0.0, History(), LEVEL, "base"
        self.history.add(Opened(0.0, "autoresearch/x", "base", "main", "val_bpb", "min", "1", "c", "x"))

    def tick(self) -> float:
        self.clock += 1
        return self.clock

    def draw(self, effect: float, shown: float = 0.0, end: float = 0.0, rough: float = 1.0) -> tuple[float, tuple[float, ...]]:
        """(value, curve) of a run."""
        value = self.level + effect + SIGMA * self.random.gauss(0, 1)
        points: list[float] = []
        for at, error in errors(self.random, {at: rough * size for at, size in CARRIED.items()}).items():
            points += (at - 0.05, (value + shown + SIGMA * error) * NATS + 1.5 * (1 - at))
        return value, (*points, 0.95, (value + end) * NATS + 0.002 * self.random.gauss(0, 1))

    def run(self, id: int, role: str, sha: str, effect: float, **lie: float) -> Measurement:
        value, curve = self.draw(effect, **lie)
        m = Measurement(self.tick(), id, role, 0, sha, id, "ok", "c", value, bits=value * BYTES, scored_tokens=TOKENS, curve=curve)
        self.history.add(m)
        return m

    def baseline(self, runs: int = 6) -> "Night":
        for _ in range(runs):
            self.run(0, "baseline", "base", 0.0)
        return self

    def challenger(self, effect: float, **lie: float) -> int:
        id = self.history.next_id
        self.history.add(Proposal(self.tick(), id, self.champion, f"c{id}", "h", "x"))
        self.run(id, "screen", f"c{id}", effect, **lie)
        return id

    def challengers(self, count: int, **lie: float) -> "Night":
        for effect in calibrated(self.random, count):
            id = self.challenger(effect, **lie)
            self.history.add(Verdict(self.tick(), id, "discard", ""))
        return self

    def keep(self, effect: float, **lie: float) -> "Night":
        id = self.challenger(effect, **lie)
        for _ in range(3):
            self.run(id, "confirm", f"c{id}", effect, **lie)
        self.history.add(Verdict(self.tick(), id, "keep", "", sha=f"k{id}"))
        self.level, self.champion = self.level + effect, f"k{id}"
        for _ in range(3):
            self.run(id, "champion", f"k{id}", 0.0, **lie)
        return self

    def bounds(self) -> tuple[Bound, ...]:
        return Curves(self.history).bounds(SCREEN, 1)

    def stops(self, curve: tuple[float, ...], bounds: tuple[Bound, ...]) -> bool:
        return stopped(bounds, list(zip(curve[::2], curve[1::2], strict=True))) is not None

    def lost(self, effects: list[float], **lie: float) -> tuple[int, int]:
        """(improvements that were stopped and would have passed the screen, all improvements)."""
        bounds, lost = self.bounds(), 0
        mean = fmean(m.value for m in [*self.history.pool(self.champion), *self.history.selected(self.champion)])
        for effect in (gains := [effect for effect in effects if effect < 0]):
            value, curve = self.draw(effect, **lie)
            lost += self.stops(curve, bounds) and value - mean < SCREEN
        return lost, len(gains)

    def stopped(self, effect: float, tries: int = 100, **lie: float) -> float:
        """Share of runs of this effect that are stopped."""
        bounds = self.bounds()
        return sum(self.stops(self.draw(effect, **lie)[1], bounds) for _ in range(tries)) / tries


@cache
def nights() -> list[Night]:
    return [Night(seed).baseline().challengers(40) for seed in range(20)]


def share(found: list[tuple[int, int]]) -> float:
    return sum(lost for lost, _ in found) / sum(count for _, count in found)


class TestOff:
    def test_until_enough_runs_have_finished(self):
        night = Night(1).baseline().challengers(ENOUGH - 1)
        assert night.bounds() == ()
        assert len(night.challengers(2 * ENOUGH).bounds()) >= 3

    def test_until_the_champion_has_run_twice(self):
        assert Night(1).baseline(1).challengers(40).bounds() == ()

    def test_where_curves_say_nothing_about_the_end(self):
        night = Night(2).baseline()
        for effect in calibrated(night.random, 40):
            night.challenger(effect, shown=night.random.gauss(0, 0.1))
        assert night.bounds() == ()

    def test_where_there_are_no_curves(self):
        night = Night(3).baseline(0)
        for i in range(40):
            m = Measurement(night.tick(), i, "screen" if i else "baseline", 0, "base", i, "ok", "c", 1.0 + i / 100)
            night.history.add(m)
        assert night.bounds() == ()

    def test_on_another_machine(self):
        night = Night(4).baseline().challengers(40)
        night.history.add(Opened(night.tick(), "autoresearch/x", "base", "main", "val_bpb", "min", "1", "another", "x"))
        assert night.bounds() == ()

    def test_on_an_empty_night(self):
        assert Curves(History()).bounds(SCREEN, 1) == ()


class TestHonest:
    def test_of_two_hundred_improvements_one_is_lost_at_most(self):
        found = [night.lost(calibrated(night.random, 2000)) for night in nights()]
        assert share(found) <= 1 / 200

    def test_runs_that_lose_much_are_nearly_all_stopped(self):
        assert sum(night.stopped(10 * SIGMA) for night in nights()) / 20 > 0.95

    def test_half_of_those_that_lose_a_little_are(self):
        assert sum(night.stopped(3 * SIGMA) for night in nights()) / 20 > 0.5

    def test_a_clear_gain_is_never_stopped(self):
        assert sum(night.stopped(-6 * SIGMA) for night in nights()) == 0

    def test_looks_come_at_known_fractions_and_are_finite(self):
        for night in nights():
            assert {at for at, *_ in night.bounds()} <= set(FRACTIONS) and all(0 < level <= most < 10 for _, most, level in night.bounds())

    def test_a_lower_hurdle_stops_fewer(self):
        """A shorter change may lose a little."""
        curves = Curves(nights()[0].history)
        assert all(a[1] > b[1] for a, b in zip(curves.bounds(SIGMA, 1), curves.bounds(SCREEN, 1), strict=True))

    def test_a_new_champion_moves_the_bounds_with_it(self):
        found = [Night(seed).baseline().challengers(30).keep(-0.004).challengers(10) for seed in range(10)]
        assert sum(night.stopped(0.004) for night in found) / 10 > 0.8  # what was as good as the old one
        assert share([night.lost(calibrated(night.random, 2000)) for night in found]) <= 1 / 200

    def test_what_a_stopped_run_was_heading_for_is_about_right(self):
        night = nights()[0]
        for effect in (0.0, 0.004, 0.02):
            _, curve = night.draw(effect)
            m = Measurement(1.0, 99, "screen", 0, "x", 1, "stopped", "c", curve=curve[:6])
            assert Curves(night.history).predicted(m, "base") == pytest.approx(effect, abs=4 * SIGMA)

    def test_a_run_that_reported_nothing_was_heading_nowhere_known(self):
        m = Measurement(1.0, 99, "screen", 0, "x", 1, "stopped", "c")
        assert Curves(nights()[0].history).predicted(m, "base") is None


class TestDoubt:
    """A line may say less about the next run than about those it was fitted to."""

    def test_every_so_manieth_experiment_goes_on(self):
        curves = Curves(nights()[0].history)
        assert [id for id in range(1, 3 * SPARED + 1) if not curves.bounds(SCREEN, id)] == [SPARED, 2 * SPARED, 3 * SPARED]

    def test_no_bound_lies_below_the_champions_own_loss(self):
        """Nulls alone, whose luck shows in their curves: the line is so sure of itself that nearly all of them could be stopped."""
        for seed in range(10):
            night = Night(seed).baseline()
            for _ in range(40):
                night.challenger(0.0, rough=0.1)
            found = zip(night.bounds(), Curves(night.history).levels["base"], strict=True)
            assert all(bound.level <= round(at.loss, 4) <= bound.most for bound, at in found) and len(night.bounds()) == len(FRACTIONS)

    @pytest.mark.parametrize("effect", [-0.004, 0.0])
    def test_a_champion_whose_curves_say_less_has_nobody_stopped_by_the_old_line(self, effect):
        bounds = [len(Night(seed).baseline().challengers(30).keep(effect, rough=20.0).bounds()) for seed in range(10)]
        usual = [len(Night(seed).baseline().challengers(30).keep(effect).bounds()) for seed in range(10)]
        assert sum(bounds) <= 0.2 * sum(usual)

    def test_its_own_challengers_tell_in_the_end(self):
        night = Night(1).baseline().challengers(30).keep(-0.004, rough=8.0)
        before = len(night.bounds())
        for effect in calibrated(night.random, 60):
            night.challenger(3 * effect, rough=8.0)
        assert before <= 1 and len(night.bounds()) >= 3

    def test_one_that_is_rough_but_on_course_is_not_stopped_for_one_look(self):
        night = nights()[1]
        bounds, (_, curve) = night.bounds(), night.draw(-0.002)
        rough = list(curve)
        rough[2 * FRACTIONS.index(0.5) + 1] += 1.0
        assert not night.stops(curve, bounds) and not night.stops(tuple(rough), bounds)
        rough[2 * FRACTIONS.index(0.35) + 1] += 1.0
        assert night.stops(tuple(rough), bounds)


class TestLies:
    """A reported loss is its candidate's own word."""

    low = {"shown": -0.006}  # for most of its run it says less than is true; at its end it is honest, so its curve counts

    def test_a_champion_that_reported_too_low_has_no_honest_challenger_stopped(self):
        found = [Night(seed).baseline().challengers(30).keep(-0.004, **self.low) for seed in range(10)]
        assert share([night.lost(calibrated(night.random, 2000)) for night in found]) <= 1 / 200
        honest = [Night(seed).baseline().challengers(30) for seed in range(10)]
        assert sum(night.stopped(-2 * SIGMA) for night in found) <= sum(night.stopped(-2 * SIGMA) for night in honest)

    def test_nor_do_two_of_them_one_upon_the_other(self):
        found = [Night(seed).baseline().challengers(30).keep(-0.004, **self.low).keep(-0.004, shown=-0.012) for seed in range(10)]
        assert share([night.lost(calibrated(night.random, 2000)) for night in found]) <= 1 / 200

    def test_one_that_reported_too_high_has_nobody_stopped_for_it(self):
        """Its challengers look better than they are; what its curve hides is granted, what it overstates is not taken back."""
        night = Night(5).baseline().challengers(30).keep(-0.004, shown=0.006)
        curves = Curves(night.history)
        levels = curves.levels[night.champion]
        plain = [at.loss + max(0.0, line.first_above(SCREEN, at.runs)) for at, line in zip(levels, curves.lines, strict=True) if line]
        assert [most for _, most, _ in night.bounds()] == pytest.approx(plain, abs=1e-4)

    def test_one_whose_end_is_a_lie_too_stops_nobody(self):
        night = Night(6).baseline().challengers(30).keep(-0.004, shown=-0.05, end=-0.05)
        assert night.bounds() == ()

    @pytest.mark.parametrize("end", [-0.05, 0.05])
    def test_a_curve_whose_end_disagrees_with_its_score_does_not_count(self, end):
        night, same = Night(7).baseline().challengers(30), Night(7).baseline().challengers(30)
        liars = [night.challenger(0.01, shown=end, end=end) for _ in range(5)]
        read = Curves(night.history).readings
        assert not any(id(m) in read for liar in liars for m in night.history.experiments[liar].measurements)
        assert night.bounds() == same.bounds()

    def test_a_candidate_that_reports_too_low_is_never_stopped(self):
        assert sum(night.stopped(0.02, shown=-0.03) for night in nights()) == 0

    def test_one_that_reports_too_high_ends_itself(self):
        assert sum(night.stopped(-0.002, shown=0.02) for night in nights()) / 20 > 0.95

    @pytest.mark.parametrize(
        ("effect", "shown"), [(0.0, 0.004), (0.0, -0.004), (0.02, -0.02), (0.004, -0.004), (0.02, 0.02)],
        ids=["high", "low", "bad and low", "worse and low", "bad and high"],
    )  # fmt: skip
    def test_candidates_that_lie_have_no_honest_one_stopped(self, effect, shown):
        found = []
        for seed in range(10):
            night = Night(seed).baseline().challengers(30)
            for _ in range(10):
                night.challenger(effect, shown=shown)
            found.append(night.lost(calibrated(night.random, 2000)))
        assert share(found) <= 1 / 200


class TestFit:
    line = [(i / 10, 2 + 3 * i / 10 + (-1) ** i * 0.01) for i in range(20)]

    def test_it_is_least_squares(self):
        from scipy.stats import linregress

        found, want = fit(self.line), linregress(*zip(*self.line, strict=True))
        assert (found.slope, found.intercept) == pytest.approx((want.slope, want.intercept))
        assert found.spread / found.width**0.5 == pytest.approx(want.stderr)

    def test_a_run_far_out_does_not_bend_it(self):
        assert fit([*self.line, (50.0, 0.0)]) == fit(self.line)

    def test_a_line_that_falls_or_lies_flat_says_nothing(self):
        assert fit([(x, -y) for x, y in self.line]) is None and fit([(x, 1.0 + (-1) ** i) for i, (x, _) in enumerate(self.line)]) is None

    def test_equal_runs_make_no_line(self):
        assert fit([(1.0, 1.0)] * 20) is None and fit([(1.0, float(i)) for i in range(20)]) is None

    def test_few_make_none(self):
        assert fit(self.line[: ENOUGH - 1]) is None and fit(self.line[:ENOUGH])
