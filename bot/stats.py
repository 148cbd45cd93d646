"""Small-sample statistics of paired and unpaired runs: one comparison, its p-value and its interval. Pure.

Student's t throughout: with four seeds a z would call one null in 24 what is meant to be one in 200.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

ROUNDING = 1e-12  # of the level: the least standard error of a difference, for metrics without noise
CHANCE = 0.001  # a group of equal runs that scatters more than chance would at this p counts only as if it did not
KNOWN = 8  # degrees of freedom of other candidates' noise from which on it is known
NOISIER, ODD = 0.1, 0.05  # p at which candidates are called noisier than champions, and one of them noisier than the others
MOST = 0.95  # correlation of runs that share a seed beyond which we claim no more

Squares = tuple[float, int]  # sum of squared deviations from the own mean, degrees of freedom
Variance = tuple[float, int]  # of one run, degrees of freedom


def squares(values: Sequence[float]) -> Squares:
    """Sum of squared deviations from the mean and its degrees of freedom."""
    return (sum((v - fmean(values)) ** 2 for v in values), len(values) - 1) if len(values) > 1 else (0.0, 0)


def pooled(groups: Sequence[Squares]) -> Squares:
    """The groups' squares and degrees of freedom added up, robustly: a group that scatters more than the others explain (F test at
    CHANCE) is cut down to what they do explain, so that one unstable candidate does not become everybody's noise."""
    from scipy.special import fdtri

    total, freedom = sum(ss for ss, _ in groups), sum(df for _, df in groups)
    kept = 0.0
    for ss, df in groups:
        others = freedom - df
        if df and others >= 3 and total > ss:
            ss = min(ss, df * (total - ss) / others * float(fdtri(df, others, 1 - CHANCE)))
        kept += ss
    return kept, freedom


@dataclass(frozen=True)
class Noise:
    """How much equal runs differ, pooled over groups of equal runs: champions' and candidates', which may be the noisier. `pairing`:
    correlation between a candidate's and its champion's run on the same seed, as far as it is sure; 0 where it is not known to help."""

    champion: Squares = (0.0, 0)
    candidate: Squares = (0.0, 0)
    pairing: float = 0.0
    one: bool = False  # both sides are champions, or nearly: one noise for them, and nobody else's

    @property
    def known(self) -> bool:
        """Whether candidates have shown how much they scatter."""
        return self.candidate[1] >= KNOWN

    @property
    def alike(self) -> "Noise":
        """For two commits that both were champions, or nearly."""
        return Noise(self.champion, pairing=self.pairing, one=True)

    def sides(self, champion: Squares, own: Squares = (0.0, 0)) -> tuple[Variance, Variance]:
        """Of a champion's run and of a candidate's. Once known: one noise for all, unless candidates are seen to scatter more than
        champions. Before: what candidates show alone, and never less than the champions'."""
        usual, theirs = variance(self.champion, champion), variance(self.candidate, own)
        if not self.one and not self.known:
            return usual, (max(usual[0], theirs[0]), theirs[1])
        if not self.one and exceeds(theirs, usual, NOISIER):
            return usual, theirs
        both = variance(self.champion, champion, self.candidate, own)
        return both, both

    def of_candidate(self, champion: Squares, own: Squares = (0.0, 0)) -> Variance:
        return self.sides(champion, own)[1]


def exceeds(one: Variance, other: Variance, p: float) -> bool:
    """Whether a variance is larger than another one by more than chance (one-sided F test)."""
    from scipy.special import fdtri

    return one[1] > 0 and other[1] > 0 and one[0] > other[0] * float(fdtri(one[1], other[1], 1 - p))


def variance(*groups: Squares) -> Variance:
    """Of one run, and its degrees of freedom; (0, 0) without any two equal runs."""
    ss, df = sum(ss for ss, _ in groups), sum(df for _, df in groups)
    return (ss / df, df) if df else (0.0, 0)


