"""A synthetic target for proposers: twelve constants, a noisy valley in log space, a few of them mis-set two to three times.

The night around it is real: records, History, ProposalContext, the decision; only the measurement is a formula.
`benchmarks/proposers.py` compares more strategies, on more landscapes.
"""

import math
import random
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace

from bot.decide import next_step
from bot.history import History
from bot.loop import evidence
from bot.measuring import REFRESHED
from bot.proposers import Answer, ProposalContext
from bot.proposers.constants import Constants, answer
from bot.proposers.moves import singles, tunables, values
from bot.proposers.past import recall
from bot.proposers.source import find
from bot.proposers.space import infer, steps_between
from bot.records import Measurement, Opened, Proposal, Verdict
from bot.seeds import next_seed

SOURCE = """\
MATRIX_LR = 0.02  # Muon
EMBED_LR = 3e-1
HEAD_LR = 0.004
WEIGHT_DECAY = 0.1
BETA1 = 0.9
BETA2 = 0.95
WARMDOWN_RATIO = 0.5
BATCH_TOKENS = 2**14
DEPTH = preset(cpu=6, cuda=8)
WIDTH = 384
SOFTCAP = 15.0
INIT_SCALE = 0.68
"""
NOISE, START = 0.003, 1.8


class Valley:
    """Loss = sum of w * steps**2 from a hidden optimum, in the constants' own scales; `cliff` makes large values much worse."""

    noise, source = NOISE, SOURCE

    def __init__(self, seed: int, cliff: bool = False, coupled: bool = False):
        self.random = random.Random(f"valley {seed}")
        self.axes = {}
        self.cliff, self.coupled = cliff, coupled
        self.place()
        self.start = self.loss(SOURCE)

    def place(self) -> None:
        self.offsets(misset=3, far=(1, 1.6), near=0.3)

    def offsets(self, misset: int, far: tuple[float, float], near: float) -> None:
        constants = find(SOURCE)
        chosen = set(self.random.sample(range(len(constants)), misset))
        for index, constant in enumerate(constants):
            off = self.random.choice((-1, 1)) * self.random.uniform(*far) if index in chosen else self.random.gauss(0, near)
            weight = NOISE * (self.random.uniform(3, 8) if index in chosen else 2 * math.exp(self.random.gauss(0, 1)))
            self.axes[constant.name] = (infer(constant), constant.value, off, weight)

    def errors(self, text: str) -> list[tuple[float, float]]:
        """Steps from the optimum and weight of each constant."""
        axes = ((constant, *self.axes[constant.name]) for constant in find(text))
        return [(steps_between(space, constant.value, start) - off, weight) for constant, space, start, off, weight in axes]

    def loss(self, text: str) -> float:
        errors = self.errors(text)
        loss = sum(w * e * e for e, w in errors)
        if self.cliff:
            loss += sum(20 * NOISE * max(0.0, e - 1.2) for e, _ in errors)
        if self.coupled:
            loss += sum(0.8 * math.sqrt(v * w) * d * e for (d, v), (e, w) in zip(errors[:4:2], errors[1:4:2], strict=True))
        return loss

    def crashes(self, text: str) -> bool:
        return False

    def draw(self, source: random.Random) -> float:
        return source.gauss(0, self.noise)

    def gain(self, text: str) -> float:
        return (self.start - self.loss(text)) / self.start


