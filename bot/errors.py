"""The bot's small exception tree. Failures of a candidate are data (`records.Measurement.status`), never exceptions."""

import signal


class AutoresearchError(Exception):
    """Base of everything the command line turns into one clear sentence."""

    exit_code = 1


class UsageError(AutoresearchError):
    """The user's input is wrong: the message names the field and the fix. Exit code 2, nothing lost."""

    exit_code = 2


class BaselineFailed(AutoresearchError):
    """The unmodified target could not be measured, so there is nothing to compare with."""


class StopNow(AutoresearchError):
    """A signal asked the run to end at once; raised by `runner` after the process tree is dead."""

    exit_code = 128 + signal.SIGINT

    def __init__(self, name: str):
        super().__init__(f"stopped by {name}")
        self.exit_code = 128 + signal.Signals[name]
