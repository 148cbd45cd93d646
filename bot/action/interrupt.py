"""What a signal does where no night is running: it ends the step at once, and the outputs say `cancelled`.

While a night runs, `bot.signals.Stop` decides; it ends the measurement and records the end.
"""

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Not an Exception: nothing that carries on after a failure may carry on after this."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number


def install() -> None:
    for number in SIGNALS:
        signal.signal(number, _raise)


def ignore() -> None:
    """For the last instants, in which all that is left to do takes no time."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
