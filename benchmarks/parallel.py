"""Does it pay to measure twice at once on one CPU? This repository's train.py through the referee, alone and beside a twin.

    python benchmarks/parallel.py [--rounds 3] [--budget "10s cpu"]      on a machine that does nothing else

Four ways take turns in each round: one measurement with all cores or with half of them, two at once with all cores or with half each.
A table: steps a CPU second of the budget, wall seconds and bits per byte of a measurement, measurements an hour. The budget is CPU time, so
two at once pay where the last number grows by more than the steps shrink; fewer steps are another measurement, whose noise may differ.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP))

from eval.cache import default_cache_dir  # noqa: E402
from eval.corpus import prepare  # noqa: E402

ENTRY = "train/train.py"


@dataclass(frozen=True)
class Run:
    steps: int
    cpu: float  # seconds on the budget's clock
    wall: float  # seconds of the whole call
    bpb: float


def measure(corpus: Path, budget: str, seed: int, cores: Sequence[int]) -> Run:
    """One call of the referee on these cores, with a device lock of its own, so that a twin need not wait."""
    with tempfile.TemporaryDirectory() as folder:
        candidate, out = Path(folder) / "candidate", Path(folder) / "result.json"
        (candidate / ENTRY).parent.mkdir(parents=True)
        (candidate / ENTRY).write_bytes((TOP / ENTRY).read_bytes())
        options = {"candidate": candidate, "corpus": corpus, "seed": seed, "budget": budget, "device": "cpu", "out": out, "locks": folder}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        began = time.monotonic()
        argv = ["taskset", "--cpu-list", ",".join(map(str, cores)), sys.executable, "-P", "-m", "eval", "measure", *words]
        done = subprocess.run(argv, cwd=TOP, env=os.environ | {"PYTHONPATH": str(TOP)}, capture_output=True, text=True, check=False)
        wall = time.monotonic() - began
        if done.returncode:
            sys.exit(f"the referee ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        result = json.loads(out.read_text())
    if result["outcome"] != "ok":
        sys.exit(f"{result['outcome']}: {result['reason']}")
    return Run(result["steps"], result["train_seconds"], wall, result["val_bpb"])


def together(corpus: Path, budget: str, seed: int, cores: Sequence[Sequence[int]]) -> tuple[list[Run], float]:
    """(the runs, wall seconds until the last of them ended). One run on each of `cores`, begun at once."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(cores)) as pool:
        runs = list(pool.map(lambda place: measure(corpus, budget, seed + place, cores[place]), range(len(cores))))
    return runs, time.monotonic() - began


def table(found: dict[str, list[tuple[list[Run], float]]]) -> str:
    lines = ["| way | steps per CPU s | wall s each | measurements an hour | val_bpb | sd |", "|---|---|---|---|---|---|"]
    for way, rounds in found.items():
        runs = [run for each, _ in rounds for run in each]
        rate, bpb = fmean(run.steps / run.cpu for run in runs), [run.bpb for run in runs]
        hour = 3600 * len(runs) / sum(wall for _, wall in rounds)
        sd = f"{stdev(bpb):.4f}" if len(bpb) > 1 else "–"
        lines.append(f"| {way} | {rate:.2f} | {fmean(run.wall for run in runs):.1f} | {hour:.0f} | {fmean(bpb):.4f} | {sd} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="two measurements at once on one CPU, against one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", default="10s cpu")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    if not half:
        sys.exit("there is one core here; nothing can be measured at once")
    halves = [cores[:half], cores[half : 2 * half]]
    ways = {"one, all cores": [cores], "one, half": halves[:1], "two, all cores": [cores, cores], "two, half each": halves}
    corpus = prepare("embedded", 2048, default_cache_dir(), print)
    print(f"{len(cores)} cores, budget {args.budget}, load of the machine {os.getloadavg()[0]:.1f}", flush=True)
    found: dict[str, list[tuple[list[Run], float]]] = {way: [] for way in ways}
    for number in range(args.rounds):
        for way, places in ways.items():
            found[way].append(together(corpus, args.budget, 31_000 + 2 * number, places))
    print(table(found))


if __name__ == "__main__":
    main()
