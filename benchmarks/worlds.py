"""Worlds with known truth for `benchmarks/decide.py`: what proposals are worth, how runs scatter, what a loss curve shows.

Values are bits per byte around LEVEL. The calibrated world follows the 126-run record of karpathy/autoresearch (branch exp/H100/mar8): a
few early gains around 0.004, then 16 % of the proposals gain Exp(0.0006), 24 % are exactly null, 60 % lose Exp(0.0012), one loser in
twenty some hundredths more.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

from eval.early import Bound, Watch

LEVEL = 0.98
EARLY, EARLY_AMONG, EARLY_GAIN = 3, 6, (0.004, 0.001)  # so many of the first so many gain about this
TOKENS, BYTES = 1000, 4000  # scored: nats per token = value * BYTES / TOKENS * ln 2
# A run's curve at a fraction of the budget shows its own final value, with this error in standard deviations of a run:
# what `benchmarks/curves.py study` measured on 96 real runs at `5s cpu` (docs/deciding.md)
CARRIED = {0.15: 0.84, 0.25: 0.76, 0.35: 0.62, 0.5: 0.60, 0.7: 0.63}
LASTING = {0.15: 0.0, 0.25: 0.80, 0.35: 0.73, 0.5: 0.81, 0.7: 0.50}  # and its correlation with the error at the fraction before


@dataclass(frozen=True)
class World:
    """`effects(rng, count)`: true effects, negative is a gain; `noise(rng)`: a function of the seed, in standard deviations.
    `curves`: error of the curve by fraction; `luck`: whether a run's luck shows in it. `overlap`: proposals 2k and 2k + 1 do."""

    name: str
    effects: Callable[[random.Random, int], list[float]]
    noise: Callable[[random.Random], Callable[[int], float]]
    overlap: bool = False
    curves: dict[float, float] | None = None
    luck: bool = True


def nulls(rng: random.Random, count: int) -> list[float]:
    return [0.0] * count


def calibrated(rng: random.Random, count: int) -> list[float]:
    effects = [_later(rng) for _ in range(count)]
    for place in rng.sample(range(EARLY_AMONG), EARLY):
        effects[place] = -abs(rng.gauss(*EARLY_GAIN))
    return effects


def _later(rng: random.Random) -> float:
    kind = rng.random()
    if kind < 0.16:
        return -rng.expovariate(1 / 0.0006)
    if kind < 0.40:
        return 0.0
    return rng.expovariate(1 / 0.0012) + (rng.expovariate(1 / 0.02) if rng.random() < 0.05 else 0.0)


def normal(rng: random.Random) -> Callable[[int], float]:
    return lambda seed: rng.gauss(0, 1)


def heavy(rng: random.Random) -> Callable[[int], float]:
    """One run in ten scatters four times as much; standard deviation 1 over all."""
    return lambda seed: rng.gauss(0, 1) * (4 if rng.random() < 0.1 else 1) / 2.5**0.5


def drifting(rng: random.Random) -> Callable[[int], float]:
    """A random walk of a tenth of a standard deviation a run, and in half of the nights one jump of three."""
    level, count, jump = 0.0, 0, rng.randrange(40, 160) if rng.random() < 0.5 else -1

    def draw(seed: int) -> float:
        nonlocal level, count
        count += 1
        level += rng.gauss(0, 0.1) + (rng.choice((-3, 3)) if count == jump else 0.0)
        return level + rng.gauss(0, 1)

    return draw


def paired(correlation: float) -> Callable[[random.Random], Callable[[int], float]]:
    """Runs on one seed share so much of their variance, whatever the file."""

    def make(rng: random.Random) -> Callable[[int], float]:
        shared: dict[int, float] = {}

        def draw(seed: int) -> float:
            if seed not in shared:
                shared[seed] = rng.gauss(0, 1)
            return correlation**0.5 * shared[seed] + (1 - correlation) ** 0.5 * rng.gauss(0, 1)

        return draw

    return make


def errors(rng: random.Random, sizes: dict[float, float]) -> dict[float, float]:
    """Of one run's curve by fraction, in standard deviations of a run: a rough curve stays so for a while."""
    found, before = {}, 0.0
    for at, size in sizes.items():
        before = LASTING[at] * before + sqrt(1 - LASTING[at] ** 2) * rng.gauss(0, 1)
        found[at] = size * before
    return found


def stopped(bounds: Sequence[Bound], curve: Sequence[Sequence[float]]) -> float | None:
    """The fraction at which a run of this curve would be ended; None: it is not."""
    watch = Watch(bounds)
    return next((bound.fraction for bound in bounds if watch.verdict(bound.fraction, lambda: curve)), None)


class Truth:
    """One night's world: what any set of changes is worth, and runs of it."""

    def __init__(self, world: World, sigma: float, seed: int, count: int = 700):
        self.world, self.sigma = world, sigma
        self.effects = world.effects(random.Random(f"effects {seed}"), count)
        self.noise = world.noise(random.Random(f"noise {seed}"))
        self.random = random.Random(f"curves {seed}")

    def level(self, changes: Sequence[int]) -> float:
        """Of a set of changes together, relative to the base. Two that overlap are worth the better one of them."""
        if not self.world.overlap:
            return sum(self.effects[i] for i in changes)
        pairs: dict[int, float] = {}
        for i in changes:
            known = pairs.get(i // 2)
            both = known is not None and known < 0 and self.effects[i] < 0
            pairs[i // 2] = min(known, self.effects[i]) if both else (known or 0.0) + self.effects[i]
        return sum(pairs.values())

    def adds(self, change: int, stack: Sequence[int]) -> float:
        return self.level([*stack, change]) - self.level(stack)

    def run(self, changes: Sequence[int], seed: int) -> tuple[float, dict[float, float]]:
        """(value, what the curve shows of it by fraction)."""
        level, noise = self.level(changes), self.sigma * self.noise(seed)
        shown = level + (noise if self.world.luck else 0.0)
        curve = {at: LEVEL + shown + self.sigma * error for at, error in errors(self.random, self.world.curves or {}).items()}
        return LEVEL + level + noise, curve


WORLDS = {
    "nulls": World("nulls", nulls, normal, curves=CARRIED),
    "calibrated": World("calibrated", calibrated, normal, curves=CARRIED),
    "heavy": World("heavy tails", calibrated, heavy, curves=CARRIED),
    "drifting": World("drifting", calibrated, drifting, curves=CARRIED),
    "overlap": World("overlapping", calibrated, normal, overlap=True, curves=CARRIED),
    "blind": World("calibrated, no early stopping", calibrated, normal),
    "unlucky": World("calibrated, luck unseen in the curve", calibrated, normal, curves=CARRIED, luck=False),
    "paired": World("calibrated, seeds shared", calibrated, paired(0.6), curves=CARRIED),
}
