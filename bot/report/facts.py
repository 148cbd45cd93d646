"""The numbers every view shows, computed once: where the metric stood, where it stands, the noise, the time."""

import math
from dataclasses import dataclass
from statistics import fmean, variance

from bot.history import History
from bot.records import Experiment, Measurement
from bot.report.text import Scale, duration

FAILURES = ("crash", "timeout", "oom", "invalid", "violation")
STATUSES = ("keep", "discard", *FAILURES, "stopped", "running")
# Student's t, two-sided 95 %, for 1 to 30 degrees of freedom.
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
       2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """From the base to the champion, in the metric's unit, within one context."""

    start: float
    start_seeds: int
    now: float
    seeds: int
    low: float | None  # 95 % interval of now - start
    high: float | None
    fresh: bool  # False: `now` rests on the runs that decided the keep

    @property
    def delta(self) -> float:
        return self.now - self.start


@dataclass(frozen=True, slots=True)
class Spent:
    """Wall seconds by purpose. `bot` is what is left: proposing, deciding, git, waiting."""

    training: float
    startup: float
    saving: float
    scoring: float
    bot: float
    runs: int

    @property
    def total(self) -> float:
        return self.training + self.startup + self.saving + self.scoring + self.bot

    def text(self) -> str:
        parts = {"training": self.training, "scoring": self.scoring, "start-up": self.startup, "saving": self.saving}
        shares = ", ".join(f"{name} {duration(s)}" for name, s in (parts | {"everything else": self.bot}).items() if s)
        return f"{duration(self.total)} in {self.runs} runs" + (f": {shares}" if shares else "")


def t95(degrees: float) -> float:
    whole = max(1, math.floor(degrees))
    return T95[whole - 1] if whole <= 30 else 1.96 + 2.46 / whole


def interval(before: list[float], after: list[float]) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of mean(after) - mean(before): Welch's from three values each, one shared variance below that."""
    n, m = len(before), len(after)
    if not n or not m or n + m < 3:
        return None, None
    spread_n, spread_m = (variance(x) if len(x) > 1 else 0.0 for x in (before, after))
    degrees = float(n + m - 2)
    error = (spread_n * (n - 1) + spread_m * (m - 1)) / degrees * (1 / n + 1 / m)
    if n > 2 and m > 2 and spread_n + spread_m > 0:
        error = spread_n / n + spread_m / m
        degrees = error**2 / ((spread_n / n) ** 2 / (n - 1) + (spread_m / m) ** 2 / (m - 1))
    half = t95(degrees) * math.sqrt(error)
    delta = fmean(after) - fmean(before)
    return delta - half, delta + half


def shown_context(history: History) -> str:
    """The context the report speaks of: the current one, or the last one in which the base was measured."""
    known = history.contexts(history.base)
    return history.context if history.context in known or not known else known[-1]


def baseline(history: History) -> list[float]:
    return [m.value for m in history.champion_runs(history.base, shown_context(history))]


def noise(history: History) -> float | None:
    """Standard deviation between seeds of one commit, pooled over the commits measured more than once."""
    groups = [values for values in history.samples(shown_context(history)) if len(values) > 1]
    degrees = sum(len(g) - 1 for g in groups)
    return math.sqrt(sum(variance(g) * (len(g) - 1) for g in groups) / degrees) if degrees else None


def remeasured(history: History, experiment: Experiment) -> list[float]:
    """Values of a kept change on seeds drawn after it was kept."""
    return [m.value for m in history.champion_runs(history.sha_of(experiment), shown_context(history))]


def change(history: History) -> Change | None:
    """None without a keep, or where base and champion were never measured in one context."""
    if not history.keeps:
        return None
    last, context, start = history.keeps[-1], shown_context(history), baseline(history)
    fresh = remeasured(history, last)
    now = fresh or values(last, context, "confirm")
    if not start or not now:
        return None
    return Change(fmean(start), len(start), fmean(now), len(now), *interval(start, now), bool(fresh))


