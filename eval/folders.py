"""Moving and removing what a run left on disk, and doing so undisturbed. Torch-free."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path


def copy(files: list[Path], folder: Path) -> None:
    """Contents only: a hard link would share locks, times and permissions between processes that must share nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copyfile(path, folder / path.name)


@contextlib.contextmanager
def held_back(*signals: signal.Signals) -> Iterator[None]:
    """Signals that arrive in the block take effect after it: a clean-up that is interrupted leaves daemons and files behind."""
    late: list[int] = []
    before = {number: signal.signal(number, lambda number, _: late.append(number)) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in late[:1]:
            os.kill(os.getpid(), number)


def wipe(folder: Path) -> None:
    """Removes it all, whatever a candidate made of it: folders closed to their owner, or nested deeper than Python's stack."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            subprocess.run([*command, "--", str(folder)], stderr=subprocess.DEVNULL, check=False)
