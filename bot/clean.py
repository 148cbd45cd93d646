"""Was the machine itself during a run? Throughput against that of equal runs. Pure.

Throughput is tokens per second of the budget's clock: the same commit repeats it, whatever the seed. A run that does not was
measured beside somebody, on a throttled device or a migrated machine, and says nothing about the change: measure it again.
"""

from collections.abc import Sequence
from statistics import median

from .records import Measurement

# Steps per CPU second beside 0, 1 and 2 busy neighbours were 1.40, 1.34 and 1.29: a cpu budget is meant to bear 8 %, and 25 % is
# neither. On an otherwise idle device the wall clock repeats within a few percent.
BANDS = {"cpu": 0.25, "wall": 0.10}
SPREADS = 2.0  # a commit whose own runs differ by more than the band gets this much of what they differ by
AGAINST_CHAMPION = 0.7  # a change may cost speed and be worth it; below this share of the champion's it is looked at twice
ONCE_SECONDS, ONCE_STEPS = 0.2, 2.0  # what a training spends once, and steps that the end of the budget cuts: short runs scatter


def suspicion(measurement: Measurement, same_sha: Sequence[Measurement], champion: Sequence[Measurement], clock: str = "cpu") -> str | None:
    """Why this good run is to be measured again: one sentence, or None. `clock` is the budget's.

    `same_sha`: earlier runs of the same commit, those that were suspect included. `champion`: good runs of the champion. What a
    repetition shows again is the candidate's own, and is accepted."""
    speed = throughput(measurement)
    if not speed:
        return None
    slack = ONCE_SECONDS / measurement.train_seconds + ONCE_STEPS / max(1, measurement.steps)
    band = BANDS[clock] + slack
    here = [m for m in same_sha if m.context == measurement.context]
    if any(m.suspect and abs(throughput(m) / speed - 1) <= band for m in here):
        return None
    if others := _own(measurement, [*here, *champion]):
        middle = median(others)
        allowed = max(band, SPREADS * max(abs(other / middle - 1) for other in others))
        off = speed / middle - 1
        if abs(off) <= allowed:
            return None
        what = f"{abs(off):.0%} {'above' if off > 0 else 'below'} the {len(others)} other runs of this commit"
        return f"throughput is off: {_shown(speed)}, {what} ({_shown(middle)}, {allowed:.0%} allowed)"
    usual = [throughput(m) for m in champion if m.context == measurement.context and _shape(m) == _shape(measurement) and throughput(m)]
    if usual and speed < (AGAINST_CHAMPION - slack) * median(usual):
        share = speed / median(usual)
        return f"throughput is off: {_shown(speed)}, {share:.0%} of the champion's with the same shape ({_shown(median(usual))})"
    return None


def throughput(m: Measurement) -> float:
    """Tokens per second of the budget's clock; 0 where the run has no such number."""
    return m.tokens / m.train_seconds if m.train_seconds > 0 else 0.0


def _own(measurement: Measurement, runs: Sequence[Measurement]) -> list[float]:
    """Throughputs of the other good runs of its commit; empty if there are fewer than two."""
    me = (measurement.id, measurement.role, measurement.index)
    good = {(m.id, m.role, m.index): throughput(m) for m in runs if _comparable(m, measurement)}
    good.pop(me, None)
    return list(good.values()) if len(good) >= 2 else []


def _comparable(m: Measurement, measurement: Measurement) -> bool:
    return m.sha == measurement.sha and m.context == measurement.context and m.outcome == "ok" and throughput(m) > 0


def _shape(m: Measurement) -> tuple[int, float]:
    """What decides the cost of a step as far as it is known: parameters, and tokens in a step."""
    return m.parameters, round(m.tokens / max(1, m.steps))


def _shown(speed: float) -> str:
    return f"{speed:,.0f} tokens/s"
