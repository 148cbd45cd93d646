"""Other tools' logs as history: a results.tsv of karpathy/autoresearch, the autoresearch.jsonl of pi-autoresearch, a ledger of ours.

Each experiment becomes one `Imported` event, once, however often its file is read: proposers see it and do not repeat it. Its value was
measured elsewhere, so it is compared with nothing here. Where the experiment's commit is in this repository, its change is known, too.
"""

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from . import elsewhere, pifile, tsvfile
from .errors import UsageError
from .gitobjects import Objects
from .gitrepo import GitRepo
from .history import History
from .ledger import Ledger
from .records import Imported
from .report import files
from .report.allocation import FAILURES
from .report.text import plain

if TYPE_CHECKING:
    from .settings import Settings

STATUSES = {
    "keep": "keep", "kept": "keep", "baseline": "baseline", "discard": "discard", "discarded": "discard", "revert": "discard",
    "reverted": "discard", "crash": "crash", "crashed": "crash", "error": "crash", "failed": "crash", "checks_failed": "crash",
}  # fmt: skip
COMMIT = re.compile(r"[0-9a-f]{7,40}")
ENDED = re.compile(rf"(.*) \(({'|'.join(FAILURES)})\)", re.DOTALL)  # how our own results.tsv says what kind of crash it was
LONGEST = 500  # characters of a hypothesis

Changes = dict[str, tuple[str, dict[str, tuple[float, float]]]]  # commit -> (fingerprint, constants moved)


@dataclass(frozen=True)
class Tried:
    """One experiment of a log. `commit` is empty where it has none of its own; `segment`: values of two are not compared."""

    line: int
    commit: str
    value: float | None
    status: str
    what: str
    direction: str
    segment: int = 0


@dataclass(frozen=True)
class Found:
    """What a file holds: its experiments, and a sentence for each line that is lost and for what else there is to know."""

    path: Path
    experiments: Sequence[Imported] = ()
    problems: Sequence[str] = ()


def read(path: Path, settings: "Settings", repo: GitRepo) -> Found:
    """Without experiments where the file is none of the kinds that are known here."""
    try:
        if _is_ledger(path):
            return _ledger(path, settings)
        rows, problems = _runs(path, settings) if tsvfile.text(path).lstrip().startswith("{") else _rows(path, settings)
    except UsageError as error:
        return Found(path, problems=[str(error)])
    except OSError as error:
        return Found(path, problems=[f"{path} cannot be read: {error.strerror}"])
    made = [*_imported(path.name, rows, _changes(repo, rows, settings.editable), time.time())]
    return Found(path, made, problems if made or problems else [f"{path} has no experiment in it"])


def _ledger(path: Path, settings: "Settings") -> Found:
    if path.resolve() == files.ledger(settings).path.resolve():
        raise UsageError(f"{path} is this research's own ledger; there is nothing to import")
    ledger = Ledger(path.parent, path.stem)
    history = History.fold(ledger.events(), curves=False)
    made = [structs.replace(e, at=time.time()) for e in elsewhere.of(history, path.name, history.experiments.values())]
    return Found(path, made, [*ledger.problems, *history.oddities])


def new(found: Sequence[Imported], history: History) -> list[Imported]:
    """Those that the history does not have yet, also under the name of another file. Equal ones count as often as they occur."""
    have, seen, made = Counter(map(_key, history.imported)), Counter(), []
    for event in found:
        seen[_key(event)] += 1
        if seen[_key(event)] > have[_key(event)]:
            made.append(event)
    return made


def _key(event: Imported) -> tuple[str, str, str, float | None]:
    return event.key, event.hypothesis, event.status, event.value


def _is_ledger(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"event":' in file.readline()


# Rows


def _rows(path: Path, settings: "Settings") -> tuple[list[Tried], list[str]]:
    rows, problems, tried = *tsvfile.read(path), []
    for row in rows:
        if status := _status(row.status, f"{path} line {row.line}", problems):
            ended = ENDED.fullmatch(row.description) if status == "crash" else None
            status, what = (ended[2], ended[1]) if ended else (status, row.description)
            tried.append(Tried(row.line, row.commit, row.value, status, what, settings.direction))
    return tried, problems


def _runs(path: Path, settings: "Settings") -> tuple[list[Tried], list[str]]:
    runs, problems, tried = *pifile.read(path), []
    for metric in dict.fromkeys(run.metric for run in runs if _foreign(run, settings)):
        other = f"{plain(metric, 40)} is not what this research measures ({settings.metric}, {settings.direction})"
        problems.append(f"{path}: {other}; the ideas are imported, the values are not")
    for run in runs:
        if status := _status(run.status, f"{path} line {run.line}", problems):
            what = run.description + (" (checks failed)" if run.status == "checks_failed" else "")
            what += f"; learned: {run.learned}" if run.learned else ""
            value, commit = None if _foreign(run, settings) else run.value, run.commit if status == "keep" else ""
            tried.append(Tried(run.line, commit, value, status, what, run.direction or settings.direction, run.segment))
    return tried, problems


def _foreign(run: pifile.Run, settings: "Settings") -> bool:
    return run.metric not in ("", settings.metric) or run.direction not in ("", settings.direction)


def _status(text: str, where: str, problems: list[str]) -> str:
    status = STATUSES.get(text.lower(), "")
    if not status:
        problems.append(f"{where}: status is {plain(text, 20)!r}; known are keep, discard and crash")
    return status


def _imported(source: str, rows: Iterable[Tried], changes: Changes, at: float) -> Iterator[Imported]:
    best: dict[int, float] = {}  # of each segment
    for row in rows:
        before, value = best.get(row.segment), row.value
        if value is not None and row.status == "keep" and before is None:
            row = replace(row, status="baseline")  # upstream's first keep
        delta = None if value is None or before is None else value - before
        if value is not None and row.status in ("keep", "baseline"):
            best[row.segment] = value if before is None else (min if row.direction == "min" else max)(before, value)
        fingerprint, moved = changes.pop(row.commit, ("", {}))  # what comes again was measured again, or is a champion's commit
        key = plain(row.commit, 40) if row.commit not in tsvfile.NAMELESS else f"line {row.line}"
        yield Imported(at, source, key, plain(row.what, LONGEST), row.status, value, delta, fingerprint, moved)


# Commits


def _changes(repo: GitRepo, rows: Iterable[Tried], editable: Sequence[str]) -> Changes:
    """Of the commits that are here and change editable files."""
    from .duplicates import fingerprint, moved

    commits = list(dict.fromkeys(row.commit for row in rows if COMMIT.fullmatch(row.commit)))
    found = Objects(repo).named(f"{commit}{side}:{path}" for commit in commits for side in ("", "^") for path in editable)
    changes = {}
    for commit in commits:
        old, new = ({path: found.get(f"{commit}{side}:{path}") for path in editable} for side in ("^", ""))
        if None not in new.values() and old != new:
            before, after = ({path: (data or b"").decode(errors="replace") for path, data in side.items()} for side in (old, new))
            changes[commit] = fingerprint(after), moved(before, after)
    return changes
