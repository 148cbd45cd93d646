"""162 configurations of this repository's train.py, every combination of five constants, each measured once for real at `10s cpu`.

    python benchmarks/table.py measure [seconds]     goes on where it stopped, in a fixed random order; 45 minutes on one core in all
    python benchmarks/table.py [repeats]             what the table says, and every strategy replayed on it, as docs/performance.md has it

Each run has a seed of its own, so the table is noisy. True values are those of a least-squares fit: every constant's effect at each of its
values, and where an F test (p < 0.05) finds that two constants are not the sum of their effects, what each pair of values adds. What
remains of the runs is the noise. The fit knows each effect from all runs, so far better than one run knows its configuration.

The replay: a night begins at train.py's own values. Ledger and decision are the real ones (`tests/bot/landscape.py`), a measurement is
the true value and a draw of the noise. Gain: of the champion's true value, as a share of what the best configuration of the table gains.
Area: the mean of that after each experiment. `alone`: the five constants and nothing else. `among others`: beside OTHERS, which change
nothing here, as most constants of a real train.py change nothing that a night could measure.
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
    """True values by configuration, and the noise: `sd`, with `freedom` degrees of freedom. `pairs`: those that are more than a sum."""

    def __init__(self, rows: list[tuple[Config, int, float, int]]):
        self.rows, self.y = rows, np.array([value for _, _, value, _ in rows])
        places = range(len(LEVELS))
        blocks = [self._block([config for config, *_ in rows], (place,)) for place in places]
        full = [self._block([config for config, *_ in rows], pair) for pair in itertools.combinations(places, 2)]
        self.pairs = [pair for pair, p in zip(itertools.combinations(places, 2), self._tests(blocks, full), strict=True) if p < 0.05]
        self.terms = [(place,) for place in places] + self.pairs
        every = list(itertools.product(*LEVELS.values()))
        design, self.freedom = self._design([config for config, *_ in rows]), 0
        coefficients, *_ = np.linalg.lstsq(design, self.y, rcond=None)
        self.freedom = len(rows) - design.shape[1]
        self.sd = float(np.sqrt(np.sum((self.y - design @ coefficients) ** 2) / self.freedom))
        self.true = dict(zip(every, map(float, self._design(every) @ coefficients), strict=True))

    def _block(self, configs: list[Config], places: tuple[int, ...]) -> np.ndarray:
        """One column for each combination of the values of these constants that leaves out the first one of each."""
        values = itertools.product(*(list(LEVELS.values())[place][1:] for place in places))
        return np.array([[all(c[p] == v for p, v in zip(places, value, strict=True)) for value in values] for c in configs], dtype=float)
if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(float(sys.argv[2]) if len(sys.argv) > 2 else 1e9)
