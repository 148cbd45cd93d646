"""What did not make it: taken out again, discarded, failed. A list of dead ends is half of what a night is worth. Pure."""

from collections.abc import Callable

from bot.accounts import is_given
from bot.records import Experiment
from bot.report import shown
from bot.report.allocation import FAILURES
from bot.report.decisions import MARKED
from bot.report.kept import told
from bot.report.pull_changes import idea
from bot.report.pull_evidence import Evidence
from bot.report.pull_text import cell, details, table
from bot.report.text import plural


def section(case: Evidence, most: int) -> str:
    """`most`: rows of each list."""
    parts = [part for part in (_pruned(case, most), _dropped(case, most), _discarded(case, most), _failed(case, most)) if part]
    return "\n\n".join(["### What was tried and did not work", *parts, _patches(case)]).rstrip() if parts else ""


def _pruned(case: Evidence, most: int) -> str:
    stack = set(map(id, case.history.stack))
    found = [e for e in case.history.listed if id(e) not in stack]
    return _listed(case, f"Kept, then taken out again: {len(found)}", found, lambda e: _why_pruned(case, e), most)


def _why_pruned(case: Evidence, experiment: Experiment) -> str:
    label = case.known.labels.get(experiment.id)
    return cell(told(label).partition(": ")[2], 160) if label else "–"


def _dropped(case: Evidence, most: int) -> str:
    found = [e for e in case.history.given if e.status == "discard"]
    return _listed(case, f"Kept on an older base, and not carried over: {len(found):,}", found, _why_discarded, most)


def _discarded(case: Evidence, most: int) -> str:
    found = [e for e in case.history.experiments.values() if e.status == "discard" and not is_given(e)]
    return _listed(case, f"Discarded: {len(found):,}", found, _why_discarded, most)


def _why_discarded(experiment: Experiment) -> str:
    return cell(experiment.verdict.why.removeprefix("discarded: "), 140)


def _failed(case: Evidence, most: int) -> str:
    found = [e for e in case.history.experiments.values() if e.status in FAILURES]
    counts = ", ".join(f"{n} {status}" for status in FAILURES if (n := sum(e.status == status for e in found)))
    return _listed(case, f"Failed: {len(found):,} ({counts})", found, _why_failed, most)


def _why_failed(experiment: Experiment) -> str:
    run = shown.failure(experiment)
    why = cell(experiment.verdict.why or (run.reason if run else ""), 120)
    last = next((line for line in reversed(run.log_tail.splitlines()) if line.strip()), "") if run else ""
    told_last = f": {cell(last, 100)}" if last else ""
    return f"**{experiment.status}**, {why}{told_last}"


def _listed(case: Evidence, title: str, found: list[Experiment], why: Callable[[Experiment], str], most: int) -> str:
    if not found:
        return ""
    rows = table(("#", "Change", "Why"), found, lambda e: (case.known.number(e), idea(e), why(e)), most)
    rows += ["", MARKED] if case.known.drifted.intersection(e.id for e in found) else []
    gap = f", {plural(most, 'row')} shown" if len(found) > most else ""
    return details(title + gap, rows)


def _patches(case: Evidence) -> str:
    if not case.links.has_ledger:
        return ""
    name = case.settings.name
    return f"<sub>Every diff, these included: [{name}/patches]({case.links.ledger(f'{name}/patches', 'tree')}).</sub>"
