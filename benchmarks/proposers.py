"""How much of the possible gain each way of choosing constants finds: ours, simple ones, and Optuna's samplers.

    python benchmarks/proposers.py [repeats] [landscape ...]     40 repeats of 30 experiments: 5 minutes on one core, 25 with torch
    python benchmarks/proposers.py table [repeats]               the same on real configurations: `replays.py`
    python benchmarks/proposers.py --measure [seconds]           measures these configurations: `table.py`

Records, ledger and decision (screening, fresh seeds, t-test) are the real ones; the measurement is a formula over the twelve constants of
`tests/bot/landscape.py`. The proposer was developed on `valley` and its variants there, never on the other three. Landscape and noise are
seeded, the same for all strategies. Table: mean share of the possible gain after 6, 12, 20 and 30 experiments with its standard error,
and the share of repeats in which more than 5 % was gained by 12. The last table averages the landscapes; its differences are paired by
repeat.

Optuna's studies are rebuilt from the ledger for each proposal (CMA-ES cannot: it keeps its study). One trial per set of values: the mean
of its runs, for a crash the worst value plus the range so far. Parameters are steps from the original value, the same scales as ours;
values are rounded as ours; what was tried, or moves too little, is drawn again. Ten random trials at first is Optuna's default (`TPE,
all`), four were at least as good (the others). `1 to 3`, `1`: so many constants move, the others stay at the champion's values. `near`:
at most a factor of two. Optuna's GP imports torch, which the bot must not: a yardstick, left out without torch.
"""

import math
import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import optuna

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP))

from bot.proposers import Answer, ProposalContext  # noqa: E402
from bot.proposers.past import SOURCE as OURS  # noqa: E402
from bot.proposers.past import describe, recall  # noqa: E402
from bot.proposers.source import Constant, find, replace  # noqa: E402
from bot.proposers.space import _is_power, _rounded, infer, steps_between, weight, written  # noqa: E402
from tests.bot.landscape import NOISE, SOURCE, STRATEGIES, Night, Valley  # noqa: E402

BUDGETS = (6, 12, 20, 30)
REACH, NEAR = 2.5, 1.0  # steps either way that Optuna may go; CMA-ES starts in the middle, a sixth of its range wide
LEAST = 0.5  # steps that one of the few constants at least moves: ours knows no smaller ones
REDRAWS = 10
ORIGIN = find(SOURCE)
SPACES = {constant.name: infer(constant) for constant in ORIGIN}


# Landscapes


class Rotated(Valley):
    """Constants act in three random groups of four, the quadratic of each group randomly rotated: no axis is its own."""

    def place(self) -> None:
        super().place()
        names = self.random.sample(list(self.axes), len(self.axes))
        self.groups = [names[i : i + 4] for i in (0, 4, 8)]
        generator = np.random.default_rng(self.random.getrandbits(32))
        self.rotations = [np.linalg.qr(generator.normal(size=(4, 4)))[0] for _ in self.groups]

    def loss(self, text: str) -> float:
        errors = dict(zip((c.name for c in ORIGIN), self.errors(text), strict=True))
        total = 0.0
        for names, rotation in zip(self.groups, self.rotations, strict=True):
            turned = rotation @ [errors[name][0] for name in names]
            total += float(turned**2 @ [errors[name][1] for name in names])
        return total


class Cliff(Valley):
    """Well set but for one constant, far off. Low noise. Four others crash beyond 0.8 steps one way, the far one a step past its best."""

    noise = NOISE / 2

    def place(self) -> None:
        self.offsets(misset=1, far=(1.5, 2.2), near=0.15)
        far = max(self.axes, key=lambda name: abs(self.axes[name][2]))
        near = self.random.sample([name for name in self.axes if name != far], 4)
        self.edges = {name: self.random.choice((-0.8, 0.8)) for name in near}
        off = self.axes[far][2]
        self.edges[far] = off + math.copysign(1, off)

    def crashes(self, text: str) -> bool:
        values = {constant.name: constant.value for constant in find(text)}
        moved = {name: steps_between(self.axes[name][0], values[name], self.axes[name][1]) for name in self.edges}
        return any(moved[name] * math.copysign(1, edge) > abs(edge) for name, edge in self.edges.items())


class Kinked(Valley):
    """Not a parabola: |error|, two constants mis-set, and a noise with tails: one run in ten is four times as far off."""

    def place(self) -> None:
        self.offsets(misset=2, far=(1, 1.6), near=0.3)

    def loss(self, text: str) -> float:
        return sum(w * abs(e) for e, w in self.errors(text))

    def draw(self, source: random.Random) -> float:
        return source.gauss(0, self.noise) * (4 if source.random() < 0.1 else 1)


