"""The decision: samples and noise in, the next step out. Pure.

Explore cheaply, believe slowly. One screening run must be SCREEN standard errors better than the champion's mean; it selected, so from
then on it does not count. Runs on fresh seeds follow, the champion's in between, compared by Welch's t after each: a gain is kept once
its p is below SUCCESS, a candidate is dropped once its p is above FUTILE. A candidate's runs take only one of the two hurdles, so the
second need not be high. Until the night's candidates have shown how much they scatter (they may be noisier than the champion, and two
runs say little of that) the first is lower and the second higher. Equal within the margin and shorter is a keep too.
`benchmarks/decide.py` plays whole nights of this against known truth (docs/deciding.md).
"""

from dataclasses import dataclass, field
from math import ceil, sqrt
from statistics import fmean
from typing import Literal

from .report.text import Scale
from .stats import ROUNDING, Comparison, Noise, compare, squares, variance

# By whether candidates' noise is known. Before, when the large gains come, few are let go at the first hurdle; the second is higher.
SCREEN = {False: 1.0, True: 1.5}  # standard errors; no test, for it counts for nothing afterwards
SUCCESS = {False: 0.006, True: 0.1}  # from the second fresh run on, for one has no scatter
FUTILE = (0.53, 0.48, 0.42, 0.37, 0.32, 0.27, 0.23)  # after 1, 2, ... fresh runs; one more is the most there are
MOST = len(FUTILE) + 1
LEAST_POOL, PER_FRESH = 2, 0.7  # champion runs that a test needs: so many, and for each fresh run so many
MARGIN = 1.0  # standard deviations within which two are equal, where the settings name no margin
EQUAL, UNEQUAL, MOST_EQUAL = 0.05, 0.6, 8  # p of "it loses the margin or more": equal below, dropped above; most fresh runs spent on that


@dataclass(frozen=True)
class Evidence:
    """Values of one candidate and its champion, all of one context. `partners`: for each fresh run the place of the champion's run on
    the same seed, None for none; `screen_partner` likewise."""

    champion: tuple[float, ...]  # runs that did not select it
    screen: float | None = None
    fresh: tuple[float, ...] = ()
    partners: tuple[int | None, ...] = ()
    screen_partner: int | None = None
    selecting: tuple[float, ...] = ()  # runs that did: where the champion stands, for screening, which is no evidence
    noise: Noise = field(default_factory=Noise)  # of all other groups of equal runs
    sign: int = 1  # 1: lower is better, -1: higher is better
    proved: bool = True  # one of its runs has passed the heavy probes; without it nothing is kept, however large the gain
    shorter: bool = False  # it has fewer statements
    margin: float | None = None
    spent: float = 0.0  # of the margin, by what was kept for being shorter: many small losses are one large one
    broken: str = ""  # the limit that it breaks, in words
    ended: str = ""  # why its screening run was stopped early, in words
    heading: float | None = None  # and how far from the champion that run would have ended

    @property
    def mean(self) -> float:
        """Where the champion stands, by all its runs."""
        return fmean([*self.champion, *self.selecting])

    @property
    def equal(self) -> float:
        """What is left of the margin, in the metric's unit; without noise what rounding may do."""
        usual = MARGIN * sqrt(variance(self.noise.champion, squares(self.champion))[0])
        return max(0.0, max(usual if self.margin is None else self.margin, 100 * ROUNDING * abs(self.mean)) - self.spent)

    @property
    def threshold(self) -> float:
        """How far from the champion's mean a promising screening run is at least, in the metric's unit; a shorter one may lose a little."""
        if self.shorter:
            return self.sign * self.equal
        (usual, _), (single, _) = self.noise.sides(squares(self.champion))
        rho = self.noise.pairing if self.screen_partner is not None else 0.0
        error = sqrt(single * (1 - rho * rho) + usual * (1 - rho) ** 2 / (len(self.champion) + len(self.selecting)))
        return -self.sign * SCREEN[self.noise.known] * error

    @property
    def screened(self) -> float:
        """The screening run against the champion's mean, corrected by what its seed did to the champion."""
        luck = 0.0 if self.screen_partner is None else self.champion[self.screen_partner] - self.mean
        return self.screen - self.noise.pairing * luck - self.mean

    @property
    def test(self) -> Comparison:
        """Of the fresh runs, in a metric of which less is better."""
        return compare([self.sign * v for v in self.champion], [self.sign * v for v in self.fresh], self.partners, self.noise)


