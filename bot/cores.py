"""Parts of a CPU, `cpu:0-3` or `cpu:0-3+8-11`, and what runs on which. Linux alone lets a process choose its cores."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PART = re.compile(r"cpu:\d+(-\d+)?(\+\d+(-\d+)?)*")
MOST = 4096  # cores that a part may name
SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"  # of the same physical core, e.g. `0,64` or `0-1`


def cores_of(part: str) -> tuple[int, ...]:
    """ValueError for what is no part."""
    if not PART.fullmatch(part):
        raise ValueError(f"{part!r} is no part of a CPU; write its cores like cpu:0-3 or cpu:0-3+8-11")
    found: set[int] = set()
    for piece in part.removeprefix("cpu:").split("+"):
        first, _, last = piece.partition("-")
        low, high = int(first), int(last or first)
        if not low <= high < low + MOST:
            raise ValueError(f"{piece} in {part} counts no cores upwards; write it like cpu:0-3")
        found |= set(range(low, high + 1))
    return tuple(sorted(found))


def named(cores: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and runs[-1][-1] == core - 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return "cpu:" + "+".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def usable() -> tuple[int, ...]:
    """The cores that this process may use; none where the system has no say in it."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_setaffinity") else ()


def divided(cores: Sequence[int], count: int) -> list[str]:
    """`count` parts of as many cores each; both threads of a physical core are in the same one, where the sizes allow."""
    ordered, size = sorted(cores, key=lambda core: (_physical(core), core)), len(cores) // count
    return [named(ordered[number * size : (number + 1) * size]) for number in range(count)]


def _physical(core: int) -> int:
    try:
        return int(re.split("[,-]", Path(SIBLINGS.format(core)).read_text().strip())[0])
    except (OSError, ValueError):
        return core


def facts(device: str) -> dict[str, str]:
    """{"part": ...} where this process has a part of the CPU: on other cores it would be another machine."""
    mine = usable()
    return {"part": named(mine)} if device == "cpu" and mine and len(mine) < (os.cpu_count() or 1) else {}


@contextmanager
def pinned(part: str) -> Iterator[None]:
    """This thread, and whatever it starts in the block, runs on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores_of(part))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