LANDSCAPES = {"valley": Valley, "rotated": Rotated, "cliff": Cliff, "kinked": Kinked}


# Optuna's samplers as strategies


def ranges(reach: float) -> dict[str, optuna.distributions.BaseDistribution]:
    return {constant.name: optuna.distributions.FloatDistribution(-reach, reach) for constant in ORIGIN}


def position(values: dict[str, float], reach: float) -> dict[str, float]:
    steps = {constant.name: steps_between(SPACES[constant.name], values[constant.name], constant.value) for constant in ORIGIN}
    return {name: max(-reach, min(reach, step)) for name, step in steps.items()}


def measured(context: ProposalContext) -> list[tuple[dict[str, float], float | None]]:
    """Values and mean of all runs of each set of values, None for a crash; the original first."""
    history, current = context.history, {constant.name: constant.value for constant in find(context.files["train.py"])}
    past = [(p.experiment, p.values) for p in recall(history, current)][::-1]
    known = [({constant.name: constant.value for constant in ORIGIN}, [m.value for m in history.champion_runs(history.base, "c")])]
    for experiment, values in past:
        runs = experiment.runs("screen", "confirm") + history.champion_runs(history.sha_of(experiment), "c")
        known.append((values, [] if experiment.status == "crash" else [m.value for m in runs]))
    return [(values, fmean(results) if results else None) for values, results in known]


def trials(known: list[tuple[dict[str, float], float | None]], reach: float) -> list[optuna.trial.FrozenTrial]:
    return [
        optuna.trial.create_trial(params=position(values, reach), distributions=ranges(reach), value=result)
        for (values, _), result in zip(known, penalised([result for _, result in known]), strict=True)
    ]


def penalised(results: list[float | None]) -> list[float]:
    good = [result for result in results if result is not None]
    return [max(good) + (max(good) - min(good)) + NOISE if result is None else result for result in results]


def values_at(steps: dict[str, float], current: dict[str, float], free: list[str]) -> dict[str, float]:
    """The values that ours would write there; those that are not free stay as they are."""
    return {c.name: rounded(c, steps[c.name]) if c.name in free else current[c.name] for c in ORIGIN}


def rounded(constant: Constant, step: float) -> float:
    space = SPACES[constant.name]
    step = round(step) if isinstance(constant.value, int) and _is_power(constant) else step
    value = _rounded(constant, space, step) if abs(step) > 0.1 else None
    return value if value is not None and space.fits(value) else constant.value


def answer(context: ProposalContext, values: dict[str, float]) -> Answer:
    text = context.files["train.py"]
    changed = {c: written(origin, values[c.name]) for c, origin in zip(find(text), ORIGIN, strict=True) if values[c.name] != c.value}
    moves = [(constant.name, constant.text, new) for constant, new in changed.items()]
    return Answer(describe(moves), OURS, edits={"train.py": replace(text, changed)}, params={c.name: values[c.name] for c in changed})


def optuna_strategy(sampler: Callable[[int], optuna.samplers.BaseSampler], most: int = 0, reach: float = REACH, turns: bool = False):
    """At most `most` constants move per proposal, the others are fixed at the champion's values; 0: all move.

    Which ones is drawn with our weights for their names; `turns`: those that moved least often first."""

    def strategy(seed: int) -> Callable[[ProposalContext], Answer]:
        def propose(context: ProposalContext) -> Answer:
            source = random.Random(f"optuna {seed} {context.next_id}")
            current = {constant.name: constant.value for constant in find(context.files["train.py"])}
            known, here = measured(context), position(current, reach)
            tried = [values for values, _ in known]
            moved = Counter(name for p in recall(context.history, current) for name in p.changed) if turns else Counter()
            study = optuna.create_study()
            study.add_trials(trials(known, reach))
            for _ in range(REDRAWS):
                free = subset(source, moved, most)
                base = sampler(source.getrandbits(31))
                fixed = {name: step for name, step in here.items() if name not in free}
                study.sampler = optuna.samplers.PartialFixedSampler(fixed, base) if fixed else base
                trial = study.ask(ranges(reach))
                values = values_at(trial.params, current, free)
                study.tell(trial, state=optuna.trial.TrialState.FAIL)  # what becomes of it, the ledger says
                far = max(abs(step - here[name]) for name, step in position(values, reach).items())
                if values not in tried and (not most or far >= LEAST):
                    break
            return answer(context, values)

        return propose

    return strategy


