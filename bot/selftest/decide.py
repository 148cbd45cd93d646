"""The planted edits (`bot.selftest.planted`) through the real loop: a repository and a ledger of their own, real training, real decisions.

All state is in one folder, so a self-test that was stopped or killed continues where it was.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.errors import StopNow, UsageError
from bot.gitrepo import GitRepo
from bot.history import History
from bot.live import Observer
from bot.loop import run_loop
from bot.night import open_night
from bot.records import Experiment, Stopped
from bot.report.text import dumps, duration, plain
from bot.selftest import planted
from bot.selftest.cheats import ROOT
from bot.selftest.planted import ENTRY, Edit, Truth
from bot.settings import Settings
from bot.signals import Stop
from bot.stack import Stack
from bot.worth import Label

CONFIG = "autoresearch.yml"
SETTINGS = f"""name: selftest
editable: [{ENTRY}]
proposer: replay:../patches
stop_after: null
reserve: 25%
device: cpu
"""
PLAN, REPOSITORY, PATCHES = "plan.json", "repo", "patches"
LEVEL = 0.95


@dataclass(frozen=True)
class Trial:
    """One planted edit and what became of it. `better`: its one screening run beat the champion's mean; `tested`: it ran on fresh seeds."""

    id: int
    truth: Truth
    kind: str
    exact: bool
    what: str
    status: str = "waiting"
    better: bool = False
    tested: bool = False
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""
    label: str = ""  # of a kept one: confirmed, unproven or pruned


@dataclass(frozen=True)
class Rate:
    """`count` of `of`, with the exact (Clopper-Pearson) 95 % interval of the share."""

    count: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        from scipy.special import betaincinv

        k, n, tail = self.count, self.of, (1 - LEVEL) / 2
        return float(betaincinv(k, n - k + 1, tail)) if k else 0.0, float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0


def prepare(folder: Path, null: int, count: int, budget: str, fresh: bool = False) -> list[Edit]:
    """The planted edits, and in `folder` the repository and the patches that they are tried in; what is there already is continued.
    UsageError where something else is."""
    if not (path := ROOT / ENTRY).is_file():
        raise UsageError(f"the self-test needs a checkout of autoresearch: {path} is missing in this installation")
    text = path.read_text(encoding="utf-8")
    edits, start = planted.edits(text, null, count), planted.handicapped(text)
    patches = [planted.patch(start, edit) for edit in edits]
    digest = hashlib.sha256("\0".join([start, *patches]).encode()).hexdigest()
    plan = {"nulls": null, "planted": count, "budget": budget, "digest": digest, "edits": [asdict(edit) for edit in edits]}
    found = folder / PLAN
    if found.exists() and not fresh:
        _same(folder, json.loads(found.read_text()), plan)
        return edits
    if folder.exists() and (others := sorted({p.name for p in folder.iterdir()} - {PLAN, REPOSITORY, PATCHES})):
        raise UsageError(f"--state: {folder} holds {others[0]}, which no self-test put there; name another folder")
    _build(folder, start, patches)
    found.write_text(json.dumps(plan, indent=1))
    return edits


def _same(folder: Path, known: dict[str, Any], plan: dict[str, Any]) -> None:
    options = " ".join(f"--{name} {known[name]!r}" for name in ("nulls", "planted", "budget"))
    if any(known[name] != plan[name] for name in ("nulls", "planted", "budget")):
        raise UsageError(f"--state: {folder} was begun with {options}; use the same, another folder, or --fresh to begin again")
    if known["digest"] != plan["digest"]:
        raise UsageError(f"--state: {folder} was begun with another {ENTRY} or other edits; use another folder, or --fresh to begin again")


def _build(folder: Path, start: str, patches: Sequence[str]) -> None:
    (folder / PLAN).unlink(missing_ok=True)  # first: without it the rest is built again
    for name in (REPOSITORY, PATCHES):
        shutil.rmtree(folder / name, ignore_errors=True)
    root = folder / REPOSITORY
    (root / ENTRY).parent.mkdir(parents=True)
    (root / ENTRY).write_text(start, encoding="utf-8")
    (root / CONFIG).write_text(SETTINGS)
    (folder / PATCHES).mkdir()
    for number, text in enumerate(patches):
        (folder / PATCHES / _name(number)).write_text(text, encoding="utf-8")
    GitRepo(root).begin("Start of the self-test")


def _name(number: int) -> str:
    return f"{number:03d}.patch"  # it says nothing about the truth


def run(folder: Path, given: dict[str, Any], observer: Observer, stop: Stop) -> tuple[History, float | None]:
    """The night, from where it was, and the margin that its labels were made with; a signal ends it early. `given`: settings."""
    settings = Settings.load(folder / REPOSITORY, CONFIG, given, environ={})
    with open_night(settings, folder / REPOSITORY / CONFIG, observer, stop) as night:
        stop.notify, stop.preparing = observer.note, False
        observer.started(night.settings, night.history)
        reason = "ended by an error"
        try:
            reason = run_loop(night)
        except StopNow as error:
            reason = str(error)
        finally:
            pending = night.history.pending
            night.record(Stopped(time.time(), reason, pending.id if pending else None))
            observer.close()
        return night.history, night.settings.margin


