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

from bot.proposers import Answer, ProposalContext  # noqa: E402
from bot.proposers.constants import Constants  # noqa: E402
from bot.proposers.hybrid import tunes  # noqa: E402
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


# Replay

OTHERS = """\
HEAD_DIM = 64
SOFTCAP = 15.0
ROTARY_BASE = 10_000
HEAD_LR = 0.004
SCALAR_LR = 0.5
GATE_LR = 0.01
ADAM_BETA1 = 0.8
ADAM_BETA2 = 0.95
MUON_BETA2 = 0.95
WEIGHT_DECAY = 0.2
WARMDOWN = 0.5
MOMENTUM_END = 0.95
EMBED_STD = 1.0
X0_INIT = 0.1
"""
COUNTS = (6, 12, 20, 30)


class Table(Valley):
    """A landscape of `tests/bot/landscape.py` whose values are the table's."""

    others = ""

    def __init__(self, fit: Fit):
        lines = [f"{name.partition('.')[0]} = {first}  # one of {', '.join((first, *more))}\n" for name, (first, *more) in LEVELS.items()]
        self.fit, self.noise, self.source = fit, fit.noise, "".join(lines) + self.others
        self.start = self.loss(self.source)

    def loss(self, text: str) -> float:
        """Bits per byte beyond the best configuration's."""
        values = {constant.name: constant.text for constant in find(text)}
        return self.fit.true[tuple(values[name.partition(".")[0]] for name in LEVELS)] - min(self.fit.true.values())


class AmongOthers(Table):
    others = OTHERS


def first_part(seed: int) -> Callable[[ProposalContext], Answer | None]:
    """The hybrid, with a proposer of code that has no ideas: what its constants part finds before it stops."""
    return lambda context: Constants().propose(context) if tunes(context) else None


def replay(kind: type[Table], fit: Fit, strategy: str, seed: int) -> list[float]:
    """Gain after each experiment. One that has nothing to propose stays where it is."""
    night = Night(kind(fit), (STRATEGIES | {"hybrid's constants": first_part})[strategy](seed), seed)
    gains: list[float] = []
    for _ in range(COUNTS[-1]):
        if night.experiment() is None:
            return gains + [night.valley.gain(night.text)] * (COUNTS[-1] - len(gains))
        gains.append(night.valley.gain(night.text))
    return gains


def report(repeats: int) -> None:
    fit = Fit(read())
    told(fit)
    for title, kind in (("alone", Table), ("among others", AmongOthers)):
        rows = {name: [replay(kind, fit, name, seed) for seed in range(repeats)] for name in [*STRATEGIES, "hybrid's constants"]}
        print(
            f"\n{title:20}" + "".join(f"{f'@{count}':>15}" for count in COUNTS) + f"{'area 12':>15}{'area 30':>15}   area 12, 30 / random's"
        )
        for name, row in rows.items():
            cells = [[gains[count - 1] for gains in row] for count in COUNTS] + [
                [fmean(gains[:count]) for gains in row] for count in (12, 30)
            ]
            ratios = [fmean(cells[i]) / fmean(fmean(gains[:count]) for gains in rows["random"]) for i, count in ((-2, 12), (-1, 30))]
            print(f"  {name:18}" + "".join(f"{mean(cell):>15}" for cell in cells) + "   " + ", ".join(f"{ratio:.2f}" for ratio in ratios))


def told(fit: Fit) -> None:
    base = next(iter(fit.true))
    best = min(fit.true, key=fit.true.get)
    print(f"{len(fit.y)} runs, {len(fit.true)} configurations; noise {fit.noise:.4f} ({fit.freedom} degrees of freedom)")
    print(f"train.py {fit.true[base]:.4f}, best {fit.true[best]:.4f} at {', '.join(best)}; worst {max(fit.true.values()):.4f}")
    for place, (name, values) in enumerate(LEVELS.items()):
        effects = [
            fmean(v - fit.true[(*c[:place], values[0], *c[place + 1 :])] for c, v in fit.true.items() if c[place] == value)
            for value in values
        ]
        print(f"  {name:18}" + "   ".join(f"{value} {effect:+.4f}" for value, effect in zip(values, effects, strict=True)))
    names = list(LEVELS)
    print(
        "  more than a sum: "
        + ("; ".join(f"{names[a]} and {names[b]} (p {fit.p[a, b]:.2g})" for a, b in fit.p if fit.p[a, b] < 0.05) or "none")
    )


def mean(values: list[float]) -> str:
    return f"{fmean(values):.3f} ± {stdev(values) / len(values) ** 0.5:.3f}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(float(sys.argv[2]) if len(sys.argv) > 2 else 1e9)
    else:
        report(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
