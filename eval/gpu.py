"""The GPU beside us: foreign compute processes, clocks, throttling, memory that comes back. Asked of nvidia-smi. Torch-free.

Processes that only draw (a desktop) are tolerated: nvidia-smi does not list them among the compute processes. What they
cost shows as utilization before the training.
"""

import math
import os
import subprocess
import time
from collections.abc import Callable, Collection

from eval import nvidia
from eval.errors import Failed

LOOK_SECONDS = 5.0
BUSY_PERCENT = 25  # utilization without any process of ours: a drawn desktop stays below, an animated one does not
SLACK_BYTES = 256 << 20  # by which memory in use may have grown afterwards: the driver's own, a desktop's windows
SLOWED = 0x08 | 0x20 | 0x40 | 0x80  # nvml.h: hardware slowdown, too hot (software, hardware), power brake; not the normal power cap
SHARED_SERVER = "nvidia-cuda-mps-server"  # NVIDIA's own multi-process service
APPS = "--query-compute-apps=pid,used_memory,process_name"
STATE = "--query-gpu=memory.used,utilization.gpu,clocks.sm,clocks_throttle_reasons.active"
NEWER = STATE.replace("throttle", "event")  # drivers since 535 call it so, and newer ones may drop the old name


class Gpu:
    """One GPU during one measurement."""

    def __init__(self, gpu: str = ""):
        self.gpu, self.note, self.state = gpu or nvidia.visible(), "", STATE
        self.pids: Callable[[], Collection[int]] = lambda: ()
        self.others: int | None = None
        self.clocks: list[float] = []
        self.throttled: bool | None = None
        self.memory = math.nan  # bytes in use before
        self.resolved = False  # a process of ours was listed: pids mean the same to the driver and to us
        self.asked: list[tuple[str, subprocess.Popen]] = []
        self.next = 0.0

    def before(self, pids: Callable[[], Collection[int]], patience: float) -> None:
        """See `Neighbours.before`."""
        self.pids, deadline = pids, time.monotonic() + patience
        while problem := self._problem_before():
            if time.monotonic() > deadline:
                raise Failed("invalid", problem)
            time.sleep(1.0)

    def _problem_before(self) -> str:
        rows, apps = nvidia.query(self.state, self.gpu), nvidia.query(APPS, self.gpu)
        if rows is None:
            self.state = NEWER
            rows = nvidia.query(self.state, self.gpu)
        if not rows or apps is None:
            self.note = f"nvidia-smi does not answer for GPU {self.gpu}: neighbours on it cannot be seen"
            return ""
        self.memory = nvidia.number(rows[0][0]) * 2**20
        foreign = self._foreign(apps, started=False)
        self.others = len(foreign)
        if foreign:
            return f"other processes compute on this GPU: {_named(foreign)}; stop them, or measure when they are done"
        busy = nvidia.number(rows[0][1])
        if busy > BUSY_PERCENT and not self._ours(apps):
            return f"this GPU is {busy:.0f} % busy although nothing of ours runs on it; an animated desktop or another container?"
        return ""

    def _ours(self, apps: list[list[str]]) -> bool:
        own = set(self.pids())
        return any(row[0].isdigit() and int(row[0]) in own for row in apps)

    def _foreign(self, apps: list[list[str]], started: bool) -> list[list[str]]:
        """Rows of processes that are not ours. Once something of ours runs there, pids that do not exist here may be ours:
        in a container the driver may name the host's. They count as foreign only if a process of ours was listed by its own pid."""
        own = set(self.pids())
        self.resolved = self.resolved or self._ours(apps)
        rows = [row for row in apps if row[0].isdigit() and int(row[0]) not in own and not row[-1].endswith(SHARED_SERVER)]
        if started and not self.resolved:
            hidden = [row for row in rows if not os.path.exists(f"/proc/{row[0]}")]
            if hidden:
                self.note = "the driver names processes by pids of another namespace: neighbours from outside cannot be told from ours"
            rows = [row for row in rows if row not in hidden]
        return rows

    def begin(self, pids: Callable[[], Collection[int]]) -> None:
        """See `Neighbours.begin`."""
        self.pids, self.next = pids, time.monotonic()

    def look(self) -> None:
        """Starts nvidia-smi when it is due, reads it when it has ended; Failed("invalid") for a foreign compute process."""
        if self.asked:
            if all(process.poll() is not None for _, process in self.asked):
                self._take()
        elif time.monotonic() >= self.next and not self.note.startswith("nvidia-smi"):
            self.next = time.monotonic() + LOOK_SECONDS
            for question in (self.state, APPS):
                argv = nvidia.command(question, self.gpu)
                if argv:  # its answer is shorter than a pipe holds, so it ends without being read
                    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                    self.asked.append((question, subprocess.Popen(argv, stdout=subprocess.PIPE, **quiet)))

    def _take(self) -> None:
        asked, self.asked = self.asked, []
        for question, process in asked:
            with process.stdout:
                rows = nvidia.parse(process.stdout.read()) if process.returncode == 0 else []
            if question != APPS:
                self._state(rows)
            elif foreign := self._foreign(rows, started=True):
                self.others = max(self.others or 0, len(foreign))
                raise Failed("invalid", f"other processes used this GPU during the training: {_named(foreign)}")

    def _state(self, rows: list[list[str]]) -> None:
        if not rows:
            return
        clock, reasons = nvidia.number(rows[0][2]), nvidia.number(rows[0][3])
        if not math.isnan(clock):
            self.clocks.append(clock)
        if not math.isnan(reasons):
            self.throttled = bool(self.throttled) or bool(int(reasons) & SLOWED)

    def end(self) -> dict:
        """{"gpu_others", "gpu_clock", "throttled", "note"}, see `Neighbours.end`."""
        for _, process in self.asked:
            process.kill()
            process.communicate()
        self.asked = []
        clock = round(sum(self.clocks) / len(self.clocks)) if self.clocks else None
        return {"gpu_others": self.others, "gpu_clock": clock, "throttled": self.throttled, "note": self.note}

    def freed(self, seconds: float) -> None:
        """See `Neighbours.freed`."""
        deadline = time.monotonic() + seconds
        while problem := self._held():
            if time.monotonic() > deadline:
                raise Failed("invalid", problem)
            time.sleep(0.2)

    def _held(self) -> str:
        if math.isnan(self.memory):
            return ""
        rows, apps = nvidia.query(self.state, self.gpu), nvidia.query(APPS, self.gpu) or []
        grown = nvidia.number(rows[0][0]) * 2**20 - self.memory if rows else math.nan
        if not grown > SLACK_BYTES or self.resolved and not apps:  # ours were listed and are gone: the rest is a desktop's
            return ""
        holders = f"held by {_named(apps)}" if apps else "by no process that the driver names"
        return f"{grown / 1e9:.1f} GB of the GPU's memory did not come back after the run: {holders}"


def _named(rows: list[list[str]]) -> str:
    """`python (pid 4711, 512 MB)`, at most three."""
    shown = [f"{os.path.basename(row[-1]) or 'unknown'} (pid {row[0]}, {row[1] or '?'} MB)" for row in rows[:3]]
    return ", ".join(shown) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")

