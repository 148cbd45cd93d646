"""Two commits measured in turn (A B B A ...) on the same fresh seeds: what `retest` and `compare` do.

What was measured before counts and is not measured again, so a stop or a kill loses nothing.
"""

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from . import trust
from .errors import AutoresearchError
from .history import History
from .measuring import take
from .noise import NightNoise, partners, shared
from .records import Measurement, Role
from .recover import MAX_INVALID
from .report.text import plain
from .seeds import seed_for
from .stats import Comparison, Noise, Squares, compare, correlation, exceeds, pooled, squares, variance

if TYPE_CHECKING:
    from .loop import Night

ODD = 0.05  # p at which one side is called noisier than the night, whose noise then says nothing about it


@dataclass(frozen=True)
class Side:
    role: Role
    sha: str


@dataclass(frozen=True)
class Pair:
    """`id`: experiment that the runs are recorded under; `name`: of their seeds, which no other pair has. The reference is first."""

    id: int
    name: str
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class Compared:
    """Good runs of both sides on the pair's seeds. `test` is second minus first in a metric of which less is better, None below two runs
    each; `sigma` the standard deviation of one run, by the night and these runs."""

    first: list[Measurement]
    second: list[Measurement]
    test: Comparison | None
    sigma: float


def measure(night: "Night", pair: Pair, wanted: int) -> None:
    """Until both sides have run on `wanted` seeds; leaves when a soft stop came."""
    for number, (seed, there) in enumerate(rounds(night.history, night.settings.name, pair, wanted)):
        for side in pair.sides[:: -1 if number % 2 else 1]:
            for attempt in count(1):
                if side in there or night.stop.soft:
                    break
                run = take(night, pair.id, side.role, side.sha, seed, pair.sides[0].sha)
                if run.outcome == "ok":
                    break
                _failed(run, side, attempt)


def complete(history: History, research: str, pair: Pair) -> int:
    """Seeds that both sides have run on."""
    return sum(len(there) == 2 for _, there in _known(history, research, pair))


def compared(history: History, research: str, pair: Pair) -> Compared:
    there = [runs for _, runs in _known(history, research, pair)]
    first, second = ([runs[side] for runs in there if side in runs] for side in pair.sides)
    sign = 1 if history.direction == "min" else -1
    noise, sigma = _noise(history, first, second)
    if min(len(first), len(second)) < 2:
        return Compared(first, second, None, sigma)
    values = [[sign * m.value for m in runs] for runs in (first, second)]
    return Compared(first, second, compare(*values, partners(first, second), noise), sigma)


def rounds(history: History, research: str, pair: Pair, wanted: int) -> list[tuple[int, dict[Side, Measurement]]]:
    """The pair's first `wanted` seeds, each with the good runs on it. A seed that ran on another machine, budget or metric, or before a
    drift, is left out: how it went is known."""
    experiment, by_seed = history.experiments.get(pair.id), {}
    for m in experiment.measurements if experiment else []:
        if (side := Side(m.role, m.sha)) in pair.sides:
            by_seed.setdefault(m.seed, []).append((side, m))
    found: list[tuple[int, dict[Side, Measurement]]] = []
    for number in count():
        if len(found) >= wanted:
            return found
        seed = seed_for(research, pair.id, pair.name, number)
        done = [(side, m) for side, m in by_seed.get(seed, []) if m.outcome == "ok"]
        good = {side: m for side, m in done if history.good([m], side.role)}
        if len(good) == len(done):
            found.append((seed, good))


def _known(history: History, research: str, pair: Pair) -> list[tuple[int, dict[Side, Measurement]]]:
    """Those rounds that have a run: they are the first ones."""
    experiment = history.experiments.get(pair.id)
    found = rounds(history, research, pair, len(experiment.measurements) if experiment else 0)
    return [(seed, there) for seed, there in found if there]


def _noise(history: History, first: list[Measurement], second: list[Measurement]) -> tuple[Noise, float]:
    """What the night's other runs say of the noise of these (nothing, where a side scatters more than they say), and the sigma of all."""
    night, mine = NightNoise(history), {(m.id, m.role, m.index) for m in [*first, *second]}

    def others(groups: dict) -> Squares:
        values = [[m.value for m in runs if (m.id, m.role, m.index) not in mine] for runs in groups.values()]
        return pooled([squares(group) for group in values])

    pairing = max(night.pairing, correlation([shared(first, second)]))
    noise = Noise(others(night.pools), others(night.runs), pairing)
    own = [squares([m.value for m in runs]) for runs in (first, second)]
    if any(exceeds(variance(side), variance(noise.champion), ODD) for side in own):
        noise = Noise(pairing=pairing)
    return noise, variance(noise.champion, *own)[0] ** 0.5


def _failed(run: Measurement, side: Side, attempt: int) -> None:
    """A failure leaves nothing to compare; the machine's own is repeated, on the same seed."""
    reason = f"a {run.role} run of {side.sha[:12]} ended as {run.outcome}: {plain(run.reason)}"
    if run.outcome != "invalid":
        raise AutoresearchError("\n".join([reason, *trust.told(run)]))
    if attempt >= MAX_INVALID:
        raise AutoresearchError(f"{reason} ({MAX_INVALID} times in a row; is this machine fit to measure, and the same as before?)")
