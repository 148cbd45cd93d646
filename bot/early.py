"""When a screening run may be ended early: its reported loss against the champion's at the same fraction of the budget. Pure.

From this night's finished runs: how far a run's loss lay above its champion's at a fraction (x), and how far its score did in the end
(y). The line y = a + b x and its prediction interval say from which x on a run would miss the screen anyway. What counts as lost is an
improvement that the screen would have let through: 1 in 200 of all improvements at most. Off until ENOUGH runs tell.

Two things may make a line tell less than it seems to. A kept change may make curves less telling: a line counts only if the new champion's
own runs lie as near to it. And a change's curve may be rough: no run is stopped below the champion's own loss, nor where it was on course
for the screen at the look before.

Reported losses are the candidates' own word. A curve counts only if its end agrees with its run's score. And where a champion's curve
was lower than its score lets expect, so much is granted to its challengers: one that reports too low has no honest one stopped.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from statistics import fmean, median

from bot.history import History
from bot.records import Measurement
from bot.stats import exceeds, squares, variance
from eval.early import Bound, reading

FRACTIONS = (0.15, 0.25, 0.35, 0.5, 0.7)
LOOKS = range(len(FRACTIONS))
# Chance, at one look and exactly on the bound, that the run would pass the screen after all. Beyond the bound it falls quickly and few
# runs end there: over all looks it loses fewer than 1 improvement in 200 (benchmarks/decide.py, and benchmarks/curves.py on real runs).
MISSED = 0.02
DOUBT = 2.0  # standard errors from which on a champion is held to hide something, and that are then granted on top
ENOUGH = 12  # finished runs behind a line
OTHER = 0.05  # p (F test) at which a champion's runs scatter more around a line than those it was fitted to
SPARED = 16  # of so many experiments one is never stopped
STEEP = 3.0  # standard errors that its slope must be above zero
REMEMBERED = 200  # newest experiments that are looked at
SPREADS = 4.0  # robust standard deviations that the end of a curve may be off; and x, beyond which a run bends the line more than it tells
LEAST = 0.01  # of the loss: an end nearer than this always agrees
MAD = 1.4826  # median absolute deviation -> standard deviation


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x, from `count` runs that scatter by `spread` around it."""

    intercept: float
    slope: float
    spread: float
    count: int
    middle: float  # mean of x
    width: float  # sum of squares of x around it

    def __call__(self, x: float) -> float:
        return self.intercept + self.slope * x

    def doubt(self, x: float, *runs: int) -> float:
        """Square of the standard error of a mean of so many runs there, against means of as many more."""
        return self.spread**2 * (1 / self.count + sum(1 / n for n in runs) + (x - self.middle) ** 2 / self.width)

    def first_above(self, threshold: float, runs: int) -> float:
        """The x from which on all but MISSED of the runs end above `threshold`, against a champion of so many runs."""
        from scipy.special import stdtrit

        reach = float(stdtrit(self.count - 2, 1 - MISSED)) * self.spread
        x = self.middle
        for _ in range(3):  # the interval widens with x: a few rounds settle it
            error = math.sqrt(1 + 1 / self.count + 1 / runs + (x - self.middle) ** 2 / self.width)
            x = (threshold - self.intercept + reach * error) / self.slope
        return x


def fit(pairs: Sequence[tuple[float, float]]) -> Line | None:
    """Least squares over (x, y), without the x far out: leaving out by x does not bend the line. None until it can be trusted."""
    if len(pairs) < ENOUGH:
        return None
    center = median(x for x, _ in pairs)
    reach = SPREADS * MAD * median(abs(x - center) for x, _ in pairs)
    near = [(x, y) for x, y in pairs if abs(x - center) <= reach]
    n, mx, my = len(near), fmean(x for x, _ in near), fmean(y for _, y in near)
    width = sum((x - mx) ** 2 for x, _ in near)
    if n < ENOUGH or not width:
        return None
    slope = sum((x - mx) * (y - my) for x, y in near) / width
    spread = math.sqrt(sum((y - my - slope * (x - mx)) ** 2 for x, y in near) / (n - 2))
    return Line(my - slope * mx, slope, spread, n, mx, width) if slope > STEEP * spread / math.sqrt(width) else None