def subset(source: random.Random, moved: Counter[str], most: int) -> list[str]:
    draw = {constant.name: (moved[constant.name], -(source.random() ** (1 / weight(constant.name)))) for constant in ORIGIN}
    return sorted(draw, key=draw.get)[: source.randint(1, most)] if most else list(draw)


def cma_es(seed: int) -> Callable[[ProposalContext], Answer]:
    study = optuna.create_study(sampler=optuna.samplers.CmaEsSampler(popsize=6, n_startup_trials=0, seed=seed))
    asked: list[optuna.Trial] = []

    def propose(context: ProposalContext) -> Answer:
        known = measured(context)
        if asked:
            study.tell(asked[-1], penalised([result for _, result in known])[-1])
        asked.append(study.ask(ranges(1.5 * NEAR)))
        current = {constant.name: constant.value for constant in find(context.files["train.py"])}
        return answer(context, values_at(asked[-1].params, current, list(SPACES)))

    return propose


def tpe(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(multivariate=True, n_startup_trials=4, seed=seed)


def gp(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(n_startup_trials=4, seed=seed)


RIVALS = STRATEGIES | {
    "TPE, all": optuna_strategy(lambda seed: optuna.samplers.TPESampler(multivariate=True, seed=seed)),
    "TPE, all, near": optuna_strategy(tpe, reach=NEAR),
    "TPE, 1 to 3": optuna_strategy(tpe, 3),
    "TPE, 1": optuna_strategy(tpe, 1),
    "TPE, 1, in turn": optuna_strategy(tpe, 1, turns=True),
}
if find_spec("cmaes"):
    RIVALS["CMA-ES"] = cma_es
if find_spec("torch"):
    RIVALS |= {"GP, all, near": optuna_strategy(gp, reach=NEAR), "GP, 1 to 3": optuna_strategy(gp, 3)}


# Running and printing


def gains(landscape: str, strategy: str, seed: int) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return Night(LANDSCAPES[landscape](seed), RIVALS[strategy](seed), seed).gains(BUDGETS[-1])


def mean(values: list[float]) -> str:
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else math.nan
    return f"{fmean(values):5.2f} ± {error:.2f}"


def table(title: str, rows: dict[str, list[list[float]]]) -> str:
    lines = [f"{title:26}" + "".join(f"{f'@{count}':>14}" for count in BUDGETS) + f"{'win by 12':>12}"]
    for name, row in rows.items():
        cells = "".join(f"{mean([repeat[count - 1] for repeat in row]):>14}" for count in BUDGETS)
        lines.append(f"  {name:24}{cells}{fmean(repeat[11] > 0.05 for repeat in row):12.2f}")
    return "\n".join(lines)


def overall(results: dict[str, dict[str, list[list[float]]]]) -> str:
    """Mean over landscapes, repeat by repeat; then constants minus each rival."""
    names = list(next(iter(results.values())))
    repeats = {name: zip(*(rows[name] for rows in results.values()), strict=True) for name in names}
    rows = {name: [[fmean(column) for column in zip(*group, strict=True)] for group in groups] for name, groups in repeats.items()}
    first = rows[names[0]]
    lines = [f"{'mean of the landscapes':26}" + "".join(f"{f'@{count}':>14}" for count in BUDGETS) + f"   {names[0]} minus it @6, @12"]
    for name, row in rows.items():
        cells = "".join(f"{mean([repeat[count - 1] for repeat in row]):>14}" for count in BUDGETS)
        ahead = (mean([a[count - 1] - b[count - 1] for a, b in zip(first, row, strict=True)]) for count in BUDGETS[:2])
        lines.append(f"  {name:24}{cells}   " + ("" if row is first else "   ".join(ahead)))
    return "\n".join(lines)


def main(repeats: int, landscapes: list[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    results = {}
    for landscape in landscapes:
        results[landscape] = {name: [gains(landscape, name, seed) for seed in range(1000, 1000 + repeats)] for name in RIVALS}
        print(table(landscape, results[landscape]), flush=True)
    print(overall(results))


if __name__ == "__main__":
    kind, *rest = sys.argv[1:] or [""]
    if kind in ("table", "--measure"):
        sys.path.insert(0, str(TOP / "benchmarks"))
        import replays
        import table as real

        real.measure(float(rest[0]) if rest else 1e9) if kind == "--measure" else replays.report(int(rest[0]) if rest else 200)
    else:
        main(int(kind or 40), rest or list(LANDSCAPES))
