"""What a row shows of one experiment: its value and on how many runs that rests, its commit, its memory, its name. Pure.

Of the baseline, number 0, all of that is of the base that the research stands on now."""

from dataclasses import dataclass
from statistics import fmean

from bot.accounts import how_given, is_given
from bot.history import History
from bot.records import Experiment, Measurement, Verdict
from bot.report import facts
from bot.report.allocation import FAILURES

ENDING = ("baseline", "champion", "screen", "confirm", "retest", "final")  # roles whose failure is the experiment's own
OLDER = "on an older base"


@dataclass(frozen=True, slots=True)
class Shown:
    """`value` is the mean of `seeds` runs; `fresh`: they decide something, unlike a screening run."""

    value: float | None = None
    seeds: int = 0
    fresh: bool = False


def value(history: History, experiment: Experiment, context: str) -> Shown:
    """Of a change that was given, what its commit measured as champion, if it was measured by itself."""
    if experiment.id == 0:
        return _mean(facts.baseline(history))
    if is_given(experiment):
        found = facts.measured(history, history.sha_of(experiment))
        return _mean([m.value for m in found[-1]] if found else [])
    if confirmed := _values(experiment, context, "confirm"):
        return _mean(confirmed)
    screened = _values(experiment, context, "screen")
    return Shown(screened[0], 1) if screened else Shown()


def _mean(values: list[float]) -> Shown:
    return Shown(fmean(values), len(values), True) if values else Shown()


def _values(experiment: Experiment, context: str, *roles: str) -> list[float]:
    runs = (m for m in experiment.runs(*roles) if m.outcome == "ok" and m.value is not None and m.split != "sealed")
    return [m.value for m in runs if m.context == context]


def commit(history: History, experiment: Experiment) -> str:
    return history.sha_of(experiment) if experiment.id else history.base


def current(history: History, verdict: Verdict | None) -> bool:
    """Whether the baseline's verdict is on the base as it is now; older ledgers do not name it."""
    return bool(verdict) and (verdict.sha == history.base or not verdict.sha and verdict.at >= history.based_at)


def peak(history: History, experiment: Experiment | None) -> int:
    """Bytes, at most; 0 where nobody measured it."""
    if not experiment:
        return 0
    if experiment.id == 0 or is_given(experiment):
        runs = [m for group in facts.measured(history, commit(history, experiment)) for m in group]
    else:
        runs = experiment.runs("screen", "confirm")
    return max((m.peak_memory for m in runs), default=0)


def name(experiment: Experiment) -> str:
    """What was changed, as its author said it; not fit to print."""
    proposal = experiment.proposal
    if experiment.id == 0:
        return "baseline"
    return (proposal.hypothesis or "(no words)") if proposal else "(proposal lost)"


def origin(experiment: Experiment) -> str:
    """`carried over from 0007`; empty for what was proposed here. Not fit to print either."""
    return how_given(experiment.proposal) if experiment.proposal else ""


def failure(experiment: Experiment) -> Measurement | None:
    """The newest run that failed, which ended it. Neither a run that was stopped early nor a stack that fails without a part is one."""
    return next((m for m in reversed(experiment.runs(*ENDING)) if m.outcome in FAILURES), None)
