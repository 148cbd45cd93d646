"""Whole nights against known truth: what each way to decide gains, keeps of nothing, and claims.

    python benchmarks/decide.py [--nights 300] [--world NAME ...] [--jobs 2] [--json FILE]

A night is 126 runs of machine time. Ours is the product's own code (`bot.decide`, `bot.early`, `bot.noise`, `bot.stack`) on a real
history: baseline, screening, early stopping (calibrated by the night itself), fresh seeds, drift watch, leave-one-out, pruning and the
final comparison are all paid from it. The rivals (`bot.rules`) pay for their base and their repetitions and stop nothing early. The
oracle knows what each proposal is worth once it has run, and stops early what ours would have stopped.

gain: true gain of the final stack, 1e-4 bits per byte, and as a multiple of keep-if-lower's on the same nights. null: of 100 tried
changes without any effect, how many are kept, and how many end as confirmed. claim: claimed over true gain, 1 is honest (keep-if-lower:
first value minus best value; ours: the headline). covers: share of headline intervals, and of the intervals of single changes, that hold
the truth. lost: of 1,000 real improvements, how many early stopping cost that would have passed the screen.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from math import log, sqrt
from pathlib import Path
from types import SimpleNamespace

TOP = Path(__file__).parents[1]
sys.path[:0] = [str(TOP), str(TOP / "benchmarks")]

from worlds import BYTES, TOKENS, WORLDS, Truth, stopped  # noqa: E402

from bot import noise  # noqa: E402
from bot.decide import next_step  # noqa: E402
from bot.early import Curves  # noqa: E402
from bot.history import History  # noqa: E402
from bot.loop import evidence  # noqa: E402
from bot.measuring import REFRESHED  # noqa: E402
from bot.records import Drift, Measurement, Opened, Proposal, Pruned, Variant, Verdict  # noqa: E402
from bot.rules import RULES  # noqa: E402
from bot.seeds import next_seed  # noqa: E402
from bot.stack import Stack  # noqa: E402

RUNS = 126.0
RESERVE = 0.10
START = 0.05  # of a run: start-up, which a run that is stopped early has paid too
SIGMAS = (0.0005, 0.001)
NATS = BYTES / TOKENS * log(2)


@dataclass
class Outcome:
    """What a night came to."""

    gain: float = 0.0  # true, of the final stack
    claimed: float | None = None
    tried: int = 0
    keeps: int = 0
    nulls: int = 0
    null_keeps: int = 0
    null_confirmed: int = 0
    confirmed: int = 0
    pruned: int = 0
    improvements: int = 0
    lost: int = 0
    stopped: int = 0
    spent: float = 0.0
    headline: list = field(default_factory=list)  # one pair or none: (covers, true)
    intervals: list = field(default_factory=list)  # for each change: covers
    by: dict = field(default_factory=dict)  # runs by role


class Ours:
    """One night of the product on a `Truth`. It draws, charges and records; every decision is the product's."""

    settings = SimpleNamespace(direction="min", command=(), margin=None, limits={}, early_stopping=True, name="sim")

    def __init__(self, truth: Truth):
        self.truth, self.history, self.clock, self.outcome = truth, History(), 0.0, Outcome()
        self.changes: dict[str, tuple[int, ...]] = {"base": ()}  # sha -> changes in it
        self.history.add(Opened(self.tick(), "autoresearch/sim", "base", "main", "val_bpb", "min", "1", "c", "sim"))

    def tick(self) -> float:
        self.clock += 1.0
        return self.clock

    def play(self) -> Outcome:
        for number in range(len(self.truth.effects)):
            self.measure_champion()
            if self.outcome.spent + 0.5 > RUNS - self.needed():
                break
            self.experiment(number)
        self.confirm()
        return self.result()

    def needed(self) -> float:
        return min(Stack(self.history).needed, RESERVE * RUNS) if self.history.stack else 0.0

    # Measuring

    def take(self, id: int, role: str, sha: str, bounds=()) -> Measurement:
        index = sum(m.role == role for m in self.history.experiments[id].measurements) if id in self.history.experiments else 0
        seed = next_seed(self.history, "sim", id, role, index, sha)
        value, curve = self.truth.run(self.changes[sha], seed)
        points = [x for at, loss in curve.items() for x in (at - 0.05, loss * NATS + 1.5 * (1 - at))]
        points += [0.95, value * NATS + 0.002 * self.truth.random.gauss(0, 1)] if curve else []
        at = stopped(bounds, list(zip(points[::2], points[1::2], strict=True)))
        cost = 1.0 if at is None else START + (1 - START) * at
        self.outcome.spent += cost
        self.outcome.by[role] = self.outcome.by.get(role, 0.0) + cost
        facts = {"outcome": "ok", "value": value} if at is None else {"outcome": "stopped", "value": None, "reason": "stopped"}
        m = Measurement(
            self.tick(), id, role, index, sha, seed, context="c", bits=value * BYTES, bytes=BYTES, scored_tokens=TOKENS,
            curve=tuple(points) if at is None else tuple(points[: 2 * (1 + [*curve].index(at))]), dose="heavy", seconds=1.0, **facts,
        )  # fmt: skip
        self.history.add(m)
        self.last_value = value
        return m

    def measure_champion(self) -> None:
        sha = self.history.champion_sha
        id, role = (self.history.keeps[-1].id, "champion") if self.history.keeps else (0, "baseline")
        while len(self.history.pool(sha)) < (REFRESHED if self.history.selected(sha) else 4):
            self.take(id, role, sha)
        if noise.due(self.history):
            self.take(id, "champion", sha)
        self.watch(id, sha)

    def watch(self, id: int, sha: str) -> None:
        while True:
            pool = self.history.pool(sha)
            others = noise.NightNoise(self.history).of_others(sha).champion
            found = noise.suspicion([m.value for m in pool], others)
            if found == "drift":
                self.history.add(Drift(self.tick(), since=pool[-noise.AFTER - 1].at, why="jump"))
                return self.measure_champion()
            if not found:
                return
            self.take(id, "champion", sha)

    def experiment(self, number: int) -> None:
        id, parent, outcome = number + 1, self.history.champion_sha, self.outcome
        sha, stack = f"c{id}", self.changes[parent]
        self.changes[sha] = (*stack, number)
        adds = self.truth.adds(number, stack)
        self.history.add(Proposal(self.tick(), id, parent, sha, "h", "sim"))
        found = self.history.experiments[id]
        outcome.tried += 1
        outcome.nulls += adds == 0
        outcome.improvements += adds < 0
        while (step := next_step(evidence(self, found))).action not in ("keep", "discard"):
            if step.action == "champion":
                self.take(id, "champion", parent)
                self.watch(id, parent)
                continue
            bounds = self.bounds(found) if step.action == "screen" else ()
            m = self.take(id, step.action, sha, bounds)
            if m.outcome == "stopped":
                outcome.stopped += 1
                e = evidence(self, found)
                outcome.lost += adds < 0 and self.last_value - e.mean < e.threshold
        fresh = self.history.compared(found, "confirm")
        kept = f"k{id}" if step.action == "keep" else ""
        value = sum(m.value for m in fresh) / len(fresh) if fresh else None
        verdict = Verdict(self.tick(), id, step.action, step.why, value, step.delta, step.low, step.high, len(fresh), kept)
        self.history.add(verdict)
        if kept:
            outcome.keeps += 1
            outcome.null_keeps += adds == 0
            self.changes[kept] = self.changes[sha]
            self.prepare()

    def bounds(self, found) -> tuple:
        if not self.truth.world.curves:
            return ()
        return Curves(self.history).bounds(evidence(self, found).threshold, found.id)

    # Confirming

    def prepare(self) -> None:
        whole = self.history.champion_sha
        if len(self.history.stack) > 1:
            for keep in self.history.stack:
                sha = f"{whole}-{keep.id}"
                self.changes[sha] = tuple(c for c in self.changes[whole] if c != keep.id - 1)
                self.history.add(Variant(self.tick(), keep.id, whole, sha, (keep.id,)))

    def confirm(self) -> None:
        while True:
            stack = Stack(self.history)
            step = stack.next_step(RUNS - self.outcome.spent)
            if step.action == "done":
                return
            if step.action == "ablate":
                self.take(step.variant.id, "ablate", step.variant.sha)
            elif step.action == "champion":
                id = self.history.keeps[-1].id
                self.take(id, "champion", stack.whole)
                self.watch(id, stack.whole)
            elif step.action == "final":
                self.take(0, "final", step.side)
            else:
                self.prune(stack, step.variant)

    def prune(self, stack: Stack, variant: Variant) -> None:
        sha = f"{variant.sha}-pruned"
        self.changes[sha] = self.changes[variant.sha]
        newest = max(e.id for e in self.history.keeps)
        effect = stack.effect(variant)
        half = effect.half()
        numbers = (effect.delta, effect.delta - half, effect.delta + half)
        self.history.add(Pruned(self.tick(), newest, stack.whole, variant.sha, sha, variant.ids, (), "", *numbers))
        self.outcome.pruned += 1
        self.prepare()

    def result(self) -> Outcome:
        outcome, stack, changes = self.outcome, Stack(self.history), self.changes[self.history.champion_sha]
        outcome.gain = -self.truth.level(changes)
        if headline := stack.headline():
            low, high = headline.delta - headline.half(), headline.delta + headline.half()
            outcome.claimed = -headline.delta
            outcome.headline.append(low <= -outcome.gain <= high)
        for id, label in stack.labels().items():
            if label.status == "pruned":
                continue
            rest = tuple(c for c in changes if c != id - 1)
            worth = self.truth.level(changes) - self.truth.level(rest)
            outcome.confirmed += label.status == "confirmed"
            outcome.null_confirmed += label.status == "confirmed" and worth == 0
            if label.effect is not None:
                outcome.intervals.append(label.low <= worth <= label.high)
        return outcome


