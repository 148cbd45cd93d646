"""Signals become two flags that the loop and the runner look at. On a terminal the first Ctrl-C ends after the run in progress,
the second ends now; SIGTERM, and any signal under CI, end now (a cancelled job has 7.5 s before SIGTERM and 2.5 s before SIGKILL).
"""

import signal
import sys
from collections.abc import Callable, Mapping

from .errors import StopNow


class Stop:
    """`soft`: start no further run. `now`: end the run in progress too. Both hold the signal's name once set."""

    def __init__(self, ci: bool = False, notify: Callable[[str], None] = lambda text: None):
        self.ci, self.notify = ci, notify
        self.soft: str | None = None
        self.now: str | None = None
        self.preparing = True  # nothing to finish or to record yet: any signal simply ends the program

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Stop":
        return cls(ci=environ.get("CI", "").lower() == "true" or not sys.stdin.isatty())

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    @property
    def exit_code(self) -> int:
        return 128 + signal.Signals[self.now].value if self.now else 0

    def _handle(self, number: int, frame: object) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGINT and not self.ci and not self.soft and not self.preparing:
            self.soft = name
            self.notify("stopping after the run in progress; Ctrl-C again to stop now (nothing is lost either way)")
            return
        self.soft = self.now = name
        if self.preparing:
            raise StopNow(name)
