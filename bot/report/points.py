"""What the picture shows of a history: every experiment as a point, the champion as a line."""

import math
from dataclasses import dataclass, field
from statistics import fmean, median

from bot.history import History
from bot.records import Experiment
from bot.report import facts, shown
from bot.report.allocation import FAILURES


@dataclass
class Points:
    """What is drawn, sorted by kind: (experiment, value) each."""

    screened: list[tuple[int, float]] = field(default_factory=list)
    confirmed: list[tuple[int, float]] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    keeps: list[tuple[Experiment, float, float]] = field(default_factory=list)  # value, half an interval
    pruned: set[int] = field(default_factory=set)  # keeps that were taken out again
    drifts: list[float] = field(default_factory=list)  # the machine drifted before this experiment was decided
    based: float = 0.0  # the experiment from which on the base is what it is now
    line: list[tuple[float, float]] = field(default_factory=list)  # champion from this experiment on
    last: int = 1
    claim: facts.Change | None = None  # the title's comparison, mostly of other runs than the line's

    @property
    def first(self) -> float:
        """Where the picture begins: with the base, where nothing of an older one can be shown beside it."""
        drawn = [*(id for id, _ in self.screened + self.confirmed), *self.failed, *(e.id for e, _, _ in self.keeps)]
        return 0.0 if any(id < self.based for id in drawn) else self.based


def collect(history: History) -> Points:
    points, context, start = Points(), facts.shown_context(history), facts.baseline(history)
    points.last = max(1, max(history.experiments, default=1))
    points.based = history.first_here - 0.5 if history.first_here > 1 else 0.0
    points.line = _line(history, points.based) if start else []
    points.claim = facts.change(history) if start else None
    points.pruned = {id for prune in history.taken_out if not prune.hunks for id in prune.ids}
    points.drifts = [_decided(history, drift.at) + 0.5 for drift in history.drifts if drift.at > history.based_at]
    for experiment in sorted((e for e in history.experiments.values() if e.id), key=lambda e: e.id):
        found = shown.value(history, experiment, context)
        if experiment.status in FAILURES:
            points.failed.append(experiment.id)
        elif found.value is None:
            continue
        elif experiment.status == "keep":
            verdict = experiment.verdict
            half = (verdict.high - verdict.low) / 2 if verdict.low is not None and verdict.high is not None else 0.0
            points.keeps.append((experiment, found.value, half))
        else:
            (points.confirmed if found.fresh else points.screened).append((experiment.id, found.value))
    return points


def _line(history: History, began: float) -> list[tuple[float, float]]:
    """Where the champion stands from each keep, prune and drift on. `began`: where the base has stood since."""
    groups = facts.measured(history, history.base)
    first = next((group for group in groups if group[-1].at > history.based_at), groups[-1])
    line, sha = [(began, fmean(m.value for m in first))], history.base
    moves = [(e.verdict.at, float(e.id), history.sha_of(e)) for e in history.keeps]
    moves += [(p.at, _decided(history, p.at) + 0.5, p.sha) for p in history.prunes]
    drifts = [d.at for d in history.drifts if d.at > history.based_at]
    moves += [(math.nextafter(at, math.inf), _decided(history, at) + 0.5, "") for at in drifts]
    for at, x, new in sorted(moves):
        sha = new or sha
        if (value := facts.level(history, sha, facts.stretch(history, at))) is not None:
            line.append((x, value))
    return line


def _decided(history: History, at: float) -> int:
    """The newest experiment that was decided by then."""
    return max((e.id for e in history.experiments.values() if e.verdict and e.verdict.at <= at), default=0)


def limits(history: History, points: Points, start: list[float]) -> tuple[float, float]:
    """Holds the champion's line and the keeps on this base whole; others only as far as they stay near it."""
    sd = facts.noise(history) or 0.0
    core = [v for _, v in points.line] + [v + s * h for e, v, h in points.keeps if e.id > points.based for s in (-1, 1)]
    core += [min(start), max(start), fmean(start) - sd, fmean(start) + sd]
    core += [points.claim.start, points.claim.now] if points.claim else []
    low, high = min(core), max(core)
    others = [v for _, v in points.screened + points.confirmed] + [v for e, v, _ in points.keeps if e.id < points.based]
    if others:
        far = [abs(v - fmean(start)) for v in others]
        reach = max(high - low, 4 * median(far), 6 * sd)
        near = [v for v in others if low - reach <= v <= high + reach]
        low, high = min([low, *near]), max([high, *near])
    margin = 0.08 * (high - low) or abs(high) * 0.01 or 1.0
    return low - 1.6 * margin, high + margin
