"""162 configurations of this repository's train.py, every combination of five constants, each measured once for real at `10s cpu`.

    python benchmarks/table.py measure [seconds]     goes on where it stopped, in a fixed random order; 45 minutes on one core in all
    python benchmarks/table.py                       what the table says

Each run has a seed of its own, so the table is noisy. True values are those of a least-squares fit: every constant's effect at each of its
values, and where an F test (p < 0.05) finds that two constants are not the sum of their effects, what each pair of values adds. What
remains of the runs is the noise. The fit knows each effect from all runs, so far better than one run knows its configuration.
"""

import csv
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean

import numpy as np
from scipy.stats import f as f_distribution

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP))

from bot.proposers.source import find, replace  # noqa: E402
from eval.cache import default_cache_dir  # noqa: E402
from eval.corpus import prepare  # noqa: E402

ENTRY = "train/train.py"
FILE = TOP / "benchmarks/table.tsv"
LEVELS = {  # constant of train.py -> its values, as they are written; the first one is train.py's own
    "DEPTH.cpu": ("4", "2", "6"),
    "WIDTH.cpu": ("64", "128"),
    "BATCH_TOKENS.cpu": ("2**11", "2**10", "2**12"),
    "MATRIX_LR.cpu": ("0.04", "0.02", "0.08"),
    "EMBED_LR.cpu": ("0.6", "0.3", "1.2"),
}
BASE_RUNS = 8  # further ones of train.py as it is
BUDGET = "10s cpu"

Config = tuple[str, ...]  # one value of each constant


def plan() -> list[tuple[Config, int]]:
    """(configuration, seed), in an order that mixes everything, so that a drift of the machine is no constant's."""
    every = list(itertools.product(*LEVELS.values()))
    rows = [(config, 21_000 + i) for i, config in enumerate(every + [every[0]] * BASE_RUNS)]
    random.Random("table").shuffle(rows)
    return rows


def measure(seconds: float, path: Path = FILE) -> None:
    known = {seed for _, seed, _, _ in read(path)} if path.exists() else set()
    corpus = prepare("embedded", 2048, default_cache_dir(), print)
    until = time.monotonic() + seconds
    for config, seed in plan():
        if seed not in known and time.monotonic() < until:
            result = run(text_of(config), seed, corpus)
            new = not path.exists()
            with path.open("a", newline="") as file:
                writer = csv.writer(file, delimiter="\t", lineterminator="\n")
                writer.writerows([[*LEVELS, "seed", "val_bpb", "steps"]] if new else [])
                writer.writerow([*config, seed, f"{result['val_bpb']:.6f}", result["steps"]])


def text_of(config: Config) -> str:
    text = (TOP / ENTRY).read_text()
    constants = {constant.name: constant for constant in find(text, "cpu")}
    return replace(text, {constants[name]: value for name, value in zip(LEVELS, config, strict=True)})


def run(text: str, seed: int, corpus: Path) -> dict:
    """The referee's result of one measurement."""
    with tempfile.TemporaryDirectory() as folder:
        candidate, out = Path(folder) / "candidate", Path(folder) / "result.json"
        (candidate / ENTRY).parent.mkdir(parents=True)
        (candidate / ENTRY).write_text(text)
        options = {"candidate": candidate, "corpus": corpus, "seed": seed, "budget": BUDGET, "device": "cpu", "out": out}
        words = [word for name, value in (options | {"locks": folder}).items() for word in (f"--{name}", str(value))]
        subprocess.run([sys.executable, "-P", "-m", "eval", "measure", *words], cwd=TOP, check=True, capture_output=True)
        return json.loads(out.read_text())


def read(path: Path = FILE) -> list[tuple[Config, int, float, int]]:
    """(configuration, seed, bits per byte, steps) of each run."""
    with path.open(newline="") as file:
        _, *rows = csv.reader(file, delimiter="\t")
    return [(tuple(row[:-3]), int(row[-3]), float(row[-2]), int(row[-1])) for row in rows]


# What the table says


class Fit:
    """`true`: configuration -> bits per byte. `noise`: standard deviation of one run, with `freedom` degrees of freedom."""

    def __init__(self, rows: list[tuple[Config, int, float, int]]):
        self.configs, self.y = [config for config, *_ in rows], np.array([value for _, _, value, _ in rows])
        places = [(place,) for place in range(len(LEVELS))]
        every = list(itertools.combinations(range(len(LEVELS)), 2))
        rest, freedom = self._rest(places + every)
        self.p = {}  # of each pair: how likely it would look like that if it were a mere sum
        for pair in every:
            without, more = self._rest([term for term in places + every if term != pair])
            self.p[pair] = float(f_distribution.sf((without - rest) / (more - freedom) / (rest / freedom), more - freedom, freedom))
        self.terms = places + [pair for pair in every if self.p[pair] < 0.05]
        left, self.freedom = self._rest(self.terms)
        self.noise = (left / self.freedom) ** 0.5
        coefficients, *_ = np.linalg.lstsq(self._design(self.configs, self.terms), self.y, rcond=None)
        whole = list(itertools.product(*LEVELS.values()))
        self.true = dict(zip(whole, map(float, self._design(whole, self.terms) @ coefficients), strict=True))

    def _rest(self, terms: list[tuple[int, ...]]) -> tuple[float, int]:
        """(sum of squares that these terms leave, degrees of freedom)."""
        design = self._design(self.configs, terms)
        coefficients, *_ = np.linalg.lstsq(design, self.y, rcond=None)
        return float(np.sum((self.y - design @ coefficients) ** 2)), len(self.y) - design.shape[1]

    def _design(self, configs: list[Config], terms: list[tuple[int, ...]]) -> np.ndarray:
        """A column of ones, and for each term one for every combination of its constants' values but the first ones."""
        columns = [np.ones(len(configs))]
        for term in terms:
            for chosen in itertools.product(*(list(LEVELS.values())[place][1:] for place in term)):
                pairs = list(zip(term, chosen, strict=True))
                columns.append(np.array([all(config[place] == value for place, value in pairs) for config in configs], dtype=float))
        return np.column_stack(columns)


def told(fit: Fit) -> None:
    base, best = next(iter(fit.true)), min(fit.true, key=fit.true.get)
    print(f"{len(fit.y)} runs, {len(fit.true)} configurations; noise {fit.noise:.4f} ({fit.freedom} degrees of freedom)")
    print(f"train.py {fit.true[base]:.4f}, best {fit.true[best]:.4f} at {', '.join(best)}, worst {max(fit.true.values()):.4f}")
    print("mean effect of each value:")
    for place, (name, values) in enumerate(LEVELS.items()):
        level = {value: fmean(true for config, true in fit.true.items() if config[place] == value) for value in values}
        print(f"  {name:18}" + "   ".join(f"{value} {level[value] - level[values[0]]:+.4f}" for value in values))
    names = list(LEVELS)
    found = [f"{names[a]} and {names[b]} (p {fit.p[a, b]:.1g})" for a, b in fit.terms[len(names) :]]
    print(f"more than a sum: {'; '.join(found) or 'none'}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(float(sys.argv[2]) if len(sys.argv) > 2 else 1e9)
    else:
        told(Fit(read()))
