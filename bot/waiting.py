"""What is shown while a run goes on: the referee's progress, and that another measurement has the device."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress

from eval.process import Child

from .live import Observer

WAITING = "waiting"  # the phase in which another measurement has the device; it may take hours


def stopwatch() -> Callable[[], float]:
    """Wall seconds since this call."""
    began = time.monotonic()
    return lambda: time.monotonic() - began


class Waiting:
    """Says once that another measurement has the device, then only moves the display. `seconds`: how long that went on."""

    def __init__(self, observer: Observer):
        self.observer, self.seconds, self.clock = observer, 0.0, None

    def __call__(self) -> None:
        if self.clock:
            self.seconds = self.clock()
        else:
            self.clock = stopwatch()
            self.observer.note("another measurement is using this device; waiting for it to end")
        self.observer.progress(WAITING, 0.0)


class Progress:
    """Shows the referee's progress lines; what is not one is ignored, it decides nothing."""

    def __init__(self, child: Child, observer: Observer):
        self.pipe, self.observer, self.rest = child.stdout, observer, b""
        self.waiting, self.quiet = Waiting(observer), stopwatch()  # `quiet`: seconds since the device is ours
        os.set_blocking(self.pipe.fileno(), False)

    def __call__(self) -> None:
        *lines, self.rest = (self.rest + (self.pipe.read() or b"")).split(b"\n")
        if lines:
            with suppress(ValueError, TypeError, KeyError):  # a library may print there too
                line = json.loads(lines[-1])
                if line["phase"] == WAITING:
                    self.quiet = stopwatch()
                    return self.waiting()
                self.observer.progress(line["phase"], line["progress"], line["loss"])
