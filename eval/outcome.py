"""Why did a process of the candidate end? From exit status, last lines and the kernel's oom counter to an outcome and a sentence."""

import re
import signal
from pathlib import Path

from eval.errors import Failed

MEMORY = re.compile(r"OutOfMemoryError|CUDA out of memory|MPS backend out of memory|\bMemoryError\b|you tried to allocate")
DISK = re.compile(r"No space left on device|os error 28|Disk quota exceeded", re.IGNORECASE)
EXCEPTION = re.compile(r"^(?:[\w.]+(?:Error|Exception|Interrupt|Exit|Warning|Iteration)|[a-z_]\w*(?:\.\w+)+|Exception)(?::.*)?$")
ITS_OWN_SIGNALS = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP"}


def oom_kills() -> int:
    """How often the kernel's oom killer has struck, on the machine and in our cgroup. 0 where it does not say."""
    total = 0
    for path in (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control")):
        try:
            lines = path.read_text().splitlines()
        except OSError:  # another system, another cgroup version
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return total


def presentable(text: str) -> str:
    """`text`, parts of which a candidate chose (names, messages), as one line of 500 characters at most that any file can hold."""
    return "".join(c if c.isprintable() else "?" for c in text[:500])


def last_exception(log: list[str]) -> str:
    """`ValueError: bad shape` out of the end of a log, else its last line."""
    for line in reversed(log):
        if EXCEPTION.match(line.strip()) and not line.startswith((" ", "\t")):
            return line.strip()[:300]
    return log[-1].strip()[:300] if log else ""


def of_exit(code: int | None, log: list[str], oom_before: int, where: str) -> Failed:
    """The failure behind an ended process. `where` names it ("training"); `code` as in subprocess: -9 is SIGKILL."""
    text = "\n".join(log)
    last = last_exception(log)
    if DISK.search(text):
        return Failed("invalid", f"the disk is full ({last}); free some space and measure again")
    if MEMORY.search(text):
        return Failed("oom", f"out of memory while {where}: {last}")
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        if name == "SIGKILL" and oom_kills() > oom_before:
            return Failed("oom", f"the kernel's oom killer ended it while {where}")
        if name in ITS_OWN_SIGNALS:
            return Failed("crash", f"it died of {name} while {where}: {last}".rstrip(": "))
        return Failed("invalid", f"it was killed from outside ({name}) while {where}")
    return Failed("crash", last or f"exit code {code} while {where}, without a word")
