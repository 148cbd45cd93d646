"""A synthetic target for proposers: twelve constants, a noisy valley in log space, a few of them mis-set two to three times.

The night around it is real: records, History, ProposalContext; only the measurement is a formula. Run as a program it prints how
much of the possible gain each strategy finds: `python -m tests.bot.landscape 100`.
"""

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

from bot.history import History
from bot.proposers import Answer, ProposalContext
from bot.proposers.constants import Constants, _answer, _singles, _tunables
from bot.proposers.source import find
from bot.proposers.space import infer, steps_between
from bot.records import Measurement, Opened, Proposal, Verdict

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

    def __init__(self, seed: int, cliff: bool = False, coupled: bool = False):
        self.random = random.Random(f"valley {seed}")
        constants = find(SOURCE)
        misset = set(self.random.sample(range(len(constants)), 3))
        self.axes = {}
        for index, constant in enumerate(constants):
            space = infer(constant)
            off = self.random.choice((-1, 1)) * self.random.uniform(1, 1.6) if index in misset else self.random.gauss(0, 0.3)
            weight = NOISE * (self.random.uniform(3, 8) if index in misset else 2 * math.exp(self.random.gauss(0, 1)))
            self.axes[constant.name] = (space, constant.value, off, weight)
        self.cliff, self.coupled = cliff, coupled
        self.start = self.loss(SOURCE)

    def loss(self, text: str) -> float:
        errors = []
        for constant in find(text):
            space, start, off, weight = self.axes[constant.name]
            errors.append((steps_between(space, constant.value, start) - off, weight))
        loss = sum(w * e * e for e, w in errors)
        if self.cliff:
            loss += sum(20 * NOISE * max(0.0, e - 1.2) for e, _ in errors)
        if self.coupled:
            loss += sum(0.8 * math.sqrt(v * w) * d * e for (d, v), (e, w) in zip(errors[:4:2], errors[1:4:2], strict=True))
        return loss

    def gain(self, text: str) -> float:
        return (self.start - self.loss(text)) / self.start


class Night:
    """Screens, confirms on 4 fresh seeds, keeps what is better by 1.6 standard errors; then re-measures the champion."""

    def __init__(self, valley: Valley, strategy: Callable[[ProposalContext], Answer], seed: int):
        self.valley, self.strategy, self.random = valley, strategy, random.Random(f"noise {seed}")
        self.text, self.seed, self.history = SOURCE, seed, History()
        self.history.add(Opened(0.0, "autoresearch/x", "sha0", "main", "val_bpb", "min", "5s cpu", "c", "constants"))
        for index in range(4):
            self.measure(0, "baseline", index, "sha0", SOURCE)

    def measure(self, id: int, role: str, index: int, sha: str, text: str) -> float:
        value = START + self.valley.loss(text) + self.random.gauss(0, NOISE)
        self.history.add(Measurement(0.0, id, role, index, sha, index, "ok", "c", value))
        return value

    def experiment(self) -> Answer:
        id, parent = self.history.next_id, self.history.champion_sha
        answer = self.strategy(ProposalContext({"train.py": self.text}, self.history, id, "cpu", Path(), "min", self.seed))
        text, sha = answer.edits["train.py"], f"sha{id}"
        self.history.add(Proposal(0.0, id, parent, sha, answer.hypothesis, answer.source, params=answer.params))
        before = self.history.best
        screen = self.measure(id, "screen", 0, sha, text)
        if screen - before > 0.8 * NOISE:
            self.history.add(Verdict(0.0, id, "discard", "worse", delta=screen - before))
            return answer
        for index in range(2):
            self.measure(id, "champion", index, parent, self.text)
        fresh = [self.measure(id, "confirm", index, sha, text) for index in range(4)]
        delta = sum(fresh) / 4 - self.history.best
        kept = delta < -1.6 * NOISE * math.sqrt(0.5)
        self.history.add(Verdict(0.0, id, "keep" if kept else "discard", "4 seeds", delta=delta, seeds=4, sha=sha if kept else ""))
        if kept:
            self.text = text
            for index in range(4):
                self.measure(id, "champion", 2 + index, sha, text)
        return answer

    def gains(self, count: int) -> list[float]:
        gains = []
        for _ in range(count):
            self.experiment()
            gains.append(self.valley.gain(self.text))
        return gains


def constants(seed: int) -> Callable[[ProposalContext], Answer]:
    return Constants().propose


def random_search(seed: int) -> Callable[[ProposalContext], Answer]:
    """One random constant to one random allowed value: the fair rival."""
    source = random.Random(f"random {seed}")

    def propose(context: ProposalContext) -> Answer:
        tunables = _tunables(context.files, context.device)
        return _answer(tunables, source.choice(_singles(tunables, [])), context.files)

    return propose


def one_at_a_time(seed: int) -> Callable[[ProposalContext], Answer]:
    order = list(range(24))
    random.Random(f"order {seed}").shuffle(order)

    def propose(context: ProposalContext) -> Answer:
        tunables = _tunables(context.files, context.device)
        turn = order[(context.next_id - 1) % 24]
        moves = [m for m in _singles(tunables, []) if turn // 2 in m and (m[turn // 2].steps > 0) == bool(turn % 2)]
        return _answer(tunables, min(moves, key=lambda m: abs(abs(m[turn // 2].steps) - 1)), context.files)

    return propose


STRATEGIES = {"constants": constants, "one at a time": one_at_a_time, "random": random_search}


def mean_gains(strategy: str, repeats: int, count: int, first: int = 0, **kind: bool) -> list[list[float]]:
    seeds = range(first, first + repeats)
    return [Night(Valley(seed, **kind), STRATEGIES[strategy](seed), seed).gains(count) for seed in seeds]


if __name__ == "__main__":
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    for kind in ({}, {"cliff": True, "coupled": True}):
        print(", ".join(kind) or "plain")
        for name in STRATEGIES:
            rows = mean_gains(name, repeats, 30, **kind)
            share = {count: sum(row[count - 1] for row in rows) / repeats for count in (6, 12, 20, 30)}
            wins = sum(row[11] > 0.05 for row in rows) / repeats
            print(f"  {name:14}", *(f"@{count} {value:.2f}" for count, value in share.items()), f" a win by 12: {wins:.2f}")
