"""train.py's optimizer step beside the same model trained plainly: tokens per second, MFU, start-up and peak memory, in one run.

    python benchmarks/train_throughput.py [--rounds 5] [--seconds 1] [--shapes "preset;depth 8, width 512"] [--device cpu]
    python benchmarks/train_throughput.py --device cuda --seconds 5   (one H100 or H200: depth 8, 2^19 tokens a step, context 2048)
    python benchmarks/train_throughput.py --quality [--steps 250] [--seeds 4]     (the same validation loss? see train_quality.py)

Plain: same weights, same dtype, torch's own attention, loss and number of threads, one Muon step a matrix; on CUDA compiled, with SDPA
and stacked Muon steps, as upstream. Each loop has its own process; on a CPU they take turns, so that a neighbour on the machine
disturbs both, and a ratio is the median of the rounds' ratios. MFU: operations of the model (train.py's `flops_per_token`) over the best
rate of a large product of matrices in the same dtype, measured between the rounds; on a CPU both by CPU seconds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import train_loops  # noqa: E402

SHAPES = {  # name: constants on top of the device's preset
    "preset": {},
    "depth 4, width 256": {"DEPTH": 4, "WIDTH": 256},
    "depth 8, width 512": {"DEPTH": 8, "WIDTH": 512},
    "depth 12, width 768": {"DEPTH": 12, "WIDTH": 768},
}
PRODUCT = {"cpu": 1024, "mps": 4096, "cuda": 8192}  # rows and columns of the matrices whose product is the peak
LAUNCHED = "TRAIN_THROUGHPUT_LAUNCHED"


def child(kind: str, device: str, constants: dict) -> None:
    """Serves one loop: a line of JSON when it is warm, one measurement for each line of input (seconds), its peak memory at the end."""
    answers, sys.stdout = sys.stdout, sys.stderr
    device = train_loops.begin(device)
    import torch

    from eval import session

    loop = train_loops.Loop(kind, device, constants)
    wait = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device, lambda: None)
    batches = list(session.warmup(loop.rows, 1)) * loop.passes
    wait()
    facts = {"parameters": loop.parameters, "flops": loop.flops, "dtype": str(loop.dtype), "rows": loop.rows, "passes": loop.passes}
    print(json.dumps(facts | {"startup": time.time() - float(os.environ[LAUNCHED])}), file=answers, flush=True)
    for line in sys.stdin:
        measured = timed(lambda: loop.step(batches, 0.5), float(line), wait)
        tokens = measured["count"] * loop.passes * batches[0][0].numel()
        peak = product_rate(device, loop.dtype, wait)
        answer = {"wall": tokens / measured["wall"], "cpu": tokens / measured["cpu"], "peak": peak}
        print(json.dumps(answer), file=answers, flush=True)
    print(json.dumps({"memory": memory(device)}), file=answers, flush=True)


def timed(work, seconds: float, wait) -> dict:
    """{"count", "wall", "cpu"}: `work` repeated until so many wall seconds are over."""
    count, wall, cpu = 0, time.perf_counter(), time.process_time()
    while count == 0 or time.perf_counter() - wall < seconds:
        work()
        wait()  # else the device's queue would fill until long after the time is over
        count += 1
    return {"count": count, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def product_rate(device: str, dtype, wait) -> float:
    """Operations a second (on a CPU a CPU second) of a large product of matrices."""
    import torch

    size = PRODUCT[device]
    a, b = torch.randn(2, size, size, device=device, dtype=dtype)
    for _ in range(3):
        a @ b
    wait()
    measured = timed(lambda: a @ b, 0.3, wait)
    return 2 * size**3 * measured["count"] / measured["cpu" if device == "cpu" else "wall"]


def memory(device: str) -> int:
    """Peak bytes: the accelerator's, on a CPU of the process."""
    import resource

    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Child:
    """A process that serves one loop, warm when the constructor returns."""

    def __init__(self, kind: str, device: str, constants: dict, **environment: str):
        request = json.dumps([kind, device, constants])
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--child", request], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | environment | {LAUNCHED: str(time.time())},
        )  # fmt: skip
        self.facts = self.answer()

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a training process ended early; its last lines are above")
        return json.loads(line)

    def measure(self, seconds: float) -> dict:
        print(seconds, file=self.process.stdin, flush=True)
        return self.answer()

    def end(self) -> int:
        """Its peak memory, bytes."""
        self.process.stdin.close()
        peak = self.answer()["memory"]
        self.process.wait()
        return peak


