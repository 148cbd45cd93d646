"""The pull request's first screen: what is claimed, on which runs it rests, and every reason to doubt it. Pure."""

import math
from statistics import fmean

from bot.report import facts, proof, tally
from bot.report.pull_changes import leaks
from bot.report.pull_evidence import Evidence, delta
from bot.report.pull_text import cell, share, table, whole
from bot.report.text import plural
from bot.stack import LOOK
from bot.stats import squares, variance

COMPARED = ("baseline", "now", whole("difference (95 %)"), "seeds, now v base", "sd between seeds", "evidence")
SPLITS = {"val": "validation", "sealed": "sealed split"}
MOVED = 3  # standard deviations between two means of the base from which on a reader must know


def headline(case: Evidence) -> str:
    parts = [f"**{_claim(case)}**{_basis(case)}"]
    if case.change and case.standing != "silent":
        columns = [("val", case.change, _sure(case))] + ([("sealed", case.sealed, _sealed(case))] if case.sealed else [])
        cells = [_comparison(case, found, spread(case, split), why) for split, found, why in columns]
        rows = list(zip(COMPARED, *cells, strict=True))
        parts.append("\n".join(table(("", *(SPLITS[split] for split, _, _ in columns)), rows, lambda row: row, len(rows))))
        parts += [moved] if (moved := _moved(case)) else []
    return "\n\n".join([*parts, *filter(None, [proof.warning(case.history), leaks(case)])])


def _claim(case: Evidence) -> str:
    found, scale = case.change, case.scale
    if case.standing in ("nothing", "silent"):
        return _nothing(case)
    part = f" ({share(abs(found.delta / found.start), 1).lstrip('+')})" if found.start else ""
    gain = f"{case.metric} is {scale.value(abs(found.delta))} {'lower' if found.delta < 0 else 'higher'}{part}"
    return {
        "proved": f"Proved: {gain}.",
        "open": f"Not proved yet: {gain}.",
        "sealed": f"Not confirmed: {gain}, but the sealed split does not show it.",
        "noise": "Not proved yet: the gain cannot be told from noise.",
        "worse": f"No gain: with these changes {gain}. Do not merge this.",
    }[case.standing]


def _nothing(case: Evidence) -> str:
    history = case.history
    if history.listed and not history.stack:
        return f"Nothing is left: {tally.kept(history)}."
    if history.stack and case.change:
        return "No number is claimed: the ledger was measured for another metric or direction than the one in the settings."
    return cell(facts.headline(history, case.known), 400)


def _basis(case: Evidence) -> str:
    """What kind of runs the claim rests on, and what is missing."""
    found = case.change
    if not found or case.standing == "silent":
        return ""
    kept = f" {tally.in_stack(case.history)}."
    if found.p is not None:
        ran = " Base and branch were measured again, in turn, in runs that selected nothing."
        return ran + ("" if found.proved else f" Proved means p < {LOOK:g}.") + kept
    those = "runs on fresh seeds" if found.fresh else "the runs that selected it, which flatter it"
    return f" The final comparison has not run yet; the numbers below are of {those}." + kept


def _sure(case: Evidence) -> str:
    found = case.change
    if found.p is None:
        return "the final comparison has not run"
    return f"{'**proved**' if found.proved else 'not proved yet'}, {facts.chance(found.p)}"


def _sealed(case: Evidence) -> str:
    reads = proof.sealed_reads(case.history)
    return f"{facts.chance(case.sealed.p)}; steered nothing, read {plural(reads, 'time')}"


def _comparison(case: Evidence, found: facts.Change, sd: float | None, evidence: str) -> list[str]:
    """Cells of COMPARED."""
    scale, seeds = case.scale, f"{found.seeds} v {found.start_seeds}"
    numbers = [scale.value(found.start), scale.value(found.now), f"**{whole(delta(found, scale))}**"]
    return [*numbers, seeds, scale.value(sd), whole(evidence)]


def spread(case: Evidence, split: str) -> float | None:
    """Standard deviation between the seeds of one commit: among the runs of the final comparison, before it among those of the search."""
    stack = case.known.stack
    groups = [[m.value for m in stack.final(sha, split)] for sha in (case.history.base, stack.whole)]
    found, degrees = variance(*map(squares, groups))
    return math.sqrt(found) if degrees and case.change.p is not None else facts.noise(case.history)


def _moved(case: Evidence) -> str:
    """A base that measures what it did not measure before is the first thing to doubt, so it is told."""
    before, found, sd = facts.baseline(case.history), case.change, facts.noise(case.history)
    if found.p is None or not before or not sd or abs(found.start - fmean(before)) <= MOVED * sd:
        return ""
    return (
        f"During the search the same base measured {case.scale.value(fmean(before))} on {plural(len(before), 'seed')}, with a standard "
        f"deviation of {case.scale.value(sd)}: the machine did not measure the same all night. The table compares only runs that were "
        "made in turn."
    )
