"""The numbers every view shows, computed once: where the metric stood, where it stands, the noise, the time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from bot.history import History
from bot.records import Experiment, Measurement
from bot.report import tally
from bot.report.decisions import Decisions
from bot.report.text import Scale, plural
from bot.stack import LOOK
from bot.stats import Noise, compare, squares, variance


@dataclass(frozen=True, slots=True)
class Change:
    """From the base to the champion, in the metric's unit, within one context and with no drift in between."""

    start: float
    start_seeds: int
    now: float
    seeds: int
    delta: float
    low: float | None  # 95 % interval of delta
    high: float | None
    fresh: bool  # False: `now` rests on the runs that decided the keep
    p: float | None = None  # of the final comparison; None where there is none
    proved: bool = False  # it is below LOOK


def interval(before: Sequence[float], after: Sequence[float], noise: Noise) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of mean(after) - mean(before); `noise`: of other groups of equal runs."""
    if not before or not after or len(before) + len(after) < 3:
        return None, None
    found = compare(before, after, [None] * len(after), noise)
    return found.delta - found.half(), found.delta + found.half()


def shown_context(history: History) -> str:
    """The context the report speaks of: the current one, or the last one in which the base was measured."""
    known = history.contexts(history.base)
    return history.context if history.context in known or not known else known[-1]


def stretch(history: History, at: float) -> int:
    """How many drifts came before. Only runs of one stretch may be compared."""
    return sum(drift.at < at for drift in history.drifts)


def measured(history: History, sha: str) -> list[list[Measurement]]:
    """Good runs of a champion in the shown context that no keep was decided on: a list for each stretch that has any, oldest first."""
    runs = history.champion_runs(sha, shown_context(history))
    return [list(group) for _, group in groupby(runs, key=lambda m: stretch(history, m.at))]


def baseline(history: History) -> list[float]:
    found = measured(history, history.base)
    return [m.value for m in found[-1]] if found else []


def noise(history: History) -> float | None:
    """Standard deviation between seeds of one commit, pooled over the commits measured more than once."""
    groups = [[m.value for m in group] for sha in history.champions for group in measured(history, sha)]
    found, degrees = variance(*map(squares, groups))
    return math.sqrt(found) if degrees else None


def remeasured(history: History, experiment: Experiment) -> list[float]:
    """Values of a kept change on seeds drawn after it was kept."""
    found = measured(history, history.sha_of(experiment))
    return [m.value for m in found[0]] if found else []


def standing_runs(history: History, sha: str, where: int) -> tuple[list[Measurement], bool]:
    """Runs of a champion in one stretch of the shown context, and whether they are fresh: else they selected it."""
    context = shown_context(history)
    fresh = [m for m in history.champion_runs(sha, context) if stretch(history, m.at) == where]
    return fresh or [m for m in history.selected(sha) if m.context == context and stretch(history, m.at) == where], bool(fresh)


def level(history: History, sha: str, where: int) -> float | None:
    """A champion's mean in one stretch."""
    runs, _ = standing_runs(history, sha, where)
    return fmean(m.value for m in runs) if runs else None


def change(history: History, known: Decisions | None = None) -> Change | None:
    """The final comparison; until it has run, the champion's other runs against the baseline's. None without a keep, or where base and
    champion were never measured in one context without a drift in between."""
    if not history.keeps:
        return None
    known = known or Decisions(history)
    return final(known) or _preliminary(known)


def final(known: Decisions, split: str = "val") -> Change | None:
    """Base and champion in runs that selected nothing, once there are any."""
    history, stack = known.history, known.stack
    if not history.keeps or not (found := stack.headline(split)):
        return None
    sides = [[m.value for m in stack.final(sha, split)] for sha in (history.base, stack.whole)]
    start, now = map(fmean, sides)
    delta, half = stack.sign * found.delta, found.half()
    proved = split == "val" and stack.proved
    return Change(start, len(sides[0]), now, len(sides[1]), delta, delta - half, delta + half, True, found.p(), proved)


def _preliminary(known: Decisions) -> Change | None:
    history, champion, start = known.history, known.history.champion_sha, measured(known.history, known.history.base)
    if not start:
        return None
    now, fresh = standing_runs(history, champion, stretch(history, start[-1][-1].at))
    if not now:
        return None
    before, after = ([m.value for m in runs] for runs in (start[-1], now))
    low, high = interval(before, after, known.stack.noise.of_others(history.base, champion).alike)
    return Change(fmean(before), len(before), fmean(after), len(after), fmean(after) - fmean(before), low, high, fresh)


