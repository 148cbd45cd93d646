"""Other people's ways to decide, to compare with: each sees the runs of one change after another and says keep, discard or run again. Pure.

Lower is better. `replay` feeds a log through them, `benchmarks/decide.py` whole nights against known truth.
"""

from collections.abc import Callable, Sequence
from itertools import product
from statistics import fmean, median
from typing import Protocol


class Rule(Protocol):
    runs: int  # of the base at the start

    def begin(self, base: Sequence[float]) -> None: ...

    def decide(self, samples: Sequence[float]) -> bool | None:
        """Whether a change with these runs is kept; None: run it once more."""


class KeepIfLower:
    """karpathy/autoresearch: one run, kept if it is below the best so far."""

    runs = 1

    def begin(self, base: Sequence[float]) -> None:
        self.best = fmean(base)

    def decide(self, samples: Sequence[float]) -> bool | None:
        keep = samples[0] < self.best
        self.best = min(self.best, samples[0])
        return keep


class Bootstrap:
    """trevin-creator/autoresearch-mlx, rigor.py: three runs, discarded at once if the first is not below the best mean, kept if a
    bootstrap gives 0.95 that the mean is lower. All three count, and the best is never measured again. The resamples are enumerated."""

    runs, confidence = 3, 0.95

    def begin(self, base: Sequence[float]) -> None:
        self.best = list(base)

    def decide(self, samples: Sequence[float]) -> bool | None:
        if samples[0] >= fmean(self.best):
            return False
        if len(samples) < self.runs:
            return None
        keep = self.better(samples) >= self.confidence
        self.best = list(samples) if keep and fmean(samples) < fmean(self.best) else self.best
        return keep

    def better(self, samples: Sequence[float]) -> float:
        old, new = ([sum(draw) for draw in product(values, repeat=len(values))] for values in (self.best, samples))
        scale = len(samples) / len(self.best)
        return sum(b < a * scale for a, b in product(old, new)) / (len(old) * len(new))


class BestOverMad:
    """davebcn87/pi-autoresearch: one run, kept if its gain over the best is at least twice the median absolute deviation of all runs.
    There the score is advice; here it decides."""

    runs, least = 1, 2.0

    def begin(self, base: Sequence[float]) -> None:
        self.seen, self.best = list(base), fmean(base)

    def decide(self, samples: Sequence[float]) -> bool | None:
        self.seen.append(samples[0])
        center = median(self.seen)
        mad = median(abs(value - center) for value in self.seen)
        keep = samples[0] < self.best and self.best - samples[0] >= self.least * mad
        self.best = samples[0] if keep else self.best
        return keep


RULES: dict[str, Callable[[], Rule]] = {"keep-if-lower": KeepIfLower, "bootstrap": Bootstrap, "best-over-mad": BestOverMad}
