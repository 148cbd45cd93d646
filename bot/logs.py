"""Reads a log for `bot.replay`: a results.tsv in karpathy/autoresearch's columns, or one of our own ledgers."""

from collections.abc import Iterator
from pathlib import Path

from . import tsvfile
from .errors import UsageError
from .history import History
from .ledger import Ledger
from .records import Experiment
from .replay import Change, Log
from .report import facts
from .report.text import plain
from .stats import pooled, squares
from .tsvfile import NAMELESS, Row


def read(path: Path) -> Log:
    """UsageError where it is neither or has nothing to replay."""
    if path.is_dir():
        found = sorted(path.glob("*.jsonl"))
        if len(found) != 1:
            names = ", ".join(p.name for p in found) or "none"
            raise UsageError(f"{path}: a ledger folder has one .jsonl file, this one has {names}; name the file itself")
        path = found[0]
    return _ledger(path) if path.suffix == ".jsonl" else _table(path)


def _table(path: Path) -> Log:
    rows, problems = tsvfile.read(path)
    if problems:
        raise UsageError(problems[0])
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.commit if row.commit not in NAMELESS else f"line {row.line}", []).append(row)
    runs = {name: tuple(row.value for row in rows if row.value is not None) for name, rows in groups.items()}
    repeated = {name: values for name, values in runs.items() if len(values) > 1}
    first, *rest = [name for name in groups if runs[name]] or [None]
    if first is None:
        raise UsageError(f"{path} has no row with a value, so there is no base to begin from")
    heads = {name: groups[name][0] for name in rest}
    changes = (Change(name, runs[name], row.status == "keep", plain(row.description, 80)) for name, row in heads.items())
    count = sum(map(len, repeated.values()))
    notes = (f"noise from {count} rows of {len(repeated)} commits that occur more than once",) if repeated else ()
    return Log(runs[first], tuple(changes), len(groups) - len(rest) - 1, pooled([squares(v) for v in repeated.values()]), notes=notes)


def _ledger(path: Path) -> Log:
    ledger = Ledger(path.parent, path.stem)
    events = tuple(ledger.events())
    history = History.fold(events)
    context = facts.shown_context(history)
    base = [m.value for m in history.champion_runs(history.base, context)]
    if not base:
        raise UsageError(f"{path} has no run of the base, so there is nothing to begin from")
    sign = 1 if history.direction == "min" else -1
    tried = [e for e in history.experiments.values() if e.id and e.proposal]
    values = {e.id: tuple(sign * v for v in _values(e, context)) for e in tried}
    changes = tuple(_change(e, values[e.id]) for e in tried if values[e.id])
    here = [e for e in tried if values[e.id] or not any(m.context != context for m in e.measurements)]
    notes = [*ledger.problems, *history.oddities]
    if elsewhere := len(tried) - len(here):
        notes.append(f"left out, since they were measured under another budget, metric or machine: {elsewhere}")
    if early := sum(m.outcome == "stopped" for e in here for m in e.runs("screen")):
        notes.append(f"screening runs that were stopped early, so that only ours can decide on them: {early}")
    noise = pooled([squares(group) for group in history.samples(context) if len(group) > 1])
    return Log(tuple(sign * v for v in base), changes, len(here) - len(changes), noise, history.metric, sign, events, tuple(notes))


def _values(experiment: Experiment, context: str) -> Iterator[float]:
    runs = experiment.runs("screen", "confirm", "retest")
    return (m.value for m in runs if m.outcome == "ok" and m.context == context)


def _change(experiment: Experiment, values: tuple[float, ...]) -> Change:
    return Change(f"{experiment.id:04d}", values, experiment.status == "keep", plain(experiment.proposal.hypothesis, 80))
