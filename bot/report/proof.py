"""What the referee checked beside the number: isolation, leaks, the gap to unseen text, breaches. Pure."""

import json
from collections import Counter

from bot.history import History
from bot.records import Experiment, Measurement
from bot.report.text import Scale, block, fence, md

WARNING = """> [!WARNING]
> **{} of {} runs had no sandbox.** Such a candidate could read what your user can read, the validation text included, and use the
> network. Read what was kept before you believe it. The command **doctor** says how to get a sandbox here."""
NOTE = (
    "A second process that shares nothing with the first scored altered continuations; *leak* is the gain that such a look ahead can "
    "have brought, *at most* with 95 % confidence. *Gap* is the part of the gain that unseen text does not show: a model that has "
    "seen the validation text has one."
)


def levels(history: History) -> Counter[str]:
    """Isolation level -> runs."""
    return Counter(m.isolation or "none" for e in history.experiments.values() for m in e.measurements)


def isolation(history: History) -> str:
    """The levels of the newest night, and of the nights before it where they differ."""
    began = history.last_opened.at if history.last_opened else 0.0
    runs = [m for e in history.experiments.values() for m in e.measurements]
    now = Counter(m.isolation or "none" for m in runs if m.at >= began)
    before = Counter(m.isolation or "none" for m in runs if m.at < began)
    shown = _counted(now) or "no runs"
    return f"{shown}; in earlier nights {_counted(before)}" if before and set(before) != set(now) else shown


def warning(history: History) -> str:
    found = levels(history)
    return WARNING.format(found["none"], found.total()) if found["none"] else ""


def sealed_reads(history: History) -> int:
    return len(history.sealed_reads)


def heavy(experiment: Experiment) -> Measurement | None:
    """The run that passed the heavy probes, without which nothing is kept."""
    return next((m for m in experiment.runs("confirm") if m.dose == "heavy" and m.outcome == "ok"), None)


def worst_bound(history: History) -> float | None:
    """The largest leak bound among the kept, in bits per byte."""
    return max((m.leak_bound for e in history.keeps if (m := heavy(e)) and m.leak_bound is not None), default=None)


def section(history: History) -> str:
    rows = [_row(e, run) for e in history.keeps if (run := heavy(e))]
    if not rows:
        return ""
    head = ["| # | Isolation | Leak | At most | Gap on unseen text |", "|---|---|---|---|---|"]
    worst = worst_bound(history)
    summary = [f"No kept change owes more than {worst:.6f} bpb to looking ahead (95 %).", ""] if worst is not None else []
    return "\n".join(["## What was checked", "", *summary, *head, *rows, "", NOTE])


def _row(experiment: Experiment, run: Measurement) -> str:
    gap = "not measured"
    if run.audit_gap is not None:
        error = f" ± {run.audit_error:.4f}" if run.audit_error else ""
        gap = Scale(1.0).delta(run.audit_gap) + error + (f" (z = {run.audit_z:.1f})" if run.audit_z is not None else "")
    gain, bound = experiment.verdict.delta, _signed(run.leak_bound)
    if gain is not None and run.leak_bound is not None and run.leak_bound >= abs(gain):
        bound += ", **not less than its gain**"
    cells = [f"{experiment.id:04d}", md(run.isolation or "none"), _signed(run.leak), bound, gap]
    return f"| {' | '.join(cells)} |"


def breach(run: Measurement) -> list[str]:
    """Markdown of a violation: what its author can do, and the smallest case that shows it."""
    lines = [md(run.explanation, 400), ""] if run.explanation else []
    return lines + (["The smallest case that shows it:", "", fence("\n".join(reproduction(run))), ""] if run.reproduction else [])


def reproduction(run: Measurement) -> list[str]:
    """`name: value` lines, fit to print."""
    try:
        found = json.loads(run.reproduction)
    except ValueError:  # cut off at its limit
        found = None
    return block("\n".join(f"{name}: {value}" for name, value in found.items()) if isinstance(found, dict) else run.reproduction)


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{level} ({count} run{'s' * (count != 1)})" for level, count in found.most_common())


def _signed(value: float | None) -> str:
    return "–" if value is None else Scale(0.01).delta(value)