def compare(device: str, constants: dict, rounds: int, seconds: float, together: bool) -> dict:
    """{"ours", "plain"}: facts and rounds of one shape. Not `together`, as on an accelerator, whose memory does not hold both: one after
    the other, each started twice, with a cold compile cache and a warm one."""
    found = {}
    if together:
        loops = {kind: Child(kind, device, constants) for kind in ("plain", "ours")}
        measured = {kind: [] for kind in loops}
        for _ in range(rounds):
            for kind, loop in loops.items():
                measured[kind].append(loop.measure(seconds))
        for kind, loop in loops.items():
            found[kind] = loop.facts | {"rounds": measured[kind], "memory": loop.end()}
        return found
    for kind in ("plain", "ours"):
        with tempfile.TemporaryDirectory() as cache:
            cold = Child(kind, device, constants, TORCHINDUCTOR_CACHE_DIR=cache, TRITON_CACHE_DIR=cache + "/triton")
            cold.end()
            loop = Child(kind, device, constants, TORCHINDUCTOR_CACHE_DIR=cache, TRITON_CACHE_DIR=cache + "/triton")
            measured = [loop.measure(seconds) for _ in range(rounds)]
            found[kind] = loop.facts | {"cold": cold.facts["startup"], "rounds": measured, "memory": loop.end()}
    return found


def row(name: str, device: str, found: dict) -> str:
    ours, plain = found["ours"], found["plain"]
    clock = "cpu" if device == "cpu" else "wall"
    peak = max(measured["peak"] for loop in found.values() for measured in loop["rounds"])

    def middle(loop, what):
        return statistics.median(measured[what] for measured in loop["rounds"])

    def ratio(what):
        return statistics.median(a[what] / b[what] for a, b in zip(ours["rounds"], plain["rounds"], strict=True))

    cells = [name, f"{ours['parameters'] / 1e6:.2f} M", *(f"{loop['rows']} x {loop['passes']}" for loop in (ours, plain))]
    for what in ("wall", "cpu") if device == "cpu" else ("wall",):
        cells += [f"{middle(ours, what):,.0f}", f"{middle(plain, what):,.0f}", f"{ratio(what):.2f}"]
    cells += [f"{middle(loop, clock) * ours['flops'] / peak:.1%}" for loop in (ours, plain)]
    cells += [" ".join(f"{loop[k]:.1f}" for k in ("cold", "startup") if k in loop) for loop in (ours, plain)]
    cells += [f"{loop['memory'] / 1e6:,.0f}" for loop in (ours, plain)]
    return "| " + " | ".join(cells) + f" | {peak / 1e12:.3f} |"


def throughput(device: str, args) -> None:
    import torch

    from eval import session

    card = torch.cuda.get_device_name() if device == "cuda" else device
    print(f"{card}, torch {torch.__version__}, vocab {session.vocab_size}, context {session.sequence_length}, {load()}")
    columns = ["shape", "parameters", "sequences x passes", "plain", "tokens/s", "plain", "ratio"]
    columns += ["tokens per CPU second", "plain", "ratio"] if device == "cpu" else []
    columns += ["MFU", "plain", "start-up s", "plain", "peak MB", "plain", "peak TFLOP/s"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    names = args.shapes.split(";") if args.shapes else SHAPES if device == "cpu" else ["preset"]
    for name in names:
        print(row(name, device, compare(device, SHAPES[name], args.rounds, args.seconds, together=device == "cpu")), flush=True)
    print(load())


def load() -> str:
    return f"load of the machine {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


def main():
    parser = argparse.ArgumentParser(description="train.py's tokens per second, beside a plain loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each loop in a round")
    parser.add_argument("--shapes", default="", help="names of the table's rows, with semicolons between them")
    parser.add_argument("--device", default="")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(*json.loads(args.child))
    device = train_loops.begin(args.device)
    if args.quality:
        from benchmarks import train_quality

        return train_quality.compare(device, args.steps, args.seeds)
    throughput(device, args)


if __name__ == "__main__":
    main()
