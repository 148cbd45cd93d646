"""The night's noise: which groups it is pooled over, and whether a machine that has changed is told from one that has not."""

import random

import pytest

from bot.loop import measure_champion, run_loop, take, watch
from bot.noise import WATCH, NightNoise, against, due, partners, shared, suspicion
from bot.records import Drift, Measurement
from bot.stats import Noise, squares

from .builders import BASE, Night, sha
from .nights import make_night
from .test_history import fold


def run(seed: int, id: int, role: str, sha: str, value: float) -> Measurement:
    return Measurement(at=1.0, id=id, role=role, index=seed, sha=sha, seed=seed, outcome="ok", context="c0ffee", value=value)


def measured(seed: int, value: float) -> Measurement:
    return run(seed, 1, "confirm", "c", value)


class TestGroups:
    @pytest.fixture
    def night(self):
        """Base: four runs and the one that the keep asked for; a kept change of three fresh runs; its commit with three of its own."""
        night = Night().baseline(seeds=4)
        night.kept(fresh=3)
        return night

    def test_equal_runs_of_champions_and_of_candidates_are_pooled_apart(self, night):
        noise = NightNoise(fold(night)).of_others()
        assert (noise.champion[1], noise.candidate[1]) == (4 + 2, 2)

    def test_what_is_compared_itself_is_left_out(self, night):
        noise = NightNoise(fold(night))
        assert noise.of_others(BASE).champion[1] == 2 and noise.of_others(sha(501)).champion[1] == 4
        assert noise.of_others(BASE, sha(501), 1) == Noise()

    def test_its_squares_are_around_each_groups_own_mean(self, night):
        history = fold(night)
        values = [m.value for m in history.pool(sha(501))]
        assert NightNoise(history).of_others(BASE, 1).champion == squares(values)

    def test_a_single_fresh_run_is_no_group(self):
        night = Night().baseline()
        night.kept(status="discard", fresh=1)
        assert NightNoise(fold(night)).of_others().candidate == (0.0, 0)

    def test_failures_are_no_runs(self, night):
        night.run(1, "confirm", 3, sha(1), outcome="crash")
        assert NightNoise(fold(night)).of_others().candidate[1] == 2

    def test_runs_from_before_a_drift_are_not_compared(self, night):
        night.events.append(Drift(night.at + 1, since=night.at, why="jump"))
        noise = NightNoise(fold(night))
        assert noise.of_others() == Noise() and noise.sigma == 0.0

    def test_another_machine_starts_anew(self, night):
        night.context = "another"
        night.opened()
        assert NightNoise(fold(night)).of_others() == Noise()

    def test_sigma_is_that_of_one_champion_run(self):
        night = Night(noise=0.004).baseline(seeds=400)
        assert NightNoise(fold(night)).sigma == pytest.approx(0.004, rel=0.1)

    def test_without_any_run_there_is_none(self):
        assert NightNoise(fold(Night().opened())).of_others() == Noise()


class TestSharedSeeds:
    champion = [measured(7, 1.0), measured(8, 2.0), measured(9, 3.0)]
    candidate = [measured(9, 13.0), measured(5, 15.0), measured(7, 11.0)]

    def test_partners_are_runs_on_the_same_seed(self):
        assert partners(self.champion, self.candidate) == [2, None, 0]

    def test_shared_values_come_in_pairs(self):
        assert shared(self.champion, self.candidate) == ([13.0, 11.0], [3.0, 1.0])

    @pytest.mark.parametrize(("own", "pairing"), [(0.1, True), (10.0, False)])
    def test_pairing_is_claimed_where_a_seed_does_the_same_to_both(self, own, pairing):
        night, luck = Night().opened(), (1.0, -0.5, 0.3, -0.8)
        night.events += [run(i, 0, "baseline", BASE, 5 + x) for i, x in enumerate(luck)]
        for id in range(1, 7):
            night.proposed()
            night.events += [run(i, id, "confirm", sha(id), 5 + x + night.random.gauss(0, own)) for i, x in enumerate(luck)]
        assert (NightNoise(fold(night)).pairing > 0.5) == pairing


