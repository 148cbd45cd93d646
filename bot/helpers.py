"""Starts the bot's own helpers, such as git, in a session of their own, so that a Ctrl-C on the terminal does not reach them.

A measurement that runs meanwhile, in another thread, must not take one for an orphan of its candidate (`eval.tree`): it would be killed
with the candidate. So each is made known before anyone can look.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from eval.tree import LOCK, ROOTS


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process, dead and reaped when the block is left. `options` are Popen's."""
    with LOCK:
        process = subprocess.Popen(command, start_new_session=True, **options)
        ROOTS.add(process.pid)
    try:
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
    finally:
        ROOTS.discard(process.pid)
