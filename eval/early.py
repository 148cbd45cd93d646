"""Ends a training that is clearly losing: bounds on the reported loss at fractions of the budget, set by whoever asks (`bot.early`).

The loss is the candidate's own word and never a score: one that reports too high ends itself, one that reports too low costs time.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from eval.errors import RefereeError

WINDOW = 0.1  # of the budget: what is averaged before each look, two points of the curve (`eval.training.CURVE_POINTS`)


class Bound(NamedTuple):
    """Losses in nats. A run that was below `level` at one look is not stopped at the next: its curve is rough, and it may be winning
    (of 96 real runs of few steps the one improvement that was lost for such a look: benchmarks/curves.py)."""

    fraction: float  # of the budget
    most: float  # highest loss that may go on
    level: float = -math.inf

    def __str__(self) -> str:
        """As `parse` reads it."""
        return ":".join(str(part) for part in self if math.isfinite(part))


def reading(curve: Sequence[Sequence[float]], fraction: float) -> float | None:
    """Mean loss just before `fraction` of the budget, of a curve of (fraction, loss) points; None where it has no point."""
    seen = [loss for at, loss in curve if fraction - WINDOW <= at < fraction]
    return sum(seen) / len(seen) if seen else None


def parse(text: str) -> Bound:
    """`0.4:3.51` or `0.4:3.51:3.4`. RefereeError otherwise."""
    try:
        fraction, *losses = (float(part) for part in text.split(":"))
    except ValueError:
        losses = []
    if not 1 <= len(losses) <= 2:
        raise RefereeError(f"--stop-above {text} must be FRACTION:LOSS or FRACTION:LOSS:LEVEL, such as 0.4:3.51")
    if not (0 < fraction < 1 and all(map(math.isfinite, losses))):
        raise RefereeError(f"--stop-above {text}: the fraction must lie between 0 and 1, a loss must be a number")
    return Bound(fraction, *losses)


class Watch:
    """Looks once at each bound, as soon as the training has passed its fraction."""

    def __init__(self, bounds: Sequence[Bound]):
        self.due = sorted(bounds)
        self.ahead = False  # at the look before

    def verdict(self, progress: float, curve: Callable[[], Sequence[Sequence[float]]]) -> str | None:
        """Why the training is to end now, or None. `curve()` is asked for only when a look is due."""
        while self.due and progress >= self.due[0][0]:
            fraction, most, level = self.due.pop(0)
            loss = reading(curve(), fraction)
            if loss is not None and loss > most and not self.ahead:
                return f"stopped after {fraction:.0%} of its budget: its loss was {loss:.4f}, at most {most:.4f} goes on"
            self.ahead = loss is not None and loss < level
        return None
