"""The job's log. A runner obeys lines that begin with `::`, so commands are switched off while anything but this module prints."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Log:
    """Workflow commands of our own. `inert` wraps everything that prints untrusted text; the others work inside of it too."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        self.token = ""

    @contextmanager
    def inert(self) -> Iterator[None]:
        """Between these lines the runner takes no line for a command: the word that ends it is random and shown nowhere before."""
        self._stop()
        try:
            yield
        finally:
            self._resume()

    def mask(self, secret: str) -> None:
        """The runner shows `***` for every line of `secret` from here on, in all steps."""
        for line in secret.splitlines():
            if line.strip():
                self._command(f"::add-mask::{escape(line)}")

    def error(self, text: str) -> None:
        self._command(f"::error title=autoresearch::{escape(text)}")

    def warning(self, text: str) -> None:
        self._command(f"::warning title=autoresearch::{escape(text)}")

    def _command(self, line: str) -> None:
        stopped = bool(self.token)
        self._resume()
        self._print(line)
        if stopped:
            self._stop()

    def _stop(self) -> None:
        self.token = secrets.token_hex(16)
        self._print(f"::stop-commands::{self.token}")

    def _resume(self) -> None:
        if self.token:
            self._print(f"::{self.token}::")
            self.token = ""

    def _print(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


def escape(text: str) -> str:
    """As a command's value: `%` and line breaks would end it, or begin another."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


LOG = Log()