@dataclass(frozen=True)
class Comparison:
    """`delta` is candidate minus champion; `error` its standard error; `p` one-sided for "the candidate is lower"."""

    delta: float
    error: float
    freedom: float

    def p(self, shift: float = 0.0) -> float:
        """Chance of a delta so low if the true one were `shift`."""
        from scipy.special import stdtr

        return float(stdtr(self.freedom, (self.delta - shift) / self.error))

    def half(self, level: float = 0.95) -> float:
        """Half the width of the two-sided interval."""
        return self.quantile((1 + level) / 2)

    def quantile(self, q: float) -> float:
        """That quantile of delta's error."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, q)) * self.error


def compare(champion: Sequence[float], candidate: Sequence[float], partners: Sequence[int | None], noise: Noise) -> Comparison:
    """Candidate minus champion by Welch's t: unequal numbers, and a noise of each side that is pooled with that of groups like it.

    `partners[k]`: which champion run shared the seed of the candidate's k-th, None for none. Each candidate's run is corrected by
    `noise.pairing` times what its partner says about that seed (a control variate): 0 is the unpaired test, 1 the paired one.
    A candidate that scatters more than others is judged by its own scatter."""
    n, m, rho = len(candidate), len(champion), noise.pairing
    level = fmean(champion)
    luck = [champion[p] - level if p is not None else 0.0 for p in partners]
    adjusted = [x - rho * d for x, d in zip(candidate, luck, strict=True)]
    shared = sum(p is not None for p in partners) / n
    (usual, usual_df), (theirs, theirs_df) = sides = noise.sides(squares(champion), squares(candidate))
    single, own = theirs * (1 - rho * rho * shared), variance(squares(adjusted))  # of one adjusted run
    together = sides[0] is sides[1]
    if exceeds(own, (single, theirs_df), ODD):
        (usual, usual_df), (single, theirs_df), together = variance(noise.champion, squares(champion)), own, False
    a, b = single / n, usual * (1 - rho * shared) ** 2 / m
    floor = max(ROUNDING * abs(level), sys.float_info.min)  # a metric without noise still has rounding
    part = a / (a + b) if a + b else 0.0
    welch = 1 / (part**2 / max(1, theirs_df) + (1 - part) ** 2 / max(1, usual_df))
    freedom = max(1, usual_df) if together else welch  # one estimate for both sides is no two independent ones
    return Comparison(fmean(adjusted) - level, max(math.sqrt(a + b), floor), freedom)


def correlation(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    """What is sure of the correlation of runs that share a seed: the lower end of a one-sided 84 % interval (Fisher's z), at least 0.

    `pairs`: for each candidate its values and its champion's on the same seeds, in the same order."""
    sxy = sxx = syy = 0.0
    freedom = 0
    for candidate, champion in pairs:
        if len(candidate) > 1:
            a, b = fmean(candidate), fmean(champion)
            sxy += sum((x - a) * (y - b) for x, y in zip(candidate, champion, strict=True))
            sxx, syy = sxx + squares(candidate)[0], syy + squares(champion)[0]
            freedom += len(candidate) - 1
    if freedom < 5 or not sxx * syy:
        return 0.0
    r = max(-MOST, min(MOST, sxy / math.sqrt(sxx * syy)))
    return max(0.0, math.tanh(math.atanh(r) - 1 / math.sqrt(freedom - 2)))


def discoveries(ps: Sequence[float], family: int, rate: float) -> set[int]:
    """Places of the p-values that Benjamini and Hochberg (1995) accept among `family` tests, those not listed having p = 1: of what is
    accepted, the share without an effect is at most `rate` on average."""
    ranked = sorted(range(len(ps)), key=lambda i: ps[i])
    last = max((rank for rank, i in enumerate(ranked, 1) if ps[i] <= rate * rank / max(family, len(ps))), default=0)
    return set(ranked[:last])
