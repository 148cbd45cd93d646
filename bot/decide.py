"""The decision: samples and noise in, the next step out. Pure.

Explore cheaply, believe slowly: one screening run must beat the champion's pool by SCREEN_SIGMAS; then fresh seeds,
interleaved with the champion, must win a one-sided t-test at ALPHA. The screening run selected, so it never counts.
With no true effect about one change in five passes the screen and fewer than one in a hundred of those tried is kept
(`tests/bot/test_decide.py` measures it).
"""

import math
import sys
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from .report.text import Scale

SCREEN_SIGMAS = 1.0
MIN_FRESH, MAX_FRESH = 3, 6
ALPHA = 0.005  # p of one look; there are up to four of them, and a pool of four seeds is part of each
HOPELESS = 0.2  # p above which more seeds are not worth their time
FRESH_PER_CHAMPION = 2  # candidate runs per interleaved champion run
ROUNDING = 1e-12  # of the champion's mean: the least standard error of a difference


@dataclass(frozen=True)
class Evidence:
    """Values of one candidate and its champion, all of one context.

    `champion`: runs that did not select it. `noise`: (sum of squares, degrees of freedom) of the other groups of equal runs.
    `proved`: one of the candidate's runs has passed the heavy probes; without it nothing is kept, however large the gain."""

    champion: tuple[float, ...]
    screen: float | None = None
    fresh: tuple[float, ...] = ()
    interleaved: int = 0
    noise: tuple[float, int] = (0.0, 0)
    sign: int = 1  # 1: lower is better, -1: higher is better
    proved: bool = True

    @property
    def mean(self) -> float:
        return fmean(self.champion)


@dataclass(frozen=True)
class Step:
    """`action` is what to measure next or the verdict; `delta` is candidate minus champion with its 95 % interval."""

    action: Literal["screen", "confirm", "champion", "keep", "discard"]
    why: str = ""
    delta: float | None = None
    low: float | None = None
    high: float | None = None


def squares(values: tuple[float, ...]) -> tuple[float, int]:
    """Sum of squared deviations from the mean and its degrees of freedom."""
    return (sum((v - fmean(values)) ** 2 for v in values), len(values) - 1) if len(values) > 1 else (0.0, 0)


def sigma(*groups: tuple[float, int]) -> tuple[float, int]:
    """Standard deviation pooled over (sum of squares, df) groups, and its degrees of freedom. NaN without any."""
    freedom = sum(df for _, df in groups)
    return (math.sqrt(sum(ss for ss, _ in groups) / freedom), freedom) if freedom else (math.nan, 0)


def next_step(e: Evidence) -> Step:
    """What to measure next, or the verdict. Needs at least two champion runs."""
    if e.screen is None:
        return Step("screen")
    if not e.fresh and not _promising(e):
        return _screened_out(e)
    if len(e.fresh) >= 2 and e.sign * (fmean(e.fresh) - e.mean) >= 0:
        return _verdict("discard", e)
    if e.interleaved < len(e.fresh) // FRESH_PER_CHAMPION:
        return Step("champion")
    if len(e.fresh) < MIN_FRESH:
        return Step("confirm")
    p = _test(e).p
    if p < ALPHA:
        return _verdict("keep", e) if e.proved else _unproved(e)
    return Step("confirm") if p < HOPELESS and len(e.fresh) < MAX_FRESH else _verdict("discard", e)


def _unproved(e: Evidence) -> Step:
    """The next run is a heavy one, so this ends; were the referee never to make one, it ends too, and keeps nothing."""
    return Step("confirm") if len(e.fresh) < 2 * MAX_FRESH else Step("discard", "discarded: none of its runs passed the heavy probes")


def _needed(e: Evidence) -> float:
    return -e.sign * SCREEN_SIGMAS * sigma(squares(e.champion), e.noise)[0]


def _promising(e: Evidence) -> bool:
    return e.sign * (e.screen - e.mean - _needed(e)) < 0


def _screened_out(e: Evidence) -> Step:
    delta = e.screen - e.mean
    shown, needed = signed(delta, e.mean), signed(_needed(e), e.mean)
    return Step("discard", f"discarded after one run: {shown} against the champion's mean, needed {needed}", delta)


def signed(number: float, reference: float) -> str:
    """`number` with as many decimals as a metric of the size of `reference` deserves, at least four."""
    return f"{number:+.{max(4, Scale(reference).decimals)}f}"


@dataclass(frozen=True)
class _Comparison:
    delta: float
    error: float  # standard error of delta
    freedom: int
    p: float  # one-sided: chance of such a gain if the candidate is no better

    def quantile(self, q: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, q)) * self.error


def _test(e: Evidence) -> _Comparison:
    """Student's t-test of fresh runs against the champion's, with the noise pooled over every group of equal runs.

    A candidate that scatters more than the pool is judged by its own scatter: it may be noisier than the champion."""
    from scipy.special import stdtr

    noise, freedom = sigma(squares(e.champion), squares(e.fresh), e.noise)
    own, _ = sigma(squares(e.fresh))
    error = math.hypot(max(noise, own) / math.sqrt(len(e.fresh)), noise / math.sqrt(len(e.champion)))
    error = max(error, ROUNDING * abs(e.mean), sys.float_info.min)  # a metric without noise still has rounding
    delta = fmean(e.fresh) - e.mean
    return _Comparison(delta, error, freedom, float(stdtr(freedom, e.sign * delta / error)))


def _verdict(action: Literal["keep", "discard"], e: Evidence) -> Step:
    test = _test(e)
    margin, needed = test.quantile(0.975), e.sign * test.quantile(ALPHA)
    word = "kept" if action == "keep" else "discarded"
    seeds = f"{len(e.fresh)} v {len(e.champion)} seeds"
    shown, spread, bar = (signed(number, e.mean) for number in (test.delta, margin, needed))
    why = f"{word}: {shown} ± {spread[1:]} ({seeds}), needed {bar} (p = {test.p:.2g})"
    return Step(action, why, test.delta, test.delta - margin, test.delta + margin)
