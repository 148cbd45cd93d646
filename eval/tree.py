"""Every process that descends from a spawned one: its CPU time, its memory, and its end. Torch-free.

On Linux this process becomes the *subreaper*, so daemons that double-fork and call setsid are handed to us, not to init.
A process belongs to the tree of `root` if its parent does, or if it is our child, we never spawned it and its session is the root's
or an unknown one (not ours, not another root's): candidates start in a session of their own and nobody can join an existing one,
so this holds for every orphan of theirs and for none of the caller's own helpers (git, ...). Once a member, always a member.
A bubblewrap sandbox changes nothing in this: what runs in its pid namespace is seen from here under other pids, and its orphans
go to the namespace's init, a member.
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
    group: int
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
    return Stat(pid, int(f[1]), int(f[2]), int(f[3]), f[0].decode(), int(f[19]), own, reaped)


class ProcessTree:
    """The tree under `root`, a pid from `eval.process.spawn`. All times in seconds, memory in bytes."""

    def __init__(self, root: int):
        self.root, self.status = root, None  # status: the root's wait status once it has ended and we have reaped it
        self.members: dict[int, Stat] = {}  # living and zombie
        self.strangers: set[int] = set()  # pids known not to belong
        self.gone = 0.0  # own seconds, as last seen, of members that are no more
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
            self._forget(pid)
        else:
            self.members[pid] = stat

    def _forget(self, pid: int) -> None:
        if stat := self.members.pop(pid, None):
            self.gone += stat.own

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
                    self.members[pid], grown = fresh.pop(pid), True
        self._estrange(fresh)

    def _estrange(self, fresh: dict[int, Stat]) -> None:
        """Notes who does not belong, for good: children of strangers, of the kernel (0) and our own helpers.

        Not those whose parent has ended since its pid was listed: that may have been a member nobody saw, and the next look tells,
        for then the orphan is ours."""
        count = -1
        while count != len(self.strangers):
            count = len(self.strangers)
            self.strangers |= {pid for pid, stat in fresh.items() if stat.parent in self.strangers or stat.parent in (0, os.getpid())}

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
        self._forget(pid)
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
                self._forget(pid)
        for process in family:
            try:
                times, start = process.cpu_times(), int(process.create_time() * 100)
                state = "Z" if process.status() == psutil.STATUS_ZOMBIE else "R"
                stat = Stat(process.pid, process.ppid(), 0, 0, state, start, times.user + times.system, 0.0)
            except psutil.Error:
                continue
            self.members[stat.pid] = stat

    def cpu_seconds(self) -> float:
        """User + system seconds of everything in the tree so far, living and dead. Never falls.

        Two counts, each blind to something: the sum of last-seen own times misses what a process did between our last look
        and its end; living + reaped + buried misses children that a parent has the kernel discard (SIGCHLD ignored). A child that lives
        shorter than our looks are apart *and* is discarded escapes both: the sandbox's filter keeps SIGCHLD as it is (eval.seccomp)."""
        if not PROC and "psutil" not in sys.modules and not _importable("psutil"):
            raise RefereeError("CPU budgets need /proc or psutil here: install psutil, or use a wall budget such as `budget: 10s`")
        self.refresh(listing=time.monotonic() - self.listed >= LIST_SECONDS)
        own = sum(s.own for s in self.members.values())
        reaped = sum(s.reaped for s in self.members.values())
        self.highest = max(self.highest, self.gone + own, self.buried + own + reaped)
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

        Whole process groups first: the kernel does that at one stroke, no fork gets away. Then one by one and again without a pause,
        for bombs that open a group for each child: every round kills parents and children of its listing."""
        deadline = time.monotonic() + seconds
        while True:
            self.refresh()
            alive = [stat for stat in self.members.values() if stat.state not in "ZX"]
            if self.status is None and not alive and not PROC:
                self._bury(self.root)
            if not alive and (self.status is not None or self.root not in self.members) or time.monotonic() > deadline:
                if not alive:
                    ROOTS.discard(self.root)  # the kernel may give its pid to anyone now, an orphan of a later tree included
                return [stat.pid for stat in alive]
            for group in self._groups(alive):
                _signal(lambda group=group: os.killpg(group, signal.SIGKILL))
            for stat in alive:
                _signal(lambda pid=stat.pid: os.kill(pid, signal.SIGKILL))

    def _groups(self, alive: list[Stat]) -> set[int]:
        """Process groups that belong to the tree alone. A group lies within one session, and the root's session is the tree's own; in
        a session that a member opened later, a group is the tree's as well. Never ours."""
        if not PROC:
            return {self.root} & ROOTS
        return {stat.group for stat in alive if stat.session != os.getsid(0) and stat.group > 1}


def _signal(send) -> None:
    try:
        send()
    except (ProcessLookupError, PermissionError):  # gone meanwhile; macOS answers EPERM for a zombie's group
        return


def _importable(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None