class Curves:
    """The night's curves, and what they say about a run of the champion's next challenger."""

    def __init__(self, history: History):
        self.history = history
        tried = islice((e for e in reversed(history.experiments.values()) if e.id and e.proposal), REMEMBERED)
        self.tried = [(e.proposal.parent, history.compared(e, "screen", "confirm")) for e in tried if e.status != "keep"]
        self.pools = {sha: [*history.pool(sha), *history.selected(sha)] for sha in history.champions}
        every = {id(m): m for runs in [*self.pools.values(), *(runs for _, runs in self.tried)] for m in runs}
        ends = {key: end for key, m in every.items() if (end := _end(m)) is not None}
        usual = median(ends.values()) if ends else 0.0
        allowed = SPREADS * MAD * median(abs(end - usual) for end in ends.values()) if ends else 0.0
        # a curve counts if its end agrees with its run's score as the other runs' ends do
        counting = (every[key] for key, end in ends.items() if abs(end - usual) <= max(allowed, LEAST * _nats(every[key])))
        self.readings = {id(m): _losses(m.curve) for m in counting}
        self.levels = {sha: self._levels(runs) for sha, runs in self.pools.items()}

    @cached_property
    def known(self) -> list[list[tuple[float, float]]]:
        """(x, y) for each fraction. None of a kept change: its own curve is what `hidden` looks at."""
        return self._known(self.tried)

    @cached_property
    def lines(self) -> list[Line | None]:
        """y by x, one for each fraction: of all of the night's runs if the champion's own lie as near to it, or else of its challengers
        alone."""
        own = self._known([(parent, runs) for parent, runs in self.tried if parent == self.history.champion_sha])
        every = [fit(pairs) for pairs in self.known]
        return [line if line and self.holds(line, look) else fit(own[look]) for look, line in zip(LOOKS, every, strict=True)]

    def holds(self, line: Line, look: int) -> bool:
        """Whether the champion's runs scatter no more around it than those it was fitted to. A change may make curves less telling."""
        known = self.pairs(self.pools[self.history.champion_sha], self.history.champion_sha, look)
        return not exceeds(variance(squares([y - line(x) for x, y in known])), (line.spread**2, line.count - 2), OTHER)

    def _known(self, tried: Iterable[tuple[str, Sequence[Measurement]]]) -> list[list[tuple[float, float]]]:
        return [[pair for parent, runs in tried for pair in self.pairs(runs, parent, look)] for look in LOOKS]

    def bounds(self, threshold: float, id: int) -> tuple[Bound, ...]:
        """From which losses on a run would not come below `threshold`, relative to the champion's mean, at its end; at `level` it would
        just do so. Neither is on the wrong side of the champion's own loss. Every SPARED-th experiment `id` goes on in any case, or only
        survivors would tell."""
        if id % SPARED == 0:
            return ()
        found: list[Bound] = []
        for look, at in zip(LOOKS, self.levels[self.history.champion_sha], strict=True):
            hidden = self.hidden(look)
            if (line := self.lines[look]) and at and hidden is not None:
                loss = at.loss + max(0.0, hidden)
                most = loss + max(0.0, line.first_above(threshold, at.runs))
                level = loss + min(0.0, (threshold - line.intercept) / line.slope)
                found.append(Bound(FRACTIONS[look], round(most, 4), round(level, 4)))
        return tuple(found)

    def predicted(self, m: Measurement, parent: str) -> float | None:
        """The value, relative to the champion's mean, that a stopped run was heading for."""
        for look in reversed(LOOKS):
            line, at, loss = self.lines[look], self.levels.get(parent, [None] * len(LOOKS))[look], _losses(m.curve)[look]
            if line and at and loss is not None:
                return line(loss - at.loss)
        return None

    def pairs(self, runs: Iterable[Measurement], parent: str, look: int) -> list[tuple[float, float]]:
        """(x, y) of each run that counts, against the champion `parent`."""
        at = self.levels[parent][look] if parent in self.levels else None
        known = ((self.readings[id(m)][look], m.value) for m in runs if at and id(m) in self.readings)
        return [(loss - at.loss, value - at.value) for loss, value in known if loss is not None]

    def hidden(self, look: int) -> float | None:
        """How much lower the champions' curves may have been than their scores let expect, added up from the base to this one: x by y, for
        y by x bends to the mean. Where that is no chance, DOUBT standard errors more than it seems. None where it is not known."""
        expected = fit([(y, x) for x, y in self.known[look]]) if self.history.keeps else None
        total = doubt = 0.0
        for keep in self.history.keeps:
            parent = keep.proposal.parent if keep.proposal else ""
            if pairs := self.pairs(self.pools[self.history.sha_of(keep)], parent, look):
                if not expected:
                    return None
                y = fmean(y for _, y in pairs)
                total += expected(y) - fmean(x for x, _ in pairs)
                doubt += expected.doubt(y, len(pairs), self.levels[parent][look].runs)
        reach = DOUBT * math.sqrt(doubt)
        return total + reach if total > reach else total

    def _levels(self, runs: Sequence[Measurement]) -> "list[Level | None]":
        """Where a champion is at each fraction, by its runs that count, those that selected it too; at least two."""
        known = [(self.readings[id(m)], m.value) for m in runs if id(m) in self.readings]
        return [Level.of([(losses[look], value) for losses, value in known if losses[look] is not None]) for look in LOOKS]


@dataclass(frozen=True)
class Level:
    """Mean loss and mean score of a champion's runs."""

    loss: float
    value: float
    runs: int

    @classmethod
    def of(cls, known: Sequence[tuple[float, float]]) -> "Level | None":
        return cls(fmean(loss for loss, _ in known), fmean(value for _, value in known), len(known)) if len(known) > 1 else None


@lru_cache(4096)
def _losses(curve: tuple[float, ...]) -> tuple[float | None, ...]:
    """At each of FRACTIONS, and at the end."""
    points = list(zip(curve[::2], curve[1::2], strict=False))
    return tuple(reading(points, fraction) for fraction in (*FRACTIONS, 1.0))


def _nats(m: Measurement) -> float:
    """The score as a loss: nats per scored token."""
    return m.bits * math.log(2) / m.scored_tokens


def _end(m: Measurement) -> float | None:
    """How far the curve's end lies above the scored loss; None for a run without curve or text (a command's)."""
    last = _losses(m.curve)[-1]
    return last - _nats(m) if last is not None and m.scored_tokens else None