def rival(name: str, truth: Truth) -> Outcome:
    rule, outcome, stack = RULES[name](), Outcome(), ()
    base = [truth.run((), seed)[0] for seed in range(rule.runs)]
    rule.begin(base)
    outcome.spent, first = float(rule.runs), sum(base) / len(base)
    for number in range(len(truth.effects)):
        samples, keep = [], None
        while keep is None and outcome.spent + 1 <= RUNS:
            samples.append(truth.run((*stack, number), 1000 * number + len(samples))[0])
            outcome.spent += 1
            keep = rule.decide(samples)
        if keep is None:
            break
        null = truth.adds(number, stack) == 0
        outcome.tried, outcome.nulls = outcome.tried + 1, outcome.nulls + null
        if keep:
            stack = (*stack, number)
            outcome.keeps, outcome.null_keeps = outcome.keeps + 1, outcome.null_keeps + null
    best = rule.best if isinstance(rule.best, float) else sum(rule.best) / len(rule.best)
    outcome.gain, outcome.claimed = -truth.level(stack), first - best
    return outcome


def oracle(truth: Truth, tried: int) -> Outcome:
    """Keeps exactly what gains; as many proposals as fit where each costs what screening one costs ours, and nothing else is paid."""
    stack: tuple[int, ...] = ()
    for number in range(min(tried, len(truth.effects))):
        if truth.adds(number, stack) < 0:
            stack = (*stack, number)
    return Outcome(gain=-truth.level(stack), tried=tried)


