"""The referee's clock: starts with the first real batch, runs on wall time or on the CPU time of the candidate's process tree.

The candidate never reads it, so patching `time` changes nothing. The referee's own CPU time is not in it.
"""

import time

from eval.budget import Budget
from eval.tree import ProcessTree

POLL_SECONDS = 0.02  # how often a spent budget is noticed between batches; Linux accounts CPU time in 10 ms ticks
# A CPU budget alone would let a candidate that sleeps run for ever.
WALL_CAP_FACTOR, WALL_CAP_SECONDS = 10.0, 60.0


class Clock:
    """`spent()` seconds of `budget` since `start()`, 0 before it."""

    def __init__(self, budget: Budget, tree: ProcessTree):
        self.budget, self.tree = budget, tree
        self.base = self.wall_base = None
        self._now()  # refuses a CPU budget on a system that cannot count CPU time before anything has run

    def _now(self) -> float:
        return self.tree.cpu_seconds() if self.budget.clock == "cpu" else time.monotonic()

    @property
    def started(self) -> bool:
        return self.base is not None

    def start(self) -> None:
        assert not self.started, "the clock starts once"
        self.base, self.wall_base = self._now(), time.monotonic()

    def spent(self) -> float:
        """Seconds on the budget's clock."""
        return self._now() - self.base if self.started else 0.0

    def wall(self) -> float:
        """Wall seconds since the start."""
        return time.monotonic() - self.wall_base if self.started else 0.0

    def wall_cap(self) -> float:
        """Wall seconds after which a candidate that does not spend its CPU budget is stopped."""
        return WALL_CAP_FACTOR * self.budget.seconds + WALL_CAP_SECONDS if self.budget.clock == "cpu" else float("inf")