class TestAgainst:
    champion = [measured(i, v) for i, v in enumerate((1.0, 1.1, 0.9))]

    def test_it_is_candidate_minus_champion(self):
        assert against(self.champion, [measured(7, 0.5), measured(8, 0.7)], Noise()).delta == pytest.approx(-0.4)

    def test_where_more_is_better_a_gain_is_still_negative(self):
        assert against(self.champion, [measured(7, 1.5), measured(8, 1.7)], Noise(), sign=-1).delta == pytest.approx(-0.6)

    @pytest.mark.parametrize(("champion", "candidate"), [(1, 2), (2, 1), (0, 0)])
    def test_one_run_is_no_comparison(self, champion, candidate):
        assert against(self.champion[:champion], self.champion[:candidate], Noise()) is None


class TestDue:
    def test_so_many_runs_after_the_champions_last_one(self):
        night = Night().baseline()
        for _ in range(WATCH - 1):
            night.screened()
        assert not due(fold(night))
        night.screened()
        assert due(fold(night))

    def test_any_run_of_the_champion_counts(self):
        night = Night().baseline()
        for _ in range(WATCH):
            night.screened()
        night.run(0, "baseline", 4, BASE)
        assert not due(fold(night))

    def test_failures_count_as_time_that_has_passed(self):
        night = Night().baseline()
        for _ in range(WATCH):
            night.failed()
        assert due(fold(night))

    def test_a_champion_that_has_not_run_yet_is_not_due_but_missing(self):
        assert not due(fold(Night().opened()))


class Machine:
    """A champion's runs as the loop makes them: once more while there is a suspicion. `others`: degrees of freedom of other champions."""

    def __init__(self, seed: int, others: int, runs: int):
        self.random = random.Random(seed)
        self.others = squares([self.random.gauss(0, 1) for _ in range(others + 1)])
        self.values = [self.random.gauss(0, 1) for _ in range(runs)]

    def again(self, *levels: float) -> str:
        """What is found after one run at the first level, or after one at each while it is looked at again."""
        found = ""
        for level in levels:
            self.values.append(self.random.gauss(level, 1))
            found = suspicion(self.values, self.others)
            if found != "look again":
                break
        return found


@pytest.mark.parametrize("others", [0, 4, 8, 20])
class TestDrift:
    def test_a_jump_of_five_standard_deviations_is_mostly_found_after_two_runs(self, others):
        found = [Machine(seed, others, 7).again(5.0, 5.0) for seed in range(200)]
        assert found.count("drift") > 200 * 0.75

    def test_a_machine_that_stays_itself_is_seldom_called_another(self, others):
        alarms = 0
        for seed in range(120):
            machine = Machine(seed, others, 4)
            alarms += any(machine.again(0.0, 0.0, 0.0) == "drift" for _ in range(8))
        assert alarms <= 5

    def test_one_wild_run_is_looked_at_again_and_no_drift(self, others):
        wild = [Machine(seed, others, 7) for seed in range(60)]
        first = [machine.again(20.0) for machine in wild]
        assert first.count("look again") > 50 and "drift" not in first
        assert [machine.again(0.0) for machine in wild].count("drift") <= 1


def test_too_few_runs_raise_no_suspicion():
    assert suspicion([0.0, 0.1, 1000.0], (20.0, 20)) == ""


def test_equal_runs_are_no_drift():
    assert suspicion([5.0] * 8, (0.0, 0)) == ""


def test_a_night_on_a_machine_that_changed_measures_its_champion_anew(tmp_path):
    night, referee = make_night(tmp_path / "repo", [])
    run_loop(night)
    base = night.history.base
    referee.answer = lambda asked: {"value": 2.0 + asked["seed"] % 1000 / 1e6}
    take(night, 0, "baseline", base)
    watch(night)
    (drift,) = night.history.drifts
    pool = night.history.pool(base)
    assert len(pool) >= night.settings.baseline_seeds and all(m.value > 2.0 and m.at > drift.at for m in pool)
    assert drift.since == [m.at for m in night.history.champion_runs(base, "c1") if m.value < 2.0][-1]


def test_on_the_same_machine_nothing_more_is_measured(tmp_path):
    night, referee = make_night(tmp_path / "repo", [])
    run_loop(night)
    asked = len(referee.asked)
    measure_champion(night)
    assert not night.history.drifts and len(referee.asked) == asked
