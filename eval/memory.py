"""Memory in bytes: what is free for new work, on the machine and in our control groups, and what processes hold. Torch-free.

Linux only; elsewhere everything is None or 0, and the limits that build on it are not there.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def machine() -> dict[str, int]:
    """/proc/meminfo, proc(5), in bytes; empty where there is none."""
    try:
        with open("/proc/meminfo", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return {}
    return {name.decode(): int(rest.split()[0]) * 1024 for name, colon, rest in (line.partition(b":") for line in lines) if colon}


def available() -> int | None:
    """What can still be allocated without pushing anything else out: the machine's MemAvailable or less, if a control group says so."""
    free = [room for group in groups() if (room := room_in(group)) is not None]
    free += [known] if (known := machine().get("MemAvailable")) is not None else []
    return min(free, default=None)


def groups() -> Iterator[Path]:
    """The memory control groups that this process is in, innermost first, versions 1 and 2.

    Inside a container the paths of /proc/self/cgroup may be the host's: then the mount's root is the container's own group."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        for root in [GROUPS / "memory"] if controllers else [GROUPS / "unified", GROUPS]:
            folder = root / path.strip("/")
            yield from (f for f in (folder, *folder.parents) if f.is_relative_to(root) and f.is_dir())


def room_in(group: Path) -> int | None:
    """Bytes below the group's limit, its file cache counted as free; None without a limit."""
    for limit_file, usage_file, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit, usage = (group / limit_file).read_text().strip(), int((group / usage_file).read_text())
            if limit == "max" or int(limit) >= 1 << 60:  # version 1 writes "none" as almost 2^63
                return None
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        return max(0, int(limit) - usage + int(stat.get(cache, 0)))
    return None


def held(pids: Iterable[int]) -> tuple[int, int]:
    """(private memory, threads) of the processes, from /proc/PID/status: some 15 us each.

    Private = anonymous, in memory or swapped out. Pages that a fork shares with its parent count twice:
    an upper bound, see `exact`."""
    private = threads = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status", "rb") as file:
                data = file.read()
        except (FileNotFoundError, ProcessLookupError):
            continue
        private += (_field(data, b"\nRssAnon:") + _field(data, b"\nVmSwap:")) * 1024
        threads += _field(data, b"\nThreads:")
    return private, threads


def exact(pids: Iterable[int]) -> int:
    """Private memory with shared pages divided among their sharers (/proc/PID/smaps_rollup). Walks page tables: 1 ms per GB and more."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                data = file.read()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:  # it has made itself unreadable: the upper bound stands
            data = b"\nPss_Anon: %d" % (held([pid])[0] // 1024)
        total += (_field(data, b"\nPss_Anon:") + _field(data, b"\nSwapPss:")) * 1024
    return total


def _field(data: bytes, name: bytes) -> int:
    start = data.find(name)
    return int(data[start + len(name) :].split(None, 1)[0]) if start >= 0 else 0


def blocks(folder: Path, pids: Iterable[int] = ()) -> int:
    """Bytes on disk of everything in `folder`, and of files that the processes hold open after deleting them."""
    seen: dict[tuple[int, int], int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            _add(seen, os.path.join(parent, name), deleted=False)
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:  # gone, or not ours to look at
            continue
        for name in names:
            _add(seen, f"/proc/{pid}/fd/{name}", deleted=True)
    return sum(seen.values())


def _add(seen: dict[tuple[int, int], int], path: str, deleted: bool) -> None:
    try:
        info = os.stat(path, follow_symlinks=deleted)
    except OSError:  # gone meanwhile
        return
    if not deleted or not info.st_nlink:
        seen[info.st_dev, info.st_ino] = info.st_blocks * 512
