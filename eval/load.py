"""How much of the CPUs others use while a candidate trains: /proc/stat without ourselves, and the kernel's pressure figures. Torch-free.

A budget in CPU seconds bears neighbours (1.40, 1.34 and 1.29 steps per CPU second beside 0, 1 and 2 busy ones); a wall budget on a
CPU does not. There a training is invalid once others took, *while the machine was full*, more than a quarter of a core on average:
the candidate wanted those cycles. Neighbours beside idle cores cost it nothing.
"""

import os
import time
from collections.abc import Callable

from eval.budget import Budget
from eval.errors import Failed
from eval.tree import TICKS

LOOK_SECONDS = 1.0
FULL = 0.95  # of the cores: ours and theirs together leave nothing idle
SUSTAINED = 2.0  # seconds; a shorter training cannot tell a load from a passing one
TOLERATED = 0.25  # cores, mean over the training; the system's own daemons take less


def busy_seconds() -> float | None:
    """Seconds that the CPUs we may use have worked since boot, for anyone. Time stolen by a hypervisor counts. None without /proc/stat."""
    try:
        with open("/proc/stat", "rb") as file:
            lines = [line.split() for line in file if line.startswith(b"cpu")]
    except OSError:
        return None
    ours = {b"cpu%d" % cpu for cpu in os.sched_getaffinity(0)}
    # user nice system idle iowait irq softirq steal; guest time is part of user
    fields = [[int(x) for x in line[1:9]] for line in lines if line[0] in ours]
    return sum(sum(f) - f[3] - f[4] for f in fields) / TICKS if fields else None


def pressure() -> float | None:
    """Seconds since boot in which something that wanted to run had to wait for a CPU. None where the kernel does not say."""
    try:
        with open("/proc/pressure/cpu", "rb") as file:
            return int(file.readline().rsplit(b"total=", 1)[1]) / 1e6
    except (OSError, IndexError):
        return None


class Load:
    """One training beside its neighbours. `own_cpu()`: CPU seconds of the candidate's processes; this process's are added here."""

    def __init__(self, own_cpu: Callable[[], float], budget: Budget | None, judging: bool):
        self.own_cpu, self.cores = own_cpu, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.wall_budget = budget.seconds if judging and budget and budget.clock == "wall" else None
        self.others, self.lost = 0.0, 0.0  # core seconds that others used; those of them that we may have wanted
        self.began = self.last = self._read()
        self.pressure = pressure()

    def _read(self) -> tuple[float, float | None, float]:
        """(now, everybody's CPU seconds, ours)."""
        times = os.times()
        return time.monotonic(), busy_seconds(), self.own_cpu() + times.user + times.system

    def look(self) -> None:
        """Failed("invalid") once the neighbours have taken more than the whole budget bears."""
        if time.monotonic() - self.last[0] < LOOK_SECONDS:
            return
        self._window()
        if self.wall_budget and self.seconds >= SUSTAINED and self.lost > TOLERATED * self.wall_budget:
            raise Failed("invalid", self._sentence())

    def _window(self) -> None:
        now, before = self._read(), self.last
        self.last = now
        seconds, ours = now[0] - before[0], now[2] - before[2]
        if now[1] is None or before[1] is None or seconds <= 0:
            return
        others = max(0.0, now[1] - before[1] - ours)
        self.others += others
        if others + ours > FULL * self.cores * seconds:
            self.lost += others

    @property
    def seconds(self) -> float:
        return self.last[0] - self.began[0]

    def end(self) -> dict:
        """{"cpu_others", "cpu_pressure"}, see `Neighbours.end`."""
        self._window()
        waited = pressure()
        known = self.began[1] is not None and self.seconds > 0
        return {
            "cpu_others": round(self.others / self.seconds, 3) if known else None,
            "cpu_pressure": None if waited is None or not self.seconds else round(min(1.0, (waited - self.pressure) / self.seconds), 3),
        }

    def complaint(self) -> str:
        """One sentence if the neighbours spoiled the training, else "". After `end`."""
        spoiled = self.wall_budget and self.seconds >= SUSTAINED and self.lost > TOLERATED * self.seconds
        return self._sentence() if spoiled else ""

    def _sentence(self) -> str:
        mean = self.lost / max(self.seconds, 1e-9)
        taken = f"other processes took {mean:.1f} of the {self.cores} cores while the candidate wanted them"
        return f"{taken}; a wall budget needs an idle machine, a cpu budget does not"