def trials(history: History, edits: Sequence[Edit], margin: float | None = None) -> list[Trial]:
    """Every edit in the order of the proposals, tried or not."""
    by_source = {e.proposal.source: e for e in history.experiments.values() if e.proposal}
    labels = Stack(history, margin).labels() if history.keeps else {}
    return [_trial(history, edit, by_source.get(f"replay:{_name(number)}"), labels) for number, edit in enumerate(edits)]


def _trial(history: History, edit: Edit, experiment: Experiment | None, labels: dict[int, Label]) -> Trial:
    if not experiment or not experiment.verdict:
        return Trial(experiment.id if experiment else 0, edit.truth, edit.kind, edit.exact, edit.what)
    verdict, parent = experiment.verdict, experiment.proposal.parent
    screen = [m.value for m in experiment.runs("screen") if m.value is not None and m.outcome == "ok"]
    champion = [m.value for m in [*history.pool(parent), *history.selected(parent)]]
    better = bool(screen and champion) and history.improves(screen[-1], fmean(champion))
    label = labels[experiment.id].status if experiment.id in labels else ""
    return Trial(experiment.id, edit.truth, edit.kind, edit.exact, edit.what, verdict.status, better, verdict.seeds > 0,
                 verdict.delta, verdict.low, verdict.high, verdict.why, label)  # fmt: skip


GROUPS: dict[str, Callable[[Trial], bool]] = {
    "null": lambda t: t.truth == "null",
    "null, exact": lambda t: t.truth == "null" and t.exact,
    "null, shuffled": lambda t: t.truth == "null" and not t.exact,
    "good": lambda t: t.truth == "good",
    "bad": lambda t: t.truth == "bad",
}
EVENTS: dict[str, Callable[[Trial], bool]] = {
    "better in one run": lambda t: t.better,
    "tested": lambda t: t.tested,
    "kept": lambda t: t.status == "keep",
    "confirmed": lambda t: t.label == "confirmed",
}


def rates(found: Sequence[Trial]) -> dict[str, dict[str, Rate]]:
    """group -> event -> how many of those that were decided. A crash is no decision."""
    decided = [t for t in found if t.status in ("keep", "discard")]
    groups = {name: [t for t in decided if belongs(t)] for name, belongs in GROUPS.items()}
    return {name: {e: Rate(sum(map(happened, group)), len(group)) for e, happened in EVENTS.items()} for name, group in groups.items()}


def trusted(found: Sequence[Trial]) -> bool:
    """Exit code 0: no known harm was kept, no null edit ended as confirmed; and the loop could tell: most edits were decided by runs, and
    where there were good ones, one was kept."""
    kept, good = [t for t in found if t.status == "keep"], [t for t in found if t.truth == "good"]
    wrong = any(t.truth == "bad" or t.truth == "null" and t.label == "confirmed" for t in kept)
    decided = sum(t.status in ("keep", "discard") for t in found)
    return not wrong and 2 * decided > len(found) and (not good or any(t.truth == "good" for t in kept))


HEAD = ("edits", "tried", "better in one run", "tested again", "kept", f"{LEVEL:.0%} interval", "confirmed", f"{LEVEL:.0%} interval")
DETAILS = ("#", "truth", "edit", "verdict", "in the end", "why")


def rows(found: Sequence[Trial]) -> list[list[str]]:
    """One row for each group, as in HEAD."""
    shown = []
    for name, events in rates(found).items():
        better, tested, kept, confirmed = events.values()
        counts = [str(number) for number in (kept.of, better.count, tested.count, kept.count)]
        shown.append([name, *counts, _share(kept), str(confirmed.count), _share(confirmed)])
    return shown


def _share(rate: Rate) -> str:
    low, high = rate.interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def details(found: Sequence[Trial]) -> list[list[str]]:
    """What was planted, and the null edits that were not simply discarded, as in DETAILS."""
    told = [t for t in found if t.status != "waiting" and (t.truth != "null" or t.status != "discard")]
    return [[f"{t.id:04d}", t.truth, t.what, t.status, t.label, plain(t.why)] for t in told]


def show(found: Sequence[Trial], history: History, console: Console) -> None:
    """Rich in a terminal, tab-separated in a pipe; the last line says how far it is and why it ended."""
    for head, table in (DETAILS, details(found)), (HEAD, rows(found)):
        if console.is_terminal:
            grid = Table(*head, pad_edge=False)
            for row in table:
                grid.add_row(*map(Text, row))
            console.print(grid)
        else:
            print(*("\t".join(row) for row in (head, *table)), sep="\n", file=console.file)
    done, spent = sum(t.status != "waiting" for t in found), f"{_runs(history)} runs in {duration(history.wall_seconds)}"
    print(f"{done} of {len(found)} planted edits decided, then: {plain(_end(history))}; {spent}", file=console.file)


def _end(history: History) -> str:
    return history.last_stopped.reason if history.last_stopped else ""


def _runs(history: History) -> int:
    return sum(len(experiment.measurements) for experiment in history.experiments.values())


def as_json(found: Sequence[Trial], history: History, budget: str) -> str:
    counted = {
        group: {event: {"count": r.count, "of": r.of, "low": r.interval[0], "high": r.interval[1]} for event, r in events.items()}
        for group, events in rates(found).items()
    }
    told = {"ok": trusted(found), "ended": _end(history), "budget": budget, "rates": counted}
    return dumps(told | {"runs": _runs(history), "seconds": round(history.wall_seconds, 1), "trials": [asdict(t) for t in found]})