def standing(history: History) -> float | None:
    """The champion's value in the shown context, so that it may stand beside the baseline's."""
    found, start = change(history), baseline(history)
    return found.now if found else fmean(start) if start and not history.keeps else history.best


def values(experiment: Experiment, context: str, *roles: str) -> list[float]:
    return [m.value for m in experiment.runs(*roles) if m.outcome == "ok" and m.value is not None and m.context == context]


def shown_value(experiment: Experiment, context: str) -> tuple[float | None, bool]:
    """A value to show and whether it rests on fresh seeds; else it is the screening run's, which decides nothing."""
    if experiment.id == 0:
        runs = values(experiment, context, "baseline")
        return (fmean(runs), True) if runs else (None, False)
    if confirmed := values(experiment, context, "confirm"):
        return fmean(confirmed), True
    screened = values(experiment, context, "screen")
    return (screened[0], False) if screened else (None, False)


def failure(experiment: Experiment) -> Measurement | None:
    """The run that ended it."""
    return next((m for m in reversed(experiment.measurements) if m.outcome != "ok"), None)


def last_run(history: History) -> Measurement | None:
    """The newest run of the shown context: machine, corpus and isolation are read from it."""
    runs = history.champion_runs(history.champion_sha, shown_context(history)) or history.champion_runs(
        history.base, shown_context(history)
    )
    return runs[-1] if runs else None


def spent(history: History) -> Spent:
    training = startup = saving = scoring = 0.0
    runs = 0
    for experiment in history.experiments.values():
        for m in experiment.measurements:
            startup += m.startup_seconds
            saving += m.save_seconds
            scoring += m.eval_seconds
            training += max(0.0, m.seconds - m.startup_seconds - m.save_seconds - m.eval_seconds)
            runs += 1
    measured = training + startup + saving + scoring
    return Spent(training, startup, saving, scoring, max(0.0, history.wall_seconds - measured), runs)


def headline(history: History) -> str:
    start, metric, tried = baseline(history), history.metric, history.tried
    if not start:
        return f"Nothing to compare yet: the baseline has no {metric} measurement."
    scale = Scale(fmean(start))
    sd = noise(history)
    base = f"{scale.value(fmean(start))} ({_seeds(len(start))}{f', noise sd {scale.value(sd)}' if sd is not None else ''})"
    if found := change(history):
        return _gain(history, found, scale, tried)
    if history.keeps:
        return f"{_kept(history, tried)}, but base and champion were not measured in the same context, so no number is claimed."
    if not tried:
        return f"The baseline's {metric} is {base}; no experiment has finished yet."
    return f"No change beat the noise: {tried} tried, none kept; {metric} stays at {base}."


def _gain(history: History, found: Change, scale: Scale, tried: int) -> str:
    better = history.improves(found.now, found.start)
    word = {True: "lower", False: "higher"}[found.delta < 0]
    share = f", {abs(found.delta / found.start):.1%}" if found.start else ""
    near, far = sorted((found.low, found.high), key=lambda x: abs(x)) if found.low is not None else (None, None)
    if near is not None and near * far > 0:
        doubt, bounds = "", f" (95 % interval {scale.value(abs(near))} to {scale.value(abs(far))})"
    else:
        doubt, bounds = " Not distinguishable from noise yet.", f" (95 % interval {scale.spread(found.low, found.high) or 'unknown'})"
    seeds = f"{found.seeds} fresh seed{'s' * (found.seeds != 1)}" if found.fresh else f"the {_seeds(found.seeds)} that selected it"
    text = f"{history.metric} {scale.value(found.start)} → {scale.value(found.now)}: "
    text += f"{scale.value(abs(found.delta))} {word}{bounds}{share}, "
    text += f"on {seeds} against {found.start_seeds} of the baseline; {_kept(history, tried)}."
    return text + doubt + ("" if better else " This is worse than the baseline.")


def _kept(history: History, tried: int) -> str:
    return f"{len(history.keeps)} of {tried} change{'s' * (tried != 1)} kept"


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"
