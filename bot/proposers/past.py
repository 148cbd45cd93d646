"""What the ledger says about the constants: which values were tried, against which champion, and how it went."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from statistics import fmean, variance

from bot.history import History
from bot.proposers.source import evaluate
from bot.records import Experiment, Proposal

SOURCE = "constants"
FAILURES = {"crash", "oom", "timeout", "violation"}
MOVED = re.compile(r"(\S.*?) (\S+) -> (\S+)")
AGED = 4.0  # variance, in squared units of the noise, that a result gains with each later change of the code
UNKNOWN_NOISE = 1e-3  # of the value, until two runs of one commit are known

Values = dict[str, float]


@dataclass(frozen=True)
class Past:
    """One earlier experiment. `champion` holds the champion's values of its time, as far as they are known."""

    experiment: Experiment
    champion: Values
    changed: Values
    age: int = 0  # changes of the code that were kept since

    @property
    def values(self) -> Values:
        return self.champion | self.changed

    @property
    def failed(self) -> bool:
        return self.experiment.status in FAILURES and not self.experiment.proposal.rejected


def describe(moves: list[tuple[str, str, str]]) -> str:
    """`NAME old -> new, ...`: what a person reads, and where `recall` finds the old values again."""
    return ", ".join(f"{name} {''.join(old.split())} -> {''.join(new.split())}" for name, old, new in moves)


def recall(history: History, current: Values) -> Iterator[Past]:
    """Whatever changed constants and nothing else, newest first, so that each keep passed on the way undoes itself.

    A change of the code may have moved constants, too; what was tried before it says where they were."""
    champion, age = current, 0
    for experiment in reversed(history.experiments.values()):
        proposal = experiment.proposal
        if not proposal:
            continue
        before, after = _before(proposal), _moved(proposal)
        if after:
            champion = champion | {name: value for name, value in before.items() if name in current}
            yield Past(experiment, champion, after, age)
        elif experiment.status == "keep":
            age += 1


def beside(proposals: Iterable[Proposal], current: Values) -> Iterator[Values]:
    """The values that other workers tried or try, as far as they start from the champion's own."""
    for proposal in proposals:
        before, after = _before(proposal), _moved(proposal)
        if after and all(current.get(name) == before.get(name) for name in after):
            yield current | after


def _moved(proposal: Proposal) -> Values:
    return proposal.params or {name: new for name, (_, new) in proposal.moved.items()}


def _before(proposal: Proposal) -> Values:
    parts = [MOVED.fullmatch(part) for part in proposal.hypothesis.split(", ")] if proposal.source == SOURCE else []
    values = {match[1]: evaluate(match[2]) for match in parts if match}
    known = {name: value for name, value in values.items() if value is not None}
    return known or {name: old for name, (old, _) in proposal.moved.items()}


@dataclass(frozen=True)
class Result:
    """What one change of constants did to the champion of its time, in words that another worker's model understands: `loss` is
    worse-than-its-champion in units of the noise where it was measured, None for a run that failed."""

    at: float
    champion: Values
    changed: Values
    loss: float | None
    variance: float


def results(history: History, past: Iterable[Past], direction: str) -> Iterator[Result]:
    scale = Scale(history, direction)
    for p in past:
        found = (None, 0.0) if p.failed else scale.loss(p.experiment)
        if found and p.changed:
            yield Result(p.experiment.verdict.at if p.experiment.verdict else 0.0, p.champion, p.changed, found[0], found[1] + AGED * p.age)


def aged(found: Iterable[Result], history: History) -> Iterator[Result]:
    """Others' results: each change of the code that was kept here since has made them older."""
    kept = [e for e in history.experiments.values() if e.status == "keep" and e.proposal and e.verdict]
    code = [e.verdict.at for e in kept if not _moved(e.proposal)]
    for result in found:
        yield replace(result, variance=result.variance + AGED * sum(at > result.at for at in code))


class Scale:
    """Turns results into units of the noise, so that budgets and machines of different nights speak one language."""

    def __init__(self, history: History, direction: str):
        self.history, self.sign = history, 1 if direction == "min" else -1
        self._noise: dict[str, float] = {}

    def loss(self, experiment: Experiment) -> tuple[float, float] | None:
        """How much worse than its champion, with the variance; None where the result says nothing about the change."""
        screens = [m for m in experiment.runs("screen") if m.outcome == "stopped" or m.outcome == "ok" and m.value is not None]
        if not screens or experiment.verdict is None or experiment.status not in ("keep", "discard"):
            return None
        context = screens[0].context
        champions = self.history.champion_runs(experiment.proposal.parent, context)
        fresh = max(1, experiment.verdict.seeds)
        if experiment.verdict.delta is not None:
            delta, spread = experiment.verdict.delta, 1 / fresh + 1 / max(fresh, len(champions))
        elif champions and all(m.value is not None for m in screens):
            delta = fmean(m.value for m in screens) - fmean(m.value for m in champions)
            spread = 1 / len(screens) + 1 / len(champions)
        else:
            return None
        return self.sign * delta / self.noise(context), spread

    def noise(self, context: str) -> float:
        if context not in self._noise:
            self._noise[context] = _pooled(self.history.samples(context))
        return self._noise[context]


def _pooled(samples: list[list[float]]) -> float:
    groups = [values for values in samples if len(values) > 1]
    freedom = sum(len(values) - 1 for values in groups)
    pooled = (sum(variance(values) * (len(values) - 1) for values in groups) / freedom) ** 0.5 if freedom else 0.0
    every = [abs(value) for values in samples for value in values]
    usual = UNKNOWN_NOISE * (fmean(every) if every else 1.0)
    return pooled or usual or UNKNOWN_NOISE