@dataclass(frozen=True)
class Step:
    """`action` is what to measure next or the verdict; `delta` is candidate minus champion with its 95 % interval."""

    action: Literal["screen", "confirm", "champion", "keep", "discard"]
    why: str = ""
    delta: float | None = None
    low: float | None = None
    high: float | None = None


def next_step(e: Evidence) -> Step:
    """What to measure next, or the verdict. The champion needs at least two runs, selecting or not."""
    if e.ended:
        return Step("discard", f"discarded: {e.ended}", e.heading)
    if e.screen is None:
        return Step("screen")
    if e.broken:
        return Step("discard", f"discarded: {e.broken}", e.screened)
    n = len(e.fresh)
    if not n:
        return Step("confirm") if e.sign * (e.screened - e.threshold) < 0 else _screened_out(e)
    if len(e.champion) < max(LEAST_POOL, ceil(PER_FRESH * n)):
        return Step("champion")
    test = e.test
    better, loses = test.p(), test.p(e.equal)
    if n > 1 and (better < SUCCESS[e.noise.known] or e.shorter and loses < EQUAL):
        return _verdict("keep", e, test) if e.proved else _unproved(e)
    undecided = n < MOST_EQUAL and loses < UNEQUAL if e.shorter else n < MOST and better < FUTILE[n - 1]
    return Step("confirm") if undecided else _verdict("discard", e, test)


def _unproved(e: Evidence) -> Step:
    """The next run is a heavy one, so this ends; were the referee never to make one, it ends too, and keeps nothing."""
    return Step("confirm") if len(e.fresh) <= MOST else Step("discard", "discarded: none of its runs passed the heavy probes")


def _screened_out(e: Evidence) -> Step:
    shown, needed = signed(e.screened, e.mean), signed(e.threshold, e.mean)
    return Step("discard", f"discarded after one run: {shown} against the champion's mean, needed {needed}", e.screened)


def signed(number: float, reference: float) -> str:
    """`number` with as many decimals as a metric of the size of `reference` deserves, at least four."""
    return f"{number:+.{max(4, Scale(reference).decimals)}f}"


def told(test: Comparison, runs: tuple[int, int], reference: float, sign: int = 1) -> str:
    """`-0.0031 ± 0.0007 (4 v 4 seeds)`: a difference with its 95 % interval, as a researcher reads it."""
    return f"{signed(sign * test.delta, reference)} ± {signed(test.half(), reference)[1:]} ({runs[0]} v {runs[1]} seeds)"


def _verdict(action: Literal["keep", "discard"], e: Evidence, test: Comparison) -> Step:
    shown, word = told(test, (len(e.fresh), len(e.champion)), e.mean, e.sign), {"keep": "kept", "discard": "discarded"}[action]
    needed, better, half = e.sign * test.quantile(SUCCESS[e.noise.known]), test.p(), test.half()
    why = f"{word}: {shown}, needed {signed(needed, e.mean)} (p = {better:.2g})"
    if e.shorter and better >= SUCCESS[e.noise.known]:
        most = e.equal - test.quantile(1 - EQUAL)
        why = f"{word}: {shown}, shorter, and {'equal' if action == 'keep' else 'not equal'} within {signed(e.equal, e.mean)[1:]}"
        why += f" (needed {signed(e.sign * most, e.mean)} or better)"
    delta = e.sign * test.delta
    return Step(action, why, delta, delta - half, delta + half)
