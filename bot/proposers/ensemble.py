"""Which of several models is asked next: a bandit over what each has brought for what it cost, computed from the ledger alone.

What a model brings are its keeps, and each weighs what its fresh seeds measured; what was taken out again weighs nothing. What it costs
are the dollars of its calls, refused and lost ones included, and the machine time of judging its ideas: without that, a model that is
almost free and never right would win. Where a price is unknown, every model's calls are counted instead.

Keeps are rare, so a rate of keeps by dollar is uncertain for long. Each model's has a gamma distribution, which follows from keeps that
come at random (their sizes differ, so that they say less than as many equal ones would); before a model has shown anything it is that of
all models together, times its weight. One draw from each, and the highest is asked (Thompson sampling): a model is asked as often as it is
likely to be the best, so doubt is tried out and a clear loser costs little. A gain is worth ever less as the research goes on, and models
change: what is RECENT experiments old counts half. And every model is asked again and again, whatever it did: a share EXPLORE of all
experiments is dealt out by weight, as a longest gap between two of a model's, so nobody starves and a late bloomer is found.

With nothing known yet, models are asked about as often as their weights say.
"""

import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bot.history import History
from bot.proposers import prices
from bot.proposers.chat import USUAL, Chat, Model, Policy
from bot.records import Call, Experiment

RECENT = 100  # experiments
EXPLORE = 0.1
MACHINE_HOUR = 1.0  # dollars: between what a workstation's card and a rented H100 cost
FAILED = ("error", "timeout")  # no answer at all: the server's fault, not the model's
REST = 2  # failures in a row after which others are asked first


@dataclass
class Arm:
    """What is known of one model, older things counting less: keeps, each in units of an average one, and their `cost`, which is dollars
    or calls."""

    keeps: float = 0.0
    dollars: float = 0.0
    calls: float = 0.0
    cost: float = 0.0


class Ensemble:
    """`keys` are the keys themselves, one for each model."""

    def __init__(self, models: Sequence[Model], keys: Sequence[str], policy: Policy = USUAL):
        self.models, self.names = tuple(models), names(models)
        each = enumerate(zip(models, keys, self.names, strict=True))
        self._chats = {name: Chat(model, key, f"models[{i}]", name, policy) for i, (model, key, name) in each}

    def choose(self, history: History, rng: random.Random) -> Model:
        """The model to ask next. The same history and state of `rng` give the same one."""
        return self.pick(history, rng).model

    def pick(self, history: History, rng: random.Random) -> Chat:
        """The same, ready to be asked."""
        total = sum(model.weight for model in self.models) or 1.0
        weights = {name: model.weight / total for name, model in zip(self.names, self.models, strict=True) if model.weight > 0}
        weights = weights or dict.fromkeys(self.names, 1 / len(self.names))
        priced = all(prices.price(model) for model in self.models)
        return self._chats[pick(weights, history, rng, priced)]

    def named(self, name: str) -> Chat | None:
        """The one that the ledger calls so, if it is still there."""
        return self._chats.get(name)


def names(models: Sequence[Model]) -> list[str]:
    """What the ledger calls each: the model's name, with its effort or its number where two would be alike."""
    plain = [model.model for model in models]
    full = [f"{n} ({m.effort})" if m.effort and plain.count(n) > 1 else n for n, m in zip(plain, models, strict=True)]
    return [f"{n} #{i}" if full.count(n) > 1 else n for i, n in enumerate(full)]


def pick(weights: dict[str, float], history: History, rng: random.Random, priced: bool = True) -> str:
    """One of the names, whose weights sum to 1. `priced`: dollars are known for all."""
    tried = [e for e in history.experiments.values() if e.proposal and e.proposal.model in weights]
    tried.sort(key=lambda e: e.id)
    calls = [call for call in history.calls if call.model in weights]
    able = {name: weight for name, weight in weights.items() if not _resting(name, calls)} or weights
    asked = sorted({(e.id, e.proposal.model) for e in tried} | {(call.id, call.model) for call in calls})
    if due := _due(able, [name for _, name in asked]):
        return due
    arms, doubt = _arms(history, tried, calls, priced)
    known, spent = sum(arm.keeps for arm in arms.values()), sum(arm.cost for arm in arms.values())
    usual = spent / max(1, len(tried)) or 1.0  # cost of one experiment
    prior = (spent + usual) / (known + 1.0)  # cost of one keep, of all models together
    mean = sum(able.values()) / len(able)
    draws = {
        name: rng.gammavariate(weight / mean + arms[name].keeps / doubt, 1.0) / (prior + arms[name].cost / doubt)
        for name, weight in able.items()
    }
    return max(draws, key=lambda name: draws[name])


def _due(weights: dict[str, float], asked: list[str]) -> str:
    """The model that has waited longest, in units of how long that may be; "" where none is due."""
    last = {name: i for i, name in enumerate(asked)}
    late = {name: (len(asked) - last.get(name, -1)) * EXPLORE * weight for name, weight in weights.items()}
    latest = max(late, key=lambda name: late[name])
    return latest if late[latest] >= 1 else ""


def _resting(name: str, calls: list[Call]) -> bool:
    """Whether its server failed lately, again and again: then others are asked first, for twice as many calls with each failure."""
    failed = others = 0
    for call in reversed(calls):
        if call.model == name and call.outcome not in FAILED:
            break
        failed += call.model == name
        others += call.model != name and not failed
    return failed >= REST and others < 2 ** min(failed, 5)


def _arms(history: History, tried: list[Experiment], calls: list[Call], priced: bool) -> tuple[dict[str, Arm], float]:
    """What is known of each model; and how much less the keeps say than as many of equal size, at least 1."""
    ids, fates = [e.id for e in tried], history.fates
    recent = [0.5 ** ((len(ids) - i) / RECENT) for i in range(len(ids) + 1)]
    done = [(e, recent[i]) for i, e in enumerate(tried) if e.verdict or e.proposal.rejected]
    open = {e.id for e in tried if not e.verdict and not e.proposal.rejected}
    paid = [(call, recent[bisect_left(ids, call.id)]) for call in calls if call.id not in open]
    gains = [(e.proposal.model, _gain(e, history.direction) if fates.get(e.id) != "out" else 0.0, old) for e, old in done]
    kept = sum(old for _, gain, old in gains if gain) or 1.0
    average = sum(old * gain for _, gain, old in gains) / kept or 1.0
    doubt = sum(old * (gain / average) ** 2 for _, gain, old in gains) / kept
    arms: dict[str, Arm] = defaultdict(Arm)
    for name, gain, old in gains:
        arms[name].keeps += old * gain / average
    for call, old in paid:
        arms[call.model].calls += old
        arms[call.model].dollars += old * (call.dollars or 0.0)
    for e, old in done:
        arms[e.proposal.model].dollars += old * MACHINE_HOUR * sum(m.seconds for m in e.runs("screen")) / 3600
    known = priced and all(call.dollars is not None for call, _ in paid) and any(arm.dollars for arm in arms.values())
    for arm in arms.values():
        arm.cost = arm.dollars if known else arm.calls
    return arms, max(1.0, doubt)


def _gain(experiment: Experiment, direction: str) -> float:
    """What a keep brought, in the metric's unit; 0 for everything else."""
    verdict = experiment.verdict
    if not verdict or verdict.status != "keep" or verdict.delta is None:
        return 0.0
    return max(0.0, -verdict.delta if direction == "min" else verdict.delta)
