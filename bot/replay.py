"""A log of finished research through other rules: what each would have kept of it, and what it would have claimed.

No rule gets a run that the log does not have. Each change was measured on top of what the log kept, not of what the rule would have.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean
from types import SimpleNamespace

from .decide import Evidence, Step, next_step
from .errors import UsageError
from .records import Event, Measurement
from .rules import RULES, Rule
from .stats import Noise, Squares, variance

OURS, LOGGED = "ours", "the log"
KNOWN = 10**6  # degrees of freedom of a sigma that was given
SURE = 0.95  # one-sided: a gain below this quantile of its own error lies within the noise
NO_SIGMA = (
    "--sigma: ours needs the noise, and no commit of this log ran twice; run one commit on at least 4 seeds and give the standard "
    "deviation of its values"
)


@dataclass(frozen=True)
class Change:
    name: str
    values: tuple[float, ...]  # of which less is better, in the order of the runs
    kept: bool  # as the log has it
    what: str = ""


@dataclass(frozen=True)
class Log:
    base: tuple[float, ...]
    changes: tuple[Change, ...]  # those with a run
    failed: int = 0  # without any
    noise: Squares = (0.0, 0)  # of one run, from commits that ran several times
    metric: str = "val_bpb"
    sign: int = 1  # -1: values are turned around, more is better
    events: tuple[Event, ...] = ()  # of a ledger
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    change: Change
    gain: float
    within: bool | None  # the noise; None where that is not known


@dataclass
class Result:
    rule: str
    kept: list[Kept] = field(default_factory=list)
    discarded: list[Change] = field(default_factory=list)
    open: list[Change] = field(default_factory=list)  # ran out of runs
    notes: list[str] = field(default_factory=list)

    @property
    def claimed(self) -> float:
        return sum(k.gain for k in self.kept)

    @property
    def within(self) -> int | None:
        known = [k.within for k in self.kept]
        return None if None in known else sum(known)


def replay(log: Log, rules: Sequence[str], sigma: float | None = None) -> list[Result]:
    """In the order of `rules`; none: all of them. UsageError where ours is asked for by name and the noise is not known."""
    noise = log.noise if sigma is None else (sigma * sigma * KNOWN, KNOWN)
    found = [] if rules or log.events else [_logged(log, noise)]
    for name in rules or [*RULES, OURS]:
        if name != OURS:
            found.append(_other(name, RULES[name](), log, noise))
        elif log.events:
            found.append(_ours(log))
        elif noise[1]:
            found.append(_screened(log, noise))
        elif rules:
            raise UsageError(NO_SIGMA)
        else:
            found.append(Result(OURS, open=list(log.changes), notes=[NO_SIGMA]))
    return found


def _within(gain: float, noise: Squares, runs: int) -> bool | None:
    """Whether so many runs of each side would show such a gain by chance more often than 1 in 20 times."""
    from scipy.special import stdtrit

    single, freedom = variance(noise)
    return gain < float(stdtrit(freedom, SURE)) * sqrt(2 * single / runs) if freedom else None


def _logged(log: Log, noise: Squares) -> Result:
    result, level = Result(LOGGED), log.base[0]
    for change in log.changes:
        if change.kept:
            result.kept.append(Kept(change, level - change.values[0], _within(level - change.values[0], noise, 1)))
            level = change.values[0]
        else:
            result.discarded.append(change)
    return result


def _other(name: str, rule: Rule, log: Log, noise: Squares) -> Result:
    result, base = Result(name), log.base[: rule.runs]
    rule.begin(base)
    level, enough = fmean(base), len(base) == rule.runs
    if not enough:
        result.notes.append(f"needs {rule.runs} runs of the base, the log has {len(base)}")
    for change in log.changes:
        values, verdict = change.values if enough else change.values[:1], None
        for number in range(1, len(values) + 1):
            if (verdict := rule.decide(values[:number])) is not None:
                break
        if verdict is None:
            result.open.append(change)
        elif verdict:
            value = fmean(values[:number])
            result.kept.append(Kept(change, level - value, _within(level - value, noise, rule.runs)))
            level = value
        else:
            result.discarded.append(change)
    if result.open:
        result.notes.append(f"{len(result.open)} ran out of runs: it takes {rule.runs} of each, so what it would have kept is not known")
    if name == "keep-if-lower":
        result.notes.append(_expected(len(log.changes)))
    return result


def _expected(count: int) -> str:
    """A change without effect is kept if its run is the lowest so far: the k-th after the base with chance 1/(k+1)."""
    expected = sum(1 / (k + 1) for k in range(1, count + 1))
    series = f"1/2 + 1/3 + ... + 1/{count + 1}"
    return f"if none of the {count} changes had any effect, it would keep {expected:.1f} of them on average ({series})"


def _screened(log: Log, noise: Squares) -> Result:
    """Ours with one run of each change: that is the screening, and nothing more."""
    result, champion = Result(OURS), log.base
    for change in log.changes:
        e = Evidence(champion=(), selecting=champion, screen=change.values[0], noise=Noise(noise, noise))
        (result.open if e.screened < e.threshold else result.discarded).append(change)
        champion = change.values if change.kept else champion
    result.notes.append(
        f"{len(result.open)} of {len(log.changes)} pass the screening against what the log had kept (sigma "
        f"{variance(noise)[0] ** 0.5:.4g}); each needs fresh runs before anything is kept"
    )
    return result


def _ours(log: Log) -> Result:
    """This version's decision on the ledger's runs in their order, each against the champion of its time; default margin, no limits."""
    result, known = Result(OURS), {change.name: change for change in log.changes}
    steps = _steps(log.events, log.sign)
    for name, change in known.items():
        step, p = steps.get(name, (None, 1.0))
        if step and step.action == "keep":
            result.kept.append(Kept(change, -log.sign * step.delta, p >= 1 - SURE))
        else:
            (result.discarded if step else result.open).append(change)
    if result.open:
        result.notes.append(f"{len(result.open)} ran out of runs: it would have measured again")
    return result


def _steps(events: Iterable[Event], sign: int) -> dict[str, tuple[Step, float]]:
    """Experiment -> the first verdict that its runs give, with the p of its gain."""
    from .history import History
    from .loop import evidence

    past, found = History(), {}
    command = not any(isinstance(event, Measurement) and event.metric_version for event in events)
    settings = SimpleNamespace(direction="min" if sign == 1 else "max", command=command, margin=None, limits={})
    night = SimpleNamespace(history=past, settings=settings)
    for event in events:
        past.add(event)
        experiment = past.experiments.get(event.id) if isinstance(event, Measurement) else None
        if not experiment or not experiment.proposal or experiment.verdict or f"{experiment.id:04d}" in found:
            continue
        parent = experiment.proposal.parent
        if event.role in ("screen", "confirm", "champion") and len(past.pool(parent)) + len(past.selected(parent)) > 1:
            e = evidence(night, experiment)
            step = next_step(e)
            if step.action in ("keep", "discard"):
                found[f"{experiment.id:04d}"] = step, e.test.p() if e.fresh and e.champion else 1.0
    return found


def data(log: Log, results: Sequence[Result], sigma: float | None) -> dict:
    """Stable keys; gains are in the metric's unit, positive is better. `noise`: the sigma that was used, null where it is not known."""
    known = sigma if sigma is not None else variance(log.noise)[0] ** 0.5 if log.noise[1] else None
    return {
        "metric": log.metric, "direction": "min" if log.sign == 1 else "max", "base": [log.sign * v for v in log.base],
        "changes": len(log.changes), "failed": log.failed, "noise": known, "notes": list(log.notes),
        "rules": [
            {
                "rule": r.rule, "claimed": r.claimed, "within_noise": r.within, "notes": r.notes,
                "kept": [{"name": k.change.name, "gain": k.gain, "within_noise": k.within, "description": k.change.what} for k in r.kept],
                "discarded": [c.name for c in r.discarded], "out_of_runs": [c.name for c in r.open],
            }
            for r in results
        ],
    }  # fmt: skip
