"""Every process that descends from a spawned one: its CPU time, its memory, and its end. Torch-free.

On Linux this process becomes the *subreaper*, so daemons that double-fork and call setsid are handed to us, not to init.
A process belongs to the tree of `root` if its parent does, or if it is our child, we never spawned it and its session is the root's
or an unknown one (not ours, not another root's): candidates start in a session of their own and nobody can join an existing one,
so this holds for every orphan of theirs and for none of the caller's own helpers (git, ...). Once a member, always a member.
Elsewhere (macOS) psutil does the same if it is installed; without it only the process group is known, and CPU budgets are refused.
"""

import os
import signal
import sys
import threading
import time
from typing import NamedTuple

from eval.errors import RefereeError

PROC = sys.platform == "linux"
TICKS = os.sysconf("SC_CLK_TCK")
LIST_SECONDS = 0.02  # how often /proc is listed for new processes; members are read on every call
ROOTS: set[int] = set()  # pids we spawned ourselves (`eval.process.spawn`): never orphans
LOCK = threading.RLock()  # a spawn in another thread must be in ROOTS before anyone lists /proc


class Stat(NamedTuple):
    """One process at one instant. `own` = its user + system seconds; `reaped` = those of the children it has waited for."""

    pid: int
    parent: int
    session: int
    state: str
    start: int  # clock ticks since boot: (pid, start) names a process for good
    own: float
    reaped: float


def read_stat(pid: int) -> Stat | None:
    """/proc/PID/stat, proc(5). None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            data = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    f = data[data.rindex(b")") + 2 :].split()  # the name may hold spaces and brackets; f[0] is field 3, the state
    own, reaped = (int(f[11]) + int(f[12])) / TICKS, (int(f[13]) + int(f[14])) / TICKS
    return Stat(pid, int(f[1]), int(f[3]), f[0].decode(), int(f[19]), own, reaped)


class ProcessTree:
    """The tree under `root`, a pid from `eval.process.spawn`. All times in seconds, memory in bytes."""

    def __init__(self, root: int):
        self.root, self.status = root, None  # status: the root's wait status once it has ended and we have reaped it
        self.members: dict[int, Stat] = {}  # living and zombie
        self.strangers: set[int] = set()  # pids known not to belong
        self.own: dict[tuple[int, int], float] = {}  # (pid, start) -> last seen own seconds, for every process ever seen
        self.buried = 0.0  # seconds (own + reaped) of members that ended as our children, from wait4: exact
        self.listed, self.highest, self.peak = 0.0, 0.0, 0
        self.refresh()

    def refresh(self, listing: bool = True) -> None:
        """Re-reads the members; with `listing` also looks for new ones and buries the dead that are our children."""
        with LOCK:
            if not PROC:
                return self._refresh_psutil()
            for pid, old in list(self.members.items()):
                self._update(pid, old)
            if listing:
                self._adopt()
            for stat in list(self.members.values()):
                if stat.state == "Z" and stat.parent == os.getpid():
                    self._bury(stat.pid)

    def _update(self, pid: int, old: Stat) -> None:
        stat = read_stat(pid)
        if stat is None or stat.start != old.start:
            del self.members[pid]
        else:
            self.members[pid] = stat
            self.own[pid, stat.start] = stat.own

    def _adopt(self) -> None:
        """Finds new members. Loops because one listing may show a child before its parent."""
        self.listed = time.monotonic()
        present = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self.strangers &= present
        fresh = {pid: stat for pid in present - self.strangers - self.members.keys() if (stat := read_stat(pid))}
        grown = True
        while grown:
            grown = False
            for pid, stat in list(fresh.items()):
                if pid == self.root and self.status is None or stat.parent in self.members or self._orphan(stat):
                    self.members[pid], self.own[pid, stat.start], grown = fresh.pop(pid), stat.own, True
        self.strangers |= fresh.keys()

    def _orphan(self, stat: Stat) -> bool:
        if stat.parent != os.getpid() or stat.pid in ROOTS:
            return False
        return stat.session == self.root or stat.session not in ROOTS | {os.getsid(0)}

    def _bury(self, pid: int) -> None:
        """Reaps a dead child of ours. The root's status is kept for `eval.process.Child`."""
        try:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:  # 0: still running
            return
        self.buried += usage.ru_utime + usage.ru_stime
        stat = self.members.pop(pid, None)
        if stat:
            self.own[pid, stat.start] = max(self.own[pid, stat.start], stat.own)
        if pid == self.root:
            self.status = status

    def _refresh_psutil(self) -> None:
        try:
            import psutil
        except ImportError:
            return
        family = []
        for pid in {self.root, *self.members}:
            try:
                family += [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            except psutil.Error:
                self.members.pop(pid, None)
        for process in family:
            try:
                times, start = process.cpu_times(), int(process.create_time() * 100)
                state = "Z" if process.status() == psutil.STATUS_ZOMBIE else "R"
                stat = Stat(process.pid, process.ppid(), 0, state, start, times.user + times.system, 0.0)
            except psutil.Error:
                continue
            self.members[stat.pid], self.own[stat.pid, stat.start] = stat, stat.own

    def cpu_seconds(self) -> float:
        """User + system seconds of everything in the tree so far, living and dead. Never falls.

        Two counts, each blind to something: the sum of last-seen own times misses what a process did between our last look
        and its end; living + reaped + buried misses children that a parent has the kernel discard (SIGCHLD ignored)."""
        if not PROC and "psutil" not in sys.modules and not _importable("psutil"):
            raise RefereeError("CPU budgets need /proc or psutil here: install psutil, or use a wall budget such as `budget: 10s`")
        self.refresh(listing=time.monotonic() - self.listed >= LIST_SECONDS)
        seen = sum(self.own.values())
        exact = self.buried + sum(s.own + s.reaped for s in self.members.values())
        self.highest = max(self.highest, seen, exact)
        return self.highest

    def peak_rss(self) -> int:
        """Highest sum, over the calls so far, of the members' resident high-water marks. 0 where there is no /proc."""
        total = 0
        for pid in self.members if PROC else ():
            try:
                with open(f"/proc/{pid}/status", "rb") as file:
                    mark = next((line for line in file if line.startswith(b"VmHWM:")), b"VmHWM: 0 kB")
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += int(mark.split()[1]) * 1024
        self.peak = max(self.peak, total)
        return self.peak

    def kill(self, seconds: float = 10.0) -> list[int]:
        """SIGKILL to every member until none is left. Returns the pids that survived (none, or the machine is broken).

        Looped without a pause: a fork bomb is outrun because each round kills parents and children of the last listing."""
        deadline = time.monotonic() + seconds
        while True:
            self.refresh()
            alive = [pid for pid, stat in self.members.items() if stat.state not in "ZX"]
            if self.status is None and not alive and not PROC:
                self._bury(self.root)
            if not alive and (self.status is not None or self.root not in self.members) or time.monotonic() > deadline:
                return alive
            if not PROC and self.root in ROOTS:
                _signal(lambda: os.killpg(self.root, signal.SIGKILL))
            for pid in alive:
                _signal(lambda pid=pid: os.kill(pid, signal.SIGKILL))


def _signal(send) -> None:
    try:
        send()
    except (ProcessLookupError, PermissionError):  # gone meanwhile; macOS answers EPERM for a zombie's group
        return


def _importable(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None