class Night:
    """Measures and decides as the loop does: screening, fresh seeds against an interleaved champion, a re-measured champion."""

    settings = SimpleNamespace(direction="min", command=("a", "command"), margin=None, limits={})

    def __init__(self, valley: Valley, strategy: Callable[[ProposalContext], Answer], seed: int):
        self.valley, self.strategy, self.random = valley, strategy, random.Random(f"noise {seed}")
        self.text, self.seed, self.history, self.clock = valley.source, seed, History(), count(1)
        self.history.add(Opened(self.tick(), "autoresearch/x", "sha0", "main", "val_bpb", "min", "5s cpu", "c", "constants"))
        self.measure_champion()

    def tick(self) -> float:
        return float(next(self.clock))

    def measure(self, id: int, role: str, sha: str, text: str) -> None:
        value = None if self.valley.crashes(text) else START + self.valley.loss(text) + self.valley.draw(self.random)
        index = len(self.history.experiments[id].runs(role)) if id in self.history.experiments else 0
        seed = next_seed(self.history, "x", id, role, index, sha)
        self.history.add(Measurement(self.tick(), id, role, index, sha, seed, "ok" if value else "crash", "c", value))

    def measure_champion(self) -> None:
        sha, keeps = self.history.champion_sha, self.history.keeps
        while len(self.history.pool(sha)) < (REFRESHED if keeps else 4):
            self.measure(keeps[-1].id if keeps else 0, "champion" if keeps else "baseline", sha, self.text)

    def experiment(self) -> Answer | None:
        """None where the strategy has nothing to propose."""
        id, parent = self.history.next_id, self.history.champion_sha
        answer = self.strategy(ProposalContext({"train.py": self.text}, self.history, id, "cpu", Path(), "min", self.seed))
        if answer is None:
            return None
        self.history.add(Proposal(self.tick(), id, parent, f"sha{id}", answer.hypothesis, answer.source, params=answer.params))
        text = answer.edits["train.py"]
        verdict = self.decide(id, text)
        self.history.add(verdict)
        if verdict.status == "keep":
            self.text = text
            self.measure_champion()
        return answer

    def decide(self, id: int, text: str) -> Verdict:
        experiment = self.history.experiments[id]
        while True:
            step = next_step(evidence(self, experiment))
            if step.action in ("keep", "discard"):
                fresh, sha = len(experiment.runs("confirm")), f"sha{id}" if step.action == "keep" else ""
                return Verdict(self.tick(), id, step.action, step.why, delta=step.delta, seeds=fresh, sha=sha)
            candidate = step.action != "champion"
            self.measure(id, step.action, f"sha{id}" if candidate else experiment.proposal.parent, text if candidate else self.text)
            if experiment.measurements[-1].outcome == "crash":
                return Verdict(self.tick(), id, "crash", "")

    def gains(self, experiments: int) -> list[float]:
        gains = []
        for _ in range(experiments):
            self.experiment()
            gains.append(self.valley.gain(self.text))
        return gains


def constants(seed: int) -> Callable[[ProposalContext], Answer]:
    return Constants().propose


def random_search(seed: int) -> Callable[[ProposalContext], Answer]:
    """One random constant to one random allowed value: the fair rival."""
    source = random.Random(f"random {seed}")

    def propose(context: ProposalContext) -> Answer:
        tuned = tunables(context.files, context.device)
        return answer(tuned, source.choice(singles(tuned, context.files, context.device)), context.files)

    return propose


def random_without_repeats(seed: int) -> Callable[[ProposalContext], Answer | None]:
    """The same, but no set of values twice."""
    source = random.Random(f"random {seed}")

    def propose(context: ProposalContext) -> Answer | None:
        tuned = tunables(context.files, context.device)
        tried = {tuple(p.values.items()) for p in recall(context.history, {t.name: t.value for t in tuned})}
        moves = singles(tuned, context.files, context.device)
        new = [move for move in moves if tuple(values(tuned, move).items()) not in tried]
        return answer(tuned, source.choice(new), context.files) if new else None

    return propose


def one_at_a_time(seed: int) -> Callable[[ProposalContext], Answer]:
    """Each constant one step up and down, in a random order, again and again."""
    order: list[int] = []

    def propose(context: ProposalContext) -> Answer:
        tuned = tunables(context.files, context.device)
        if not order:
            order.extend(range(2 * len(tuned)))
            random.Random(f"order {seed}").shuffle(order)
        moves = singles(tuned, context.files, context.device)
        for later in range(len(order)):
            turn = order[(context.next_id - 1 + later) % len(order)]
            found = [m for m in moves if turn // 2 in m and (m[turn // 2].steps > 0) == bool(turn % 2)]
            if found:
                break
        return answer(tuned, min(found, key=lambda m: abs(abs(m[turn // 2].steps) - 1)), context.files)

    return propose


STRATEGIES = {
    "constants": constants, "one at a time": one_at_a_time, "random": random_search, "random, none twice": random_without_repeats,
}  # fmt: skip


def mean_gains(strategy: str, repeats: int, count: int, first: int = 0, **kind: bool) -> list[list[float]]:
    seeds = range(first, first + repeats)
    return [Night(Valley(seed, **kind), STRATEGIES[strategy](seed), seed).gains(count) for seed in seeds]
