"""What a loss curve knows before its end: the data behind early stopping (`bot.early`) and behind pairing by seed (`bot.noise`).

    python benchmarks/curves.py measure FOLDER [configurations] [budget]     real runs into FOLDER/runs.jsonl; resumable; 15 minutes
    python benchmarks/curves.py study FOLDER [PICTURE.svg]                   the tables and the picture of docs/deciding.md; a minute

The base is this repository's train.py; a configuration is one move of one or two of its constants, of the size that the constants
proposer makes, drawn at random. The base runs on 16 seeds, each configuration on two of them.

The study, as Markdown:
ranks   Spearman's correlation of the loss read at a fraction of the budget with the final score: over all runs; between configurations,
        by their means; between seeds of one configuration, by deviations from its mean.
noise   how far equal runs lie apart, and how far runs of two files agree because they share a seed.
error   of a curve: the final score is regressed on the loss read at a fraction (`bot.early.fit`, as a night does it). What remains is
        the standard deviation around that line, given in standard deviations between seeds: `CARRIED` in benchmarks/worlds.py; and how
        one run's errors go together: `LASTING`.
replay  nights of these runs, decided by the product's own code (`bot.early`, `bot.decide`): the base on four random seeds, then every
        configuration in random order, screened with one of its runs and, where it passes, measured again with the other one. Nothing
        is kept. An improvement is a configuration whose mean lies below the base's; lost is one that is stopped though its run, had it
        gone on, would have passed the screen; both as shares of what was screened while early stopping was on.
Intervals are 95 %, by bootstrap over configurations with all their runs.
"""

import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import correlation as pearson
from statistics import fmean, quantiles
from types import SimpleNamespace

TOP = Path(__file__).parents[1]
sys.path[:0] = [str(TOP), str(TOP / "benchmarks")]

from worlds import stopped  # noqa: E402

from bot.decide import next_step  # noqa: E402
from bot.early import FRACTIONS, Curves, Line, fit  # noqa: E402
from bot.history import History  # noqa: E402
from bot.loop import evidence  # noqa: E402
from bot.proposers.constants import answer  # noqa: E402
from bot.proposers.moves import singles, tunables  # noqa: E402
from bot.records import Measurement, Opened, Proposal, Verdict  # noqa: E402
from bot.stats import correlation, pooled, squares, variance  # noqa: E402
from eval.cache import default_cache_dir  # noqa: E402
from eval.corpus import prepare  # noqa: E402
from eval.early import reading  # noqa: E402

ENTRY = "train/train.py"
SEEDS = [11_000 + i for i in range(16)]
FACTS = ("outcome", "reason", "val_bpb", "bits", "bytes", "scored_tokens", "steps", "tokens", "train_seconds", "seconds", "curve", "seed")
RANKED = (0.2, 0.4, 0.6, 0.8)
DRAWS, NIGHTS, BASELINE = 1000, 200, 4

Groups = dict[str, list[dict]]  # configuration -> its runs
NEAR = 0.15  # bits per byte: where a change is still worth telling apart from the base; worlds.CARRIED is the error there


def configurations(count: int) -> list[tuple[str, str]]:
    """(name, train.py), the base first. One move, in a third of them two."""
    rng = random.Random("curves")
    text = (TOP / ENTRY).read_text()
    tuned = tunables({ENTRY: text}, "cpu")
    moves, found = singles(tuned, {ENTRY: text}, "cpu"), {"base": text}
    while len(found) <= count:
        move = dict(rng.choice(moves))
        if rng.random() < 1 / 3:
            move |= rng.choice(moves)
        change = answer(tuned, move, {ENTRY: text})
        found[change.hypothesis] = change.edits[ENTRY]
    return list(found.items())


def plan(count: int) -> list[tuple[str, str, int]]:
    """(name, train.py, seed), in an order that mixes everything, so that a drift of the machine is nobody's."""
    rows = [("base", configurations(0)[0][1], seed) for seed in SEEDS]
    for number, (name, text) in enumerate(configurations(count)[1:]):
        rows += [(name, text, SEEDS[(2 * number + k) % len(SEEDS)]) for k in range(2)]
    random.Random(0).shuffle(rows)
    return rows


