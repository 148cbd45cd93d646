"""Runs a coding agent to its end or its deadline. A script between the bot and the agent, run by `bot.proposers.agent` only.

    python -I keeper.py SECONDS NICE FOLDER -- PROGRAM ARGUMENT...

The agent's orphans come to this process instead of the bot, where a measurement's might be, and nothing of the tree outlives it. Its
environment and its folder are the agent's. stdin: a pipe that the bot holds open; when it closes, the bot is gone, and FOLDER is wiped.
stdout: one JSON object {"code", "late", "seconds", "out", "err"}; `code` is null for an agent that was ended.
"""

import json
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the folder that holds the package `eval`

from eval.process import Child, LogTail, spawn  # noqa: E402

OUT_BYTES = 8 << 20  # of what it prints: every step's cost stands there, between whole files that it has read
LOOK_SECONDS = 0.1  # how soon the end is seen
REFRESH_SECONDS = 2.0  # how soon dead orphans are buried
NO_PROGRAM = 127  # exit code, as a shell's


class Output(LogTail):
    """The same, of which a longer end is kept."""

    def __init__(self, fd: int):
        self.kept = bytearray()
        super().__init__(fd)

    def _drain(self) -> None:
        with os.fdopen(self.fd, "rb", buffering=0) as pipe:
            while chunk := pipe.read(1 << 16):
                self.kept += chunk
                if len(self.kept) > 2 * OUT_BYTES:  # seldom, for it moves all that stays
                    del self.kept[:-OUT_BYTES]

    def text(self) -> str:
        return self.kept[-OUT_BYTES:].decode("utf-8", "replace")


class Asked(BaseException):
    """A signal. Not an Exception: it must reach the `finally` that kills."""


def asked(*_) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the killing
    raise Asked


def main() -> None:
    seconds, nice, folder, _, *argv = sys.argv[1:]
    signal.signal(signal.SIGTERM, asked)
    os.nice(int(nice))
    began = time.monotonic()
    try:
        found = run(argv, began + float(seconds))
    except Asked:
        found = None
    except OSError as error:
        found = {"code": NO_PROGRAM, "late": False, "out": "", "err": f"{argv[0]}: {error.strerror}"}
    if found:
        print(json.dumps(found | {"seconds": round(time.monotonic() - began, 3)}))
    else:
        shutil.rmtree(folder, ignore_errors=True)


def run(argv: list[str], deadline: float) -> dict | None:
    """What became of the agent; None where the bot went away meanwhile. OSError for a program that cannot be started."""
    read_end, write_end = os.pipe()
    out = Output(read_end)
    try:
        child = spawn(argv, Path.cwd(), os.environ, stdout=write_end)
    finally:
        os.close(write_end)
    try:
        ended, gone = watch(child, deadline)
    finally:
        child.kill()
    if gone:
        return None
    for log in (out, child.log):
        log.settle()
    return {"code": child.returncode if ended else None, "late": not ended, "out": out.text(), "err": text(child.log)}


def watch(child: Child, deadline: float) -> tuple[bool, bool]:
    """(whether it ended by itself, whether the bot is gone)."""
    refreshed = time.monotonic()
    while child.poll() is None:
        if select.select([0], [], [], LOOK_SECONDS)[0]:
            return False, True
        now = time.monotonic()
        if now > deadline:
            return False, False
        if now - refreshed > REFRESH_SECONDS:
            child.tree.refresh()
            refreshed = now
    return True, False


def text(log: LogTail) -> str:
    return log.tail.decode("utf-8", "replace")


if __name__ == "__main__":
    main()