def night(job: tuple[str, float, int]) -> dict[str, dict]:
    name, sigma, seed = job
    world = WORLDS[name]
    found = {rule: rival(rule, Truth(world, sigma, seed)) for rule in RULES}
    ours = Ours(Truth(world, sigma, seed)).play()
    found["ours"] = ours
    found["oracle"] = oracle(Truth(world, sigma, seed), int((RUNS - 1) * ours.tried / max(1.0, ours.by["screen"])))
    return {rule: asdict(outcome) for rule, outcome in found.items()}


# The table


def share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def row(rule: str, nights: list[dict], lower: list[dict]) -> dict:
    """Means over the nights of one rule, beside keep-if-lower on the same ones."""
    counted = [name for name, value in nights[0].items() if type(value) in (int, float) and name != "claimed"]
    total = {name: sum(night[name] for night in nights) for name in counted}
    gains, reference = [n["gain"] for n in nights], [n["gain"] for n in lower]
    mean, base = sum(gains) / len(gains), sum(reference) / len(reference)
    ratio = share(mean, base)
    spread = sqrt(sum((g - ratio * r - mean + ratio * base) ** 2 for g, r in zip(gains, reference, strict=True)) / len(gains) / len(gains))
    claims = [(n["claimed"], n["gain"]) for n in nights if n["claimed"] is not None]
    heads, intervals = ([hit for n in nights for hit in n[name]] for name in ("headline", "intervals"))
    return {
        "rule": rule, "nights": len(nights), "gain": 1e4 * mean, "ratio": ratio, "error": share(spread, abs(base)),
        "tried": total["tried"] / len(nights), "kept": total["keeps"] / len(nights),
        "null_kept": 100 * share(total["null_keeps"], total["nulls"]), "nulls": total["nulls"],
        "null_confirmed": 100 * share(total["null_confirmed"], total["nulls"]), "confirmed": total["confirmed"] / len(nights),
        "claim": share(sum(c for c, _ in claims), sum(g for _, g in claims)),
        "headline": share(sum(heads), len(heads)), "changes": share(sum(intervals), len(intervals)),
        "lost": 1000 * share(total["lost"], total["improvements"]), "stopped": share(total["stopped"], total["tried"]),
        "spent": total["spent"] / len(nights),
        "by": {role: sum(n["by"].get(role, 0.0) for n in nights) / len(nights) for role in {r for n in nights for r in n["by"]}},
    }  # fmt: skip