def standing(history: History, known: Decisions | None = None) -> float | None:
    """The champion's value in the shown context, so that it may stand beside the baseline's."""
    if found := change(history, known):
        return found.now
    runs = measured(history, history.champion_sha)
    return fmean(m.value for m in runs[-1]) if runs else history.best


def last_run(history: History) -> Measurement | None:
    """The newest run of the shown context: machine, corpus and isolation are read from it."""
    runs = history.champion_runs(history.champion_sha, shown_context(history)) or history.champion_runs(
        history.base, shown_context(history)
    )
    return runs[-1] if runs else None


def headline(history: History, known: Decisions | None = None) -> str:
    start, metric, tried = baseline(history), history.metric, history.tried
    known = known or Decisions(history)
    if not start:
        return f"Nothing to compare yet: the baseline has no {metric} measurement."
    scale = Scale(fmean(start))
    sd = noise(history)
    base = f"{scale.value(fmean(start))} ({plural(len(start), 'seed')}{f', noise sd {scale.value(sd)}' if sd is not None else ''})"
    if found := change(history, known):
        return _gain(known, found, scale)
    if history.keeps:
        where = "in the same context" + (" without a drift in between" if history.drifts else "")
        return f"{tally.kept(history, len(known.partly))}, but base and champion were not measured {where}, so no number is claimed."
    if not tried:
        return f"The baseline's {metric} is {base}; no experiment has finished yet."
    if history.chosen:
        return f"Nothing is in the stack: {tally.kept(history)}; {metric} stays at {base}."
    return f"No change beat the noise: {tried} tried, none kept; {metric} stays at {base}."


def sealed(known: Decisions, reads: int) -> str:
    """The same comparison on text that steered nothing, as a sentence; empty while it has not been read."""
    if not reads:
        return ""
    count = f"read {plural(reads, 'time')}"
    if not (found := final(known, "sealed")):
        return f"The sealed split was {count}; that does not compare the champion with the base yet."
    shown = f"{size(found, Scale(found.start))} on {found.seeds} v {plural(found.start_seeds, 'seed')}, {chance(found.p)}"
    return f"On the sealed split, which steered nothing: {shown}; {count}."


def chance(p: float) -> str:
    return f"p = {p:.1g}" if p >= 1e-6 else "p < 0.000001"


def size(found: Change, scale: Scale) -> str:
    """`0.0119 lower (95 % interval 0.0107 to 0.0131)`."""
    word = {True: "lower", False: "higher"}[found.delta < 0]
    bounds = scale.spread(found.low, found.high) or "unknown"
    if distinct(found):
        near, far = sorted((abs(found.low), abs(found.high)))
        bounds = f"{scale.value(near)} to {scale.value(far)}"
    return f"{scale.value(abs(found.delta))} {word} (95 % interval {bounds})"


def distinct(found: Change) -> bool:
    """Whether its interval leaves zero out."""
    return found.low is not None and found.low * found.high > 0


def _gain(known: Decisions, found: Change, scale: Scale) -> str:
    kept = tally.kept(known.history, len(known.partly))
    share = f", {abs(found.delta / found.start):.1%}" if found.start else ""
    text = f"{known.history.metric} {scale.value(found.start)} → {scale.value(found.now)}: {size(found, scale)}{share}, "
    if found.p is not None:
        text += f"on {plural(found.seeds, 'seed')} against {found.start_seeds} of the base, none of which selected anything; "
        text += f"proved ({chance(found.p)})" if found.proved else f"not proved yet ({chance(found.p)}; proved is below {LOOK:g})"
        text += f"; {kept}."
    else:
        seeds = f"{plural(found.seeds, 'fresh seed')}" if found.fresh else f"the {plural(found.seeds, 'seed')} that selected it"
        text += f"on {seeds} against {found.start_seeds} of the baseline; {kept}."
        text += " Not confirmed yet: the final comparison has not run." if distinct(found) else " Not distinguishable from noise yet."
    return text + ("" if known.history.improves(found.start + found.delta, found.start) else " This is worse than the baseline.")
