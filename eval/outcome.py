"""Why did a process of the candidate end? From exit status, last lines and the kernel's oom counter to an outcome and a sentence."""

import builtins
import errno
import os
import re
import signal
import tempfile
from pathlib import Path

from eval.errors import Failed
from eval.text import harmless

MEMORY = re.compile(r"OutOfMemoryError|CUDA out of memory|MPS backend out of memory|\bMemoryError\b|you tried to allocate")
DISK = re.compile(r"No space left on device|os error 28|Disk quota exceeded", re.IGNORECASE)
EXCEPTION = re.compile(r"^(?:[\w.]+(?:Error|Exception|Interrupt|Exit|Warning|Iteration)|[a-z_]\w*(?:\.\w+)+|Exception)(?::.*)?$")
ITS_OWN_SIGNALS = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP"}

KNOWN = {name for name in dir(builtins) if name.endswith(("Error", "Exception", "Interrupt", "Exit", "Iteration"))} | {"OutOfMemoryError"}
NEARLY_FULL = 64 << 20  # bytes that must be had for a disk not to be full
FEEDBACK_CHARS = 12_000  # of a log, for a prompt
HOMES = r"/(?:run-[^/\s\"]+/|candidate/|referee/[0-9a-f]{16}/|(?=site-packages/))"  # below these a path tells something
QUOTED = re.compile(rf'(?<=")/[^"\n]*{HOMES}')  # may hold blanks
UNQUOTED = re.compile(rf"(?<![\w.\"/])(?:/[^/\s\"':;,()\[\]]+)*{HOMES}")


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
    """`text`, parts of which a candidate chose (names, messages), as one line of 500 characters at most that is safe to print anywhere."""
    return harmless(text[:500])


def last_exception(log: list[str]) -> str:
    """`ValueError: bad shape` out of the end of a log, else its last line."""
    for line in reversed(log):
        if EXCEPTION.match(line.strip()) and not line.startswith((" ", "\t")):
            return line.strip()[:300]
    return log[-1].strip()[:300] if log else ""


def of_exit(
    code: int | None, log: list[str], oom_before: int, where: str, scratch: Path | None = None, saw_text: bool = False
) -> Failed:
    """The failure behind an ended process. `where` names it ("training"); `code` as in subprocess: -9 is SIGKILL.

    `scratch`: the folder that its files lie in; without one nobody can say that the disk is full. `saw_text`: it had text of val or
    audit before it, so its own words stay out of the reason, which a proposer reads; the kind of its last exception is all that is told."""
    text = "\n".join(log)
    last = last_exception(log)
    if saw_text:  # a class of the candidate's own could be named after what it read
        last = last.partition(":")[0].removeprefix("torch.") if EXCEPTION.match(last) else ""
        last = last if last in KNOWN else ""
    if DISK.search(text) and scratch is not None and disk_full(scratch):  # printing the words is not enough
        return Failed("invalid", "the disk is full; free some space and measure again")
    if MEMORY.search(text):
        return Failed("oom", f"out of memory while {where}: {last}".rstrip(": "))
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        if name == "SIGKILL" and oom_kills() > oom_before:
            return Failed("oom", f"the kernel's oom killer ended it while {where}")
        if name in ITS_OWN_SIGNALS:
            return Failed("crash", f"it died of {name} while {where}: {last}".rstrip(": "))
        return Failed("invalid", f"it was killed from outside ({name}) while {where}")
    return Failed("crash", last or f"exit code {code} while {where}, without a word")


def disk_full(folder: Path) -> bool:
    """Whether NEARLY_FULL bytes cannot be had in `folder`, by the disk's own count or by trying (a quota shows only then)."""
    try:
        disk = os.statvfs(folder)
        if disk.f_bavail * disk.f_frsize < NEARLY_FULL or disk.f_files and not disk.f_favail:
            return True
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, NEARLY_FULL)
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def feedback(result: dict) -> str:
    """What the next proposal gets to see of a failed run; "" for one that did not fail, or whose machine did. Pure.

    `result`: outcome, reason, and where known explanation, peak_memory, log_tail (which holds nothing that a worker wrote after it saw
    text). Never the reproduction of a violation: that is text of val. All of it is data, to be fenced by whoever puts it in a prompt."""
    reason, outcome = shortened(result["reason"]), result["outcome"]
    if outcome == "crash":
        log = shortened(result.get("log_tail", ""))[-FEEDBACK_CHARS:]
        return f"{reason}\nThe end of its output:\n{log}" if log else reason
    if outcome == "oom":
        peak = result.get("peak_memory", 0)
        return f"{reason}\nIts peak was {peak / 2**30:.2f} GiB." if peak else reason
    if outcome == "violation":
        return f"{reason}\n{result.get('explanation', '')}".rstrip()
    return reason if outcome == "timeout" else ""


def shortened(text: str) -> str:
    """`text` with paths inside the private folders of a run made relative: they mean nothing to a reader and name the user's folders."""
    return UNQUOTED.sub("", QUOTED.sub("", text))
