"""Proposes other values for the numeric constants of the editable Python files. Needs no model, no key, no network.

Own model instead of Optuna's samplers: after 12 experiments it has 58 ± 3 % of the possible gain, their best without torch (TPE) 31 ± 3 %,
with torch (GP, all constants at once) 44 ± 2 %: `python benchmarks/proposers.py`, docs/performance.md.
"""

import math
import random
from dataclasses import dataclass
from itertools import combinations, islice

from bot.proposers import Answer, ProposalContext
from bot.proposers.model import Model, Steps, Trial
from bot.proposers.past import SOURCE, Past, Scale, Values, describe, recall
from bot.proposers.source import Constant, find, replace
from bot.proposers.space import Space, infer, neighbours, steps_between, weight

REMEMBERED = 500  # trials the model learns from; repeats are avoided over the whole ledger
PARTNERS = 12  # best single moves that are combined into pairs
PAIR_MUST_BE = 1.25  # times as promising as the best single move: two changes are harder to read
NOVELTY = 2  # a constant that was never moved gets this much more attention: there may be a larger error in it
TIE = 1e-3


@dataclass(frozen=True)
class Tunable:
    name: str
    path: str
    constant: Constant
    space: Space

    @property
    def value(self) -> int | float:
        return self.constant.value


@dataclass(frozen=True)
class Choice:
    value: int | float
    text: str
    steps: float


Move = dict[int, Choice]  # index of the tunable -> its new value


class Constants:
    def propose(self, context: ProposalContext) -> Answer | None:
        tunables = _tunables(context.files, context.device)
        past = list(recall(context.history, {t.name: t.value for t in tunables}))
        tried = {_key(tunables, p.values) for p in past}
        singles = [move for move in _singles(tunables, past) if _key(tunables, _values(tunables, move)) not in tried]
        if not singles:
            return None
        model = Model([weight(t.name) for t in tunables], list(_trials(tunables, past, Scale(context.history, context.direction))))
        rng = random.Random(f"{context.seed}:{context.next_id}")
        known = {index for index, t in enumerate(tunables) if any(t.name in p.changed for p in past)}
        ranked = _ranked(model, singles, rng)
        partners = [move for _, move in ranked if move.keys() <= known][:PARTNERS]
        pairs = [a | b for a, b in combinations(partners, 2) if not a.keys() & b.keys()]
        pairs = [move for move in pairs if _key(tunables, _values(tunables, move)) not in tried]
        return _answer(tunables, _pick(ranked, _ranked(model, pairs, rng), known), context.files)


def _tunables(files: dict[str, str], device: str) -> list[Tunable]:
    found = [(path, constant) for path in sorted(files) if path.endswith(".py") for constant in find(files[path], device)]
    names = [constant.name for _, constant in found]
    tunables = []
    for path, constant in found:
        space = infer(constant)
        if space:
            name = constant.name if names.count(constant.name) == 1 else f"{path}:{constant.name}"
            tunables.append(Tunable(name, path, constant, space))
    return tunables


def _singles(tunables: list[Tunable], past: list[Past]) -> list[Move]:
    moves: list[Move] = []
    for index, tunable in enumerate(tunables):
        low, high = _fences(tunable, past)
        choices = (Choice(value, text, steps) for steps, value, text in neighbours(tunable.constant, tunable.space))
        moves += [{index: choice} for choice in choices if low < choice.steps < high]
    return moves


def _fences(tunable: Tunable, past: list[Past]) -> tuple[float, float]:
    """A constant is not pushed past a value that failed on its own (out of memory, diverged, too slow)."""
    low, high = -math.inf, math.inf
    for p in past:
        if p.failed and p.changed.keys() == {tunable.name}:
            steps = steps_between(tunable.space, p.changed[tunable.name], tunable.value)
            low, high = (low, min(high, steps)) if steps > 0 else (max(low, steps), high)
    return low, high


def _trials(tunables: list[Tunable], past: list[Past], scale: Scale):
    index = {tunable.name: i for i, tunable in enumerate(tunables)}
    for p in islice(past, REMEMBERED):
        result = scale.loss(p.experiment)
        if (result or p.failed) and p.changed and p.changed.keys() <= index.keys():
            loss, variance = (None, 0.0) if p.failed else result
            before, after = (
                {index[name]: _steps(tunables[index[name]], values[name]) for name in p.changed} for values in (p.champion, p.changed)
            )
            yield Trial(before, after, loss, variance)


def _steps(tunable: Tunable, value: float) -> float:
    return steps_between(tunable.space, value, tunable.value)


def _ranked(model: Model, moves: list[Move], rng: random.Random) -> list[tuple[float, Move]]:
    if not moves:
        return []
    steps: list[Steps] = [{index: choice.steps for index, choice in move.items()} for move in moves]
    scored = [(score * (1 + TIE * rng.random()), move) for score, move in zip(model.improvement(steps), moves, strict=True)]
    return sorted(scored, key=lambda pair: -pair[0])


def _pick(singles: list[tuple[float, Move]], pairs: list[tuple[float, Move]], known: set[int]) -> Move:
    weighted = [(score if move.keys() <= known else score * NOVELTY, move) for score, move in singles]
    weighted += [(score / PAIR_MUST_BE, move) for score, move in pairs]
    return max(weighted, key=lambda pair: pair[0])[1]


def _values(tunables: list[Tunable], move: Move) -> Values:
    return {t.name: move[index].value if index in move else t.value for index, t in enumerate(tunables)}


def _key(tunables: list[Tunable], values: Values) -> tuple[float | None, ...]:
    return tuple(values.get(tunable.name) for tunable in tunables)


def _answer(tunables: list[Tunable], move: Move, files: dict[str, str]) -> Answer:
    chosen = sorted(move.items())
    edits = {}
    for path in {tunables[index].path for index in move}:
        changes = {tunables[index].constant: choice.text for index, choice in chosen if tunables[index].path == path}
        edits[path] = replace(files[path], changes)
    return Answer(
        hypothesis=describe([(tunables[index].name, tunables[index].constant.text, choice.text) for index, choice in chosen]),
        source=SOURCE,
        edits=edits,
        params={tunables[index].name: choice.value for index, choice in chosen},
    )