HEAD = "rule            gain   x lower        tried  kept  conf.  null kept  null conf.  claim   covers head, changes  lost  stopped   runs"


def line(r: dict) -> str:
    def number(value: float, form: str) -> str:
        return "-" if value != value else format(value, form)

    cells = [f"{r['rule']:<14}", f"{r['gain']:6.1f}", f"{r['ratio']:6.3f} ± {r['error']:.3f}", f"{r['tried']:6.0f}", f"{r['kept']:5.1f}"]
    cells += [f"{r['confirmed']:5.1f}" if r["rule"] == "ours" else " " * 5]
    cells += [f"{number(r['null_kept'], '.2f'):>9}"]
    if r["rule"] == "oracle":
        return "  ".join(cells[:4])
    if r["rule"] != "ours":
        return "  ".join([*cells, f"{'':>10}", f"{number(r['claim'], '.2f'):>5}", f"{'':>31}", f"{'':>7}", f"{r['spent']:6.1f}"])
    cells += [f"{number(r['null_confirmed'], '.3f'):>10}", f"{number(r['claim'], '.3f'):>5}"]
    cells += [f"{number(r['headline'], '.1%'):>8} {number(r['changes'], '.1%'):>8}", f"{number(r['lost'], '.1f'):>10}"]
    return "  ".join([*cells, f"{r['stopped']:7.0%}", f"{r['spent']:6.1f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=300)
    parser.add_argument("--world", nargs="*", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--sigma", type=float, nargs="*", default=SIGMAS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options, rows = parser.parse_args(), []
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.world:
            for sigma in options.sigma:
                jobs = [(name, sigma, seed) for seed in range(options.nights)]
                nights = list(pool.map(night, jobs, chunksize=4))
                print(f"\n{WORLDS[name].name}, sigma {sigma:g}, {options.nights} nights\n{HEAD}")
                for rule in nights[0]:
                    found = row(rule, [n[rule] for n in nights], [n["keep-if-lower"] for n in nights])
                    rows.append({"world": name, "sigma": sigma} | found)
                    print(line(found), flush=True)
                    if found["by"]:
                        print("    " + ", ".join(f"{role} {runs:.1f}" for role, runs in sorted(found["by"].items())))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
