"""Measurements, recorded: one run of anything, and where the champion stands."""

import time
from statistics import fmean
from typing import TYPE_CHECKING, Any

from . import noise, trust
from .errors import AutoresearchError, BaselineFailed
from .records import Drift, Measurement, Role, Verdict
from .recover import MAX_INVALID
from .report import repeats
from .report.text import plain
from .seeds import next_seed

if TYPE_CHECKING:
    from .loop import Night

REFRESHED = 1  # runs of a new champion on fresh seeds before the next proposal


def take(night: "Night", id: int, role: Role, sha: str, seed: int | None = None, champion: str = "", **how: Any) -> Measurement:
    """One measurement, recorded. A champion that fails ends the night: there is nothing to compare with.

    Without a `seed` it is `bot.seeds`'; `champion`: whose bits say where to probe, by default the one that the experiment challenges."""
    history, known = night.history, night.history.experiments.get(id)
    earlier = [m for m in known.measurements if m.role == role] if known else []
    index = max((m.index for m in earlier), default=-1) + 1  # not their count: a line may be lost, and its seed is used up
    if seed is None:
        seed = next_seed(history, night.settings.name, id, role, index, sha)
    night.observer.run_started(role, index, seed)
    if not champion:
        champion = known.proposal.parent if known and known.proposal and not known.verdict else history.champion_sha
    dose = "light" if role == "screen" else "heavy"  # all that counts as evidence; a candidate can work out its role from its seed
    measurement = night.measure(id=id, role=role, index=index, sha=sha, seed=seed, dose=dose, champion=champion, **how)
    others = history.champion_runs(champion, measurement.context)
    measurement = trust.clean(measurement, history.runs_of(sha, id), others, night.settings.limit.clock)
    night.record(measurement)
    night.observer.run_finished(measurement)
    if said := repeats.news(history, measurement):
        night.observer.note(said)
    if role in ("baseline", "champion") and measurement.outcome != "ok":
        reason = f"the {role} run ended as {measurement.outcome}: {plain(measurement.reason)}"
        if measurement.outcome != "invalid":
            raise BaselineFailed("\n".join([reason, *trust.told(measurement)]))
        if [m.outcome for m in [*earlier, measurement]][-MAX_INVALID:] == ["invalid"] * MAX_INVALID:
            raise AutoresearchError(f"{reason} ({MAX_INVALID} times in a row; is this machine fit to measure, and the same as before?)")
    return measurement


def measure_champion(night: "Night") -> None:
    """Where the champion stands: the baseline at first, and again on a changed machine or budget and after a drift; one run on a fresh seed
    after each keep, the others in turn with its first rival's. Now and then one more, to see that all is as it was."""
    history, role, id = night.history, *champion_role(night)
    sha = history.champion_sha
    while _base_unknown(night) and not night.stop.soft:
        take(night, 0, "baseline", history.base)
    wanted = REFRESHED if history.selected(sha) else night.settings.baseline_seeds
    while len(history.pool(sha)) < wanted and not night.stop.soft:
        take(night, id, role, sha)
    if night.stop.soft:
        return
    if noise.due(history):
        take(night, id, "champion", sha)
    watch(night)
    first = history.experiments.get(0)
    measured = first and first.verdict and first.verdict.sha in ("", history.base)  # of older ledgers without the sha: the first base
    if first and not measured and (contexts := history.contexts(history.base)):
        runs = history.champion_runs(history.base, contexts[-1])  # as a champion, where it was one before it was merged
        mean = fmean(m.value for m in runs)
        night.record(Verdict(time.time(), 0, "baseline", f"mean of {len(runs)} seeds", value=mean, seeds=len(runs), sha=history.base))
        night.observer.verdict(first)


def _base_unknown(night: "Night") -> bool:
    """Whether changes were carried to a base of which nobody knows yet where it stands."""
    history = night.history
    known = sum(len(history.champion_runs(history.base, where)) for where in history.contexts(history.base))
    return bool(history.rebases and history.keeps) and known < night.settings.baseline_seeds


def champion_role(night: "Night") -> tuple[Role, int]:
    """Role and experiment that the champion's own runs are recorded under."""
    keeps = night.history.keeps
    return ("champion", keeps[-1].id) if keeps else ("baseline", 0)


def watch(night: "Night") -> None:
    """Looks whether the champion still measures what it did; where two runs say no, what was measured before is not compared any more."""
    history, sha = night.history, night.history.champion_sha
    while not night.stop.soft:
        pool = history.pool(sha)
        found = noise.suspicion([m.value for m in pool], noise.NightNoise(history).of_others(sha).champion)
        if found == "drift":
            before, after = (fmean(m.value for m in part) for part in (pool[: -noise.AFTER], pool[-noise.AFTER :]))
            why = f"the champion measured {before:.6g} in {len(pool) - noise.AFTER} runs, and then {after:.6g} in {noise.AFTER}"
            night.record(Drift(time.time(), since=pool[-noise.AFTER - 1].at, why=why))
            night.observer.note(f"drift: {why}; the noise and the champion are measured again")
            return measure_champion(night)
        if not found:
            return
        take(night, champion_role(night)[1], "champion", sha)
