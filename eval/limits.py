"""What a candidate may take from the machine while it runs: memory, processes, disk. Looked at five to ten times a second. Torch-free.

    limits = Limits(child.tree, folder)      # what is free is read here: nothing of the candidate may run yet
    limits.look()                            # Failed("oom" | "violation" | "invalid") once a limit is passed

Taking too much of any of these takes the machine, the referee and the evidence along: the kernel's oom killer chooses for itself.
"""

import os
import time
from pathlib import Path

from eval import memory
from eval.errors import Failed
from eval.tree import ProcessTree

LOOK_SECONDS = 0.1  # a hog that takes 4 GB/s gets 0.4 GB further
COSTLY, LATEST = 200, 0.5  # a look that took t seconds is repeated after COSTLY * t (0.5 % of a core), at the latest after so many seconds
MEMORY_SHARE = 0.8  # of what was available when the process began
RESERVE_SHARE = 0.05  # of the same: below that the machine starts to thrash
TASKS = 4096  # processes and threads
TASKS_PER_CORE = 32  # on machines with many cores: compile workers and data loaders start threads per core
DISK_BYTES = 16 << 30  # far above any checkpoint and compile cache
DISK_FLOOR = 256 << 20  # what must stay free
GB = 1e9


class Limits:
    """The limits of one process tree, whose files go to `folder`. Raises once, with the reason for the result."""

    def __init__(self, tree: ProcessTree, folder: Path):
        self.tree, self.folder = tree, folder
        self.available, self.shared = memory.available(), memory.machine().get("Shmem", 0)
        self.inherited = memory.blocks(folder)  # what was put there before: a copy of a compile cache
        self.free, self.tasks = self._free(), max(TASKS, TASKS_PER_CORE * (os.cpu_count() or 1))
        self.next = 0.0

    def look(self) -> None:
        """Failed if the tree took too much. Returns at once if it has just looked."""
        began = time.monotonic()
        if began < self.next:
            return
        self.tree.refresh()
        self._disk()
        self._memory()
        cost = time.monotonic() - began
        self.next = began + min(LATEST, max(LOOK_SECONDS, COSTLY * cost))

    def _memory(self) -> None:
        private, tasks = memory.held(self.tree.members)
        if tasks > self.tasks:
            raise Failed("violation", f"fork bomb: {tasks} processes and threads, {self.tasks} are allowed")
        if self.available is None:
            return
        now = memory.machine()
        shared = max(0, now["Shmem"] - self.shared)  # /dev/shm, memfd and other memory that no process need map
        if private + shared > MEMORY_SHARE * self.available:
            private = memory.exact(self.tree.members)
            if private + shared > MEMORY_SHARE * self.available:
                part = f", {shared / GB:.1f} GB of it shared memory" if shared > private else ""
                raise Failed("oom", f"it used {(private + shared) / GB:.1f} GB of the {self.available / GB:.1f} GB that were free{part}")
        if now["MemAvailable"] < RESERVE_SHARE * self.available:
            left = f"{now['MemAvailable'] / GB:.1f} GB are left on the machine"
            if private + shared > self.available / 2:
                raise Failed("oom", f"it used {(private + shared) / GB:.1f} GB, and {left}")
            raise Failed("invalid", f"other processes took the memory: {left}")

    def _free(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def _disk(self) -> None:
        free = self._free()
        fell = self.free - free
        if fell <= min(DISK_BYTES, max(DISK_FLOOR // 4, self.free - DISK_FLOOR)):
            return
        own = memory.blocks(self.folder, self.tree.members) - self.inherited  # the disk has other users
        if own > DISK_BYTES or own >= fell / 2:
            raise Failed("violation", f"it filled the disk: {own / GB:.1f} GB written, {free / GB:.1f} GB are left")
        if free < DISK_FLOOR:
            raise Failed("invalid", f"other processes filled the disk: {free / GB:.2f} GB are left in {self.folder}")
        self.free = free + own  # theirs is not its fault: counted from here
