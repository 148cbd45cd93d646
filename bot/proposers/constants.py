"""Proposes other values for the numeric constants of the editable Python files. Needs no model, no key, no network.

Own model instead of Optuna's samplers: after 12 experiments it has 58 ± 3 % of the possible gain, their best without torch (TPE) 31 ± 3 %,
with torch (GP, all constants at once) 44 ± 2 %: `python benchmarks/proposers.py`, docs/performance.md.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice

from bot.proposers import Answer, ProposalContext
from bot.proposers.model import Model, Steps, Trial
from bot.proposers.moves import Fences, Move, Rules, Tunable, applied, named, singles, steps, tunables, values
from bot.proposers.past import SOURCE, Result, Values, aged, beside, describe, recall, results
from bot.proposers.space import weight

REMEMBERED = 500  # trials the model learns from, our own first; repeats are avoided over the whole ledger
PARTNERS = 12  # best single moves that are combined into pairs
PAIR_MUST_BE = 1.25  # times as promising as the best single move: two changes are harder to read
NOVELTY = 2  # a constant that was never moved gets this much more attention: there may be a larger error in it
TIE = 1e-3


@dataclass(frozen=True)
class Found:
    """The move that is expected to bring most. `improvement`: how much, in units of the noise."""

    tuned: list[Tunable]
    move: Move
    improvement: float


class Constants:
    def slow(self, context: ProposalContext) -> bool:
        return False

    def propose(self, context: ProposalContext) -> Answer | None:
        found = best(context)
        return answer(found.tuned, found.move, context.files) if found else None


def best(context: ProposalContext) -> Found | None:
    """None where no move is left."""
    tuned = tunables(context.files, context.device)
    current = {t.name: t.value for t in tuned}
    past = list(recall(context.history, current))
    here = [p for p in past if not p.age]  # a change of the code makes old values new, and may have mended what failed
    names = [t.name for t in tuned]
    tried = {_key(names, of) for p in here for of in (p.values, p.champion)} | {_key(names, of) for of in beside(context.beside, current)}
    fences, rules = Fences(tuned, here), Rules(tuned, context.files, context.device)

    def new(moves: list[Move]) -> list[Move]:
        return [move for move in fences.free(moves) if _key(names, values(tuned, move)) not in tried]

    alone = new(singles(tuned, context.files, context.device))
    if not alone:
        return None
    found = chain(results(context.history, past, context.direction), aged(context.results, context.history))
    model = Model([weight(t.name) for t in tuned], list(islice(_trials(tuned, found), REMEMBERED)))
    rng = random.Random(f"{context.seed}:{context.next_id}")
    known = {index for index, t in enumerate(tuned) if any(t.name in p.changed for p in past)}
    ranked = _ranked(model, alone, rng)
    partners = [move for _, move in ranked if len(move) == 1 and move.keys() <= known][:PARTNERS]
    pairs = [a | b for a, b in combinations(partners, 2) if not a.keys() & b.keys()]
    score, move = _pick(ranked, _ranked(model, new([pair for pair in pairs if rules.allows(pair)]), rng), known)
    return Found(tuned, move, score)


def _trials(tuned: Sequence[Tunable], found: Iterable[Result]) -> Iterator[Trial]:
    index = {t.name: i for i, t in enumerate(tuned)}
    for result in found:
        if result.changed.keys() <= index.keys() and result.changed.keys() <= result.champion.keys():
            before, after = (
                {index[name]: steps(tuned[index[name]], of[name]) for name in result.changed} for of in (result.champion, result.changed)
            )
            yield Trial(before, after, result.loss, result.variance)


def _ranked(model: Model, moves: list[Move], rng: random.Random) -> list[tuple[float, Move]]:
    if not moves:
        return []
    away: list[Steps] = [{index: choice.steps for index, choice in move.items()} for move in moves]
    scored = [(score * (1 + TIE * rng.random()), move) for score, move in zip(model.improvement(away), moves, strict=True)]
    return sorted(scored, key=lambda pair: -pair[0])


def _pick(alone: list[tuple[float, Move]], pairs: list[tuple[float, Move]], known: set[int]) -> tuple[float, Move]:
    """(its score alone, the move)."""
    weighted = [(score if move.keys() <= known else score * NOVELTY, score, move) for score, move in alone]
    weighted += [(score / PAIR_MUST_BE, score, move) for score, move in pairs]
    _, score, move = max(weighted, key=lambda found: found[0])
    return score, move


def _key(names: Sequence[str], of: Values) -> tuple[float | None, ...]:
    return tuple(map(of.get, names))


def answer(tuned: Sequence[Tunable], move: Move, files: Mapping[str, str]) -> Answer:
    return Answer(
        hypothesis=describe(list(named(tuned, move))),
        source=SOURCE,
        edits=applied(tuned, move, files),
        params={tuned[index].name: choice.value for index, choice in sorted(move.items())},
    )
