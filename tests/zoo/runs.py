"""Trains zoo models with the real referee, each in a folder of its own that keeps the checkpoint.

    for run in train(["gru", "alibi"], folder, corpus): run.result["val_bpb"], run.candidate, run.checkpoint
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.eval import rig
from tests.zoo import source

BUDGET, EVAL_TOKENS = "1s cpu", 4096
AT_ONCE = 2  # trainings; a budget in CPU seconds does not mind company


@dataclass(frozen=True)
class Run:
    """One measured model. `result`: what `eval measure` wrote."""

    name: str
    folder: Path
    result: dict

    @property
    def candidate(self) -> Path:
        return self.folder / "candidate" / "train" / "train.py"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"


def train(names: Iterable[str], folder: Path, corpus: Path, **options) -> Iterator[Run]:
    """Measures each model, in order; what `folder` already holds is not measured again. `options` go to `eval measure`."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(partial(_one, folder=folder, corpus=corpus, **options), names)


def _one(name: str, folder: Path, corpus: Path, **options) -> Run:
    home = folder / name
    if (home / "result.json").is_file():
        return Run(name, home, json.loads((home / "result.json").read_text()))
    (home / "locks").mkdir(parents=True)  # its own: two runs may share the device here
    options = {"budget": BUDGET, "eval_tokens": EVAL_TOKENS, "locks": home / "locks", "keep_checkpoint": home / "checkpoint"} | options
    return Run(name, home, rig.Measured(home, source(name), corpus, **options).result)


def ask(module: str, *arguments: str | Path) -> dict:
    """The JSON object that `python -m tests.zoo.<module>` prints last. AssertionError with what it said if it fails."""
    argv = [sys.executable, "-m", f"tests.zoo.{module}", *map(str, arguments)]
    done = subprocess.run(argv, cwd=rig.ROOT, env=rig.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
