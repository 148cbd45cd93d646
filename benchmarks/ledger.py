"""A ledger with 100,000 experiments: seconds and megabytes until `status` has answered, beside reading the same bytes.

    python benchmarks/ledger.py [experiments]        goal: at most 2 s and 500 MB (DESIGN 9)
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bot.records import Measurement, Opened, Proposal, Verdict

CONFIG = "name: big\neditable: [train.py]\nstop_after: null\n"


def events(experiments: int):
    """One in ten passes the screen and takes four more runs; curves of 20 points, as real runs have."""
    rng = random.Random(0)
    yield Opened(1.0, "autoresearch/big", "b" * 40, "main", "val_bpb", "min", "5m", "c" * 16, "constants")
    run = {
        "sha": "a" * 40, "outcome": "ok", "context": "c" * 16, "seconds": 326.1, "startup_seconds": 12.25, "train_seconds": 300.01,
        "save_seconds": 0.7, "eval_seconds": 11.5, "steps": 953, "tokens": 499122176, "epochs": 1.37, "bits": 1e6, "bytes": 10**6,
        "parameters": 50332176, "peak_memory": 45_000_000_000, "isolation": "bubblewrap", "metric_version": "m" * 16,
        "corpus": "d" * 16, "machine": "f" * 16,
    }  # fmt: skip
    for id in range(experiments + 1):
        t = 1e9 + 400.0 * id
        if id:
            change = f"MATRIX_LR 0.02 -> {rng.uniform(0.01, 0.04):.4f}"
            yield Proposal(t, id, "b" * 40, "a" * 40, change, "constants", 1, 1, 0, {"MATRIX_LR": 0.03})
        roles = ["baseline"] * 4 if not id else ["screen"] + (["confirm", "confirm", "champion", "confirm"] if id % 10 == 0 else [])
        for index, role in enumerate(roles):
            curve = tuple(round(x, 5) for i in range(20) for x in (i / 20, rng.uniform(3, 9)))
            yield Measurement(t + index, id, role, index, seed=rng.getrandbits(31), value=rng.gauss(0.98, 0.001), curve=curve, **run)
        status = "baseline" if not id else "discard"
        yield Verdict(t + 300, id, status, "discarded after one run: +0.0012 against the champion's mean, needed -0.0008", delta=0.0012)


def main(experiments: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run(["git", "init", "-q", folder], check=True)
        (root / "train.py").write_text("")
        (root / "program.md").write_text("")
        (root / "autoresearch.yml").write_text(CONFIG)
        path = root / ".autoresearch/ledger/big/local.jsonl"
        path.parent.mkdir(parents=True)
        encoder = msgspec.json.Encoder()
        with path.open("wb") as file:
            file.writelines(encoder.encode(event) + b"\n" for event in events(experiments))
        began = time.perf_counter()
        lines = sum(1 for _ in path.open("rb"))
        read = time.perf_counter() - began
        print(f"{experiments} experiments, {lines} lines, {path.stat().st_size / 1e6:.0f} MB; reading the lines alone {read:.2f} s")
        print(f"{'command':<22}{'seconds':>9}{'x reading':>11}{'MB':>7}")
        for words in (["--help"], ["status"], ["log", "--limit", "10"], ["show", "50000"]):
            began = time.perf_counter()
            argv = [sys.executable, "-m", "bot", *words]
            done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False, env=environment())
            seconds = time.perf_counter() - began
            assert done.returncode == 0, done.stderr
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"{' '.join(words):<22}{seconds:>9.2f}{seconds / read:>11.1f}{peak:>7.0f}")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