def measure(folder: Path, count: int, budget: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "runs.jsonl"
    done = {(row["name"], row["seed"]) for row in map(json.loads, path.read_text().splitlines())} if path.exists() else set()
    corpus = prepare("embedded", 2048, default_cache_dir(), print)
    rows = plan(count)
    for number, (name, text, seed) in enumerate(rows, 1):
        if (name, seed) not in done:
            result = run(text, seed, budget, corpus)
            with path.open("a") as file:
                file.write(json.dumps({"name": name} | {fact: result[fact] for fact in FACTS}) + "\n")
            print(f"{number}/{len(rows)} {result['val_bpb'] or result['reason']} {name}", flush=True)


def run(text: str, seed: int, budget: str, corpus: Path) -> dict:
    """The referee's result of one measurement."""
    with tempfile.TemporaryDirectory() as folder:
        candidate, out = Path(folder) / "candidate", Path(folder) / "result.json"
        (candidate / ENTRY).parent.mkdir(parents=True)
        (candidate / ENTRY).write_text(text)
        options = {"candidate": candidate, "corpus": corpus, "seed": seed, "budget": budget, "device": "cpu", "out": out}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        subprocess.run([sys.executable, "-P", "-m", "eval", "measure", *words], cwd=TOP, check=True, capture_output=True)
        return json.loads(out.read_text())


# The study


def study(folder: Path, picture: Path) -> None:
    import plots

    rows = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    groups: Groups = {}
    for row in rows:
        if row["outcome"] == "ok":
            groups.setdefault(row["name"], []).append(row)
    groups = {name: runs for name, runs in groups.items() if len(runs) > 1}
    count = sum(map(len, groups.values()))
    print(f"{len(rows)} runs, {count} used: {len(groups['base'])} of the base, two of each of {len(groups) - 1} configurations\n")
    found = ranks(groups)
    sd = noise(groups)
    around = errors(groups, sd)
    nights = replay(groups)
    plots.curves({at: scatter(groups, at) for at in FRACTIONS}, around, sd, found, nights, picture)
    print(f"\n{picture}")


def ranks(groups: Groups) -> dict[str, list[tuple[float, float, float]]]:
    """What is correlated -> at each of RANKED the estimate and its interval."""
    kinds = {"all runs": runs_of, "between configurations": means_of, "between seeds of one": deviations_of}
    found = {kind: [interval(groups, lambda g, p=pairs, at=at: spearman(p(g, at))) for at in RANKED] for kind, pairs in kinds.items()}
    print(f"| rank correlation with the final score | {' | '.join(f'{at:.0%}' for at in RANKED)} |\n|---|{'---|' * len(RANKED)}")
    for kind, cells in found.items():
        print(f"| {kind} | {' | '.join(f'{r:.2f} ({low:.2f} to {high:.2f})' for r, low, high in cells)} |")
    return found


def runs_of(groups: list[list[dict]], at: float) -> list[tuple[float, float]]:
    """Loss and final score; a run too slow to have a loss there is left out."""
    return [(loss, run["val_bpb"]) for runs in groups for run in runs if (loss := reading(run["curve"], at)) is not None]


def means_of(groups: list[list[dict]], at: float) -> list[tuple[float, float]]:
    known = [pairs for runs in groups if (pairs := runs_of([runs], at))]
    return [(fmean(x for x, _ in pairs), fmean(y for _, y in pairs)) for pairs in known]


def deviations_of(groups: list[list[dict]], at: float) -> list[tuple[float, float]]:
    known = [pairs for runs in groups if (pairs := runs_of([runs], at))]
    return [(x - mx, y - my) for pairs, (mx, my) in zip(known, means_of(groups, at), strict=True) for x, y in pairs]


def spearman(pairs: Sequence[tuple[float, float]]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def interval(groups: Groups, statistic: Callable[[list[list[dict]]], float]) -> tuple[float, float, float]:
    """The estimate and its interval."""
    everything, rng = list(groups.values()), random.Random(0)
    draws = [statistic(rng.choices(everything, k=len(everything))) for _ in range(DRAWS)]
    cuts = quantiles(draws, n=40)
    return statistic(everything), cuts[0], cuts[-1]


def noise(groups: Groups) -> float:
    """Standard deviation between seeds, robustly pooled over all configurations."""
    values = {name: [run["val_bpb"] for run in runs] for name, runs in groups.items()}
    (base, df), others = variance(squares(values["base"])), [squares(v) for name, v in values.items() if name != "base"]
    (plain, _), (robust, freedom) = variance(*others), variance(pooled(others))
    sd = variance(pooled([*others, squares(values["base"])]))[0] ** 0.5
    print("\n| standard deviation between seeds | bits per byte | degrees of freedom |\n|---|---|---|")
    print(f"| base | {base**0.5:.4f} | {df} |\n| configurations, pooled | {plain**0.5:.4f} | {freedom} |")
    print(f"| configurations, pooled robustly (`bot.stats.pooled`) | {robust**0.5:.4f} | {freedom} |")
    print(f"| all, pooled robustly: the unit of the next table | {sd:.4f} | {df + freedom} |")
    r, low, high = interval(groups, lambda g: same_seed(g, groups["base"]))
    sure = correlation(shared(list(groups.values()), groups["base"]))
    print(f"\ncorrelation of two files' runs on the same seed: {r:.2f} ({low:.2f} to {high:.2f}); `bot.stats` counts on {sure:.2f}")
    steps = spearman([(x["steps"] - fmean(r["steps"] for r in runs), x["val_bpb"] - fmean(r["val_bpb"] for r in runs))
                      for runs in groups.values() for x in runs])  # fmt: skip
    least, most = (f(run["steps"] for run in groups["base"]) for f in (min, max))
    print(f"steps of the base in the same budget: {least} to {most}; rank correlation with the score, between seeds of one: {steps:.2f}")
    return sd


def shared(groups: list[list[dict]], base: list[dict]) -> list[tuple[list[float], list[float]]]:
    """For each configuration its values and the base's on the same seeds."""
    at = {run["seed"]: run["val_bpb"] for run in base}
    sides = ([(run["val_bpb"], at[run["seed"]]) for run in runs if run["seed"] in at] for runs in groups if runs is not base)
    return [([x for x, _ in pairs], [y for _, y in pairs]) for pairs in sides if pairs]


def same_seed(groups: list[list[dict]], base: list[dict]) -> float:
    sums = [0.0, 0.0, 0.0]
    for ours, theirs in shared(groups, base):
        for x, y in zip(ours, theirs, strict=True):
            a, b = x - fmean(ours), y - fmean(theirs)
            sums = [s + term for s, term in zip(sums, (a * b, a * a, b * b), strict=True)]
    return sums[0] / (sums[1] * sums[2]) ** 0.5 if sums[1] * sums[2] else 0.0


def errors(groups: Groups, sd: float) -> dict[float, Line | None]:
    """Fraction -> line of the final score over the loss there."""
    found = {}
    print(f"\n| error of the curve | seeds' standard deviations | score within {NEAR} of the base's | bits per byte | slope | runs |")
    print("|---|---|---|---|---|---|")
    for at in FRACTIONS:
        points = [point for side in scatter(groups, at) for point in side]
        line, near = found.setdefault(at, fit(points)), fit([(x, y) for x, y in points if abs(y) <= NEAR])
        close = f"{near.spread / sd:.2f}" if near else "no line"
        cells = f"{line.spread / sd:.2f} | {close} | {line.spread:.4f} | {line.slope:.3f} | {line.count}" if line else "no line | | | |"
        print(f"| at {at:.0%} | {cells} |")
    told = ", ".join(f"{at:.0%} {found:.2f}" for at, found in lasting(groups).items())
    print(f"\ncorrelation of a run's error with its error at the fraction before: {told}")
    return found


def lasting(groups: Groups) -> dict[float, float]:
    """Fraction -> correlation of a run's error there with its error at the fraction before, of scores near the base's."""
    left: list[dict[int, float]] = []
    for at in FRACTIONS:
        ((bx, by),) = means_of([groups["base"]], at)
        runs = [run for group in groups.values() for run in group if abs(run["val_bpb"] - by) <= NEAR]
        points = {id(run): (loss - bx, run["val_bpb"] - by) for run in runs if (loss := reading(run["curve"], at)) is not None}
        line = fit(list(points.values()))
        left.append({key: y - line(x) for key, (x, y) in points.items()} if line else {})
    both = [[(before[key], after[key]) for key in before if key in after] for before, after in zip(left, left[1:], strict=False)]
    return {at: pearson(*zip(*pairs, strict=True)) for at, pairs in zip(FRACTIONS[1:], both, strict=True) if len(pairs) > 2}


def scatter(groups: Groups, at: float) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """(loss at a fraction, final score) of the base's runs and of the others, relative to the base's means."""
    ((bx, by),) = means_of([groups["base"]], at)
    sides = [groups["base"]], [runs for name, runs in groups.items() if name != "base"]
    base, others = ([(x - bx, y - by) for x, y in runs_of(side, at)] for side in sides)
    return base, others


class Replay:
    """One night of recorded runs."""

    settings = SimpleNamespace(direction="min", command=(), margin=None, limits={}, early_stopping=True, name="curves")

    def __init__(self, groups: Groups, rng: random.Random):
        self.groups, self.rng, self.clock = groups, rng, 0.0
        self.base = fmean(run["val_bpb"] for run in groups["base"])
        self.history, self.count = History(), Counter()
        self.history.add(Opened(self.tick(), "autoresearch/curves", "base", "main", "val_bpb", "min", "1", "c", "curves"))

    def tick(self) -> float:
        self.clock += 1.0
        return self.clock

    def play(self) -> None:
        for run in self.rng.sample(self.groups["base"], BASELINE):
            self.record(0, "baseline", "base", run)
        for id, name in enumerate(self.rng.sample([n for n in self.groups if n != "base"], len(self.groups) - 1), 1):
            self.experiment(id, name)

    def record(self, id: int, role: str, sha: str, run: dict, until: float | None = None) -> None:
        facts = {"outcome": "stopped", "reason": "stopped"} if until else {"outcome": "ok", "value": run["val_bpb"]}
        curve = tuple(x for at, loss in run["curve"] if at < (until or 1.0) for x in (at, loss))
        index = len(self.history.experiments[id].runs(role)) if id in self.history.experiments else 0
        facts |= {} if until else {name: run[name] for name in ("bits", "bytes", "scored_tokens")}
        self.history.add(Measurement(self.tick(), id, role, index, sha, run["seed"], context="c", dose="heavy", curve=curve, **facts))

    def experiment(self, id: int, name: str) -> None:
        sha, (first, second) = f"c{id}", self.rng.sample(self.groups[name], 2)
        self.history.add(Proposal(self.tick(), id, "base", sha, name, "curves"))
        found = self.history.experiments[id]
        before = evidence(self, found)
        bounds = Curves(self.history).bounds(before.threshold, id)
        until = stopped(bounds, first["curve"])
        self.record(id, "screen", sha, first, until)
        self.tally(name, first, first["val_bpb"] - before.mean < before.threshold, bool(bounds), until)
        if next_step(evidence(self, found)).action == "confirm":
            self.record(id, "confirm", sha, second)
        self.history.add(Verdict(self.tick(), id, "discard", "replayed"))

    def tally(self, name: str, run: dict, passes: bool, on: bool, until: float | None) -> None:
        better = fmean(r["val_bpb"] for r in self.groups[name]) < self.base
        self.count.update({"runs": 1, "on": on, "stopped": until is not None, "saved": 1 - (until or 1.0), "better": on and better})
        self.count.update({"passing": on and passes, "passing stopped": passes and until is not None})
        self.count.update({"better stopped": better and until is not None, ("better", name): on and better})
        if passes and better and until is not None:
            self.count.update(["lost", ("lost", name), ("lost", name, run["seed"])])
        if until is not None:
            self.count[until] += 1


def lost_of(names: list[str], total: Counter) -> float:
    """Share of these improvements that was lost."""
    return sum(total["lost", name] for name in names) / max(1, sum(total["better", name] for name in names))


def replay(groups: Groups) -> Counter:
    rng, total = random.Random(1), Counter()
    for _ in range(NIGHTS):
        night = Replay(groups, rng)
        night.play()
        total.update(night.count)
    better = {name: runs for name, runs in groups.items() if name != "base" and fmean(r["val_bpb"] for r in runs) < night.base}
    different = sum(len(key) == 3 for key in total if isinstance(key, tuple))
    _, low, high = interval(better, lambda drawn: lost_of([runs[0]["name"] for runs in drawn], total))
    print(f"\nreplay: {NIGHTS} nights of {len(groups) - 1} proposals, {len(better)} of them improvements\n")
    print("| | of all runs | of those while early stopping was on |\n|---|---|---|")
    print(f"| screening runs stopped | {total['stopped'] / total['runs']:.1%} | {total['stopped'] / total['on']:.1%} |")
    print(f"| training time of screening saved | {total['saved'] / total['runs']:.1%} | {total['saved'] / total['on']:.1%} |")
    told = f"{total['lost'] / total['better']:.1%} ({low:.1%} to {high:.1%}; {different} different runs)"
    print(f"| improvements lost | | {told} |")
    print(f"| improvements stopped, most of which the screen would have dropped | | {total['better stopped'] / total['better']:.1%} |")
    print(f"| runs stopped of those that would have passed the screen | | {total['passing stopped'] / total['passing']:.1%} |")
    print("\nstopped at " + ", ".join(f"{at:.0%}: {total[at] / max(1, total['stopped']):.0%}" for at in FRACTIONS))
    return total


if __name__ == "__main__":
    words = sys.argv[1:]
    if len(words) < 2 or words[0] not in ("measure", "study"):
        sys.exit(__doc__)
    folder = Path(words[1])
    if words[0] == "measure":
        measure(folder, int(words[2]) if len(words) > 2 else 40, words[3] if len(words) > 3 else "5s cpu")
    else:
        study(folder, Path(words[2]) if len(words) > 2 else folder / "curves.svg")
