"""How long what people ask for may take: never so long that the night ends later than it was to end."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import confirm
from .errors import AutoresearchError
from .records import Measurement

if TYPE_CHECKING:
    from .loop import Night


class OutOfTime(AutoresearchError):
    """The next measurement would end too late. Everything before it is recorded."""


@contextmanager
def within(night: "Night", left: Callable[["Night"], float]) -> Iterator[None]:
    """Inside, OutOfTime instead of a measurement that takes longer than the seconds that are `left`."""
    measure = night.measure

    def timely(**asked: Any) -> Measurement:
        if left(night) < confirm.seconds_per_run(night.history):
            raise OutOfTime(f"the time of this night ({night.settings.stop_after}) is over")
        return measure(**asked)

    night.measure = timely
    try:
        yield
    finally:
        night.measure = measure


def of_night(night: "Night") -> float:
    """Seconds until the night's end; endless without `stop_after`."""
    limit = night.settings.stop_after_seconds
    return math.inf if limit is None else limit - night.elapsed


def runs(night: "Night") -> float:
    """Measurements that the rest of the night has time for."""
    return of_night(night) / max(1e-9, confirm.seconds_per_run(night.history))
