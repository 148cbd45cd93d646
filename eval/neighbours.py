"""Who else uses this machine, before and during a training. A neighbour makes a result invalid, never bad. Torch-free.

    neighbours = Neighbours("cuda")
    neighbours.before()                      # Failed("invalid") if somebody else computes on this GPU, after waiting a minute
    neighbours.begin(tree.cpu_seconds, pids, budget)
    neighbours.look()                        # often; it looks once a second at the CPUs, every five seconds at the GPU
    result["neighbours"] = neighbours.end()
    neighbours.judge()                       # Failed("invalid") if the whole training says so
    neighbours.freed()                       # after the kill: Failed("invalid") if GPU memory did not come back
"""

from collections.abc import Callable, Collection

from eval.budget import Budget
from eval.errors import Failed
from eval.gpu import Gpu
from eval.load import Load


def nobody() -> Collection[int]:
    return ()


class Neighbours:
    """`device`: cpu, cuda or mps. `gpu`: index or uuid for nvidia-smi, by default the first that CUDA_VISIBLE_DEVICES names."""

    def __init__(self, device: str, gpu: str = ""):
        self.device = device
        self.load: Load | None = None
        self.gpu = Gpu(gpu) if device.startswith("cuda") else None

    def before(self, pids: Callable[[], Collection[int]] = nobody, patience: float = 60.0) -> None:
        """Waits until nobody else computes on the GPU, `patience` seconds at most, then Failed("invalid"). `pids`: our own processes.

        Also reads how much of its memory is in use now, which `freed` compares with."""
        if self.gpu:
            self.gpu.before(pids, patience)

    def begin(self, own_cpu: Callable[[], float], pids: Callable[[], Collection[int]] = nobody, budget: Budget | None = None) -> None:
        """The training starts. `own_cpu()`: CPU seconds of the candidate's processes (ours are added here), `pids()`: which they are."""
        self.load = Load(own_cpu, budget, judging=self.device == "cpu")
        if self.gpu:
            self.gpu.begin(pids)

    def look(self) -> None:
        """Failed("invalid") as soon as it is certain that neighbours spoil this training. Never waits; costs 0.1 ms once a second."""
        if self.load:
            self.load.look()
        if self.gpu:
            self.gpu.look()

    def end(self) -> dict:
        """What was seen. cpu_others: cores that others kept busy, mean; cpu_pressure: share of the time in which something waited for
        a core, our own threads included; gpu_others: most foreign compute processes seen at once; gpu_clock: mean MHz; throttled: the
        GPU slowed down for heat or power supply; note: what could not be looked at. None where unknown."""
        blank = {"cpu_others": None, "cpu_pressure": None, "gpu_others": None, "gpu_clock": None, "throttled": None, "note": ""}
        return blank | (self.load.end() if self.load else {}) | (self.gpu.end() if self.gpu else {})

    def judge(self) -> None:
        """Failed("invalid") if, over the whole training, neighbours took more than a measurement bears. After `end`."""
        if self.load and (complaint := self.load.complaint()):
            raise Failed("invalid", complaint)

    def freed(self, seconds: float = 10.0) -> None:
        """Waits until the GPU's memory is back to what it was before; Failed("invalid") naming who holds it after `seconds`."""
        if self.gpu:
            self.gpu.freed(seconds)
