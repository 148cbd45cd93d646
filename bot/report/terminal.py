"""Tables and lines for a terminal (rich). Candidate text is always `Text`, never markup."""

import sys
from collections.abc import Iterable
from statistics import fmean
from typing import TextIO

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bot.history import History
from bot.records import Experiment
from bot.report import facts, proof
from bot.report.allocation import allocation, spent
from bot.report.decisions import MARK, MARKED, Decisions
from bot.report.text import Scale, plain, spark

COLORS = {"baseline": "blue", "keep": "green", "discard": "bright_black", "running": "cyan", "stopped": "yellow"}
LABELS = {"confirmed": "green", "unproven": "yellow", "pruned": "bright_black"}
SHOWN = 15
WIDE = 200


def console(stream: TextIO | None = None) -> Console:
    """Wide, and without control codes, where `stream` (standard output) is not a terminal."""
    stream = stream or sys.stdout
    return Console(file=stream) if stream.isatty() else Console(file=stream, width=WIDE, force_terminal=False, color_system=None)


def color(status: str) -> str:
    return COLORS.get(status, "red")


def scale(history: History) -> Scale:
    start = facts.baseline(history)
    return Scale(fmean(start) if start else history.best)


def table(history: History, experiments: Iterable[Experiment] | None = None, known: Decisions | None = None) -> Table:
    """One row each; by default the baseline, every keep and the newest others."""
    known, experiments = known or Decisions(history), list(newest(history) if experiments is None else experiments)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=True)
    for name, justify in (("#", "right"), ("status", "left"), (plain(history.metric, 20), "right"), ("Δ", "right"), ("seeds", "right")):
        shown.add_column(name, justify=justify, no_wrap=True)
    kept = any(e.status == "keep" for e in experiments)
    if kept:
        shown.add_column("effect", no_wrap=True)
    shown.add_column("change", overflow="ellipsis", no_wrap=True, ratio=1)
    context, numbers = facts.shown_context(history), scale(history)
    for experiment in experiments:
        cells = _cells(experiment, context, numbers)
        cells[0:1] = [Text(known.number(experiment))]
        cells[5:5] = [_effect(experiment, numbers, known)] * kept
        shown.add_row(*cells)
    if any(MARK in known.number(e) for e in experiments):
        shown.caption, shown.caption_justify = Text(MARKED, style="yellow"), "left"
    return shown


def _effect(experiment: Experiment, numbers: Scale, known: Decisions) -> Text:
    """`confirmed −0.0119`: how a kept change ends, and what it is worth."""
    if experiment.status != "keep" or not (label := known.labels.get(experiment.id)):
        return Text()
    worth = f" {numbers.delta(label.effect)}" if label.effect is not None else ""
    return Text(label.status + worth, style=LABELS[label.status])


def newest(history: History, count: int = SHOWN) -> list[Experiment]:
    ids = sorted(history.experiments)
    wanted = {*ids[-count:], *(e.id for e in history.keeps[-count:]), *ids[:1]}
    return [history.experiments[id] for id in sorted(wanted)]


def _cells(experiment: Experiment, context: str, numbers: Scale) -> list[Text]:
    value, fresh = facts.shown_value(experiment, context)
    verdict = experiment.verdict
    seeds = str(verdict.seeds) if verdict and verdict.seeds else "screen" if value is not None and not fresh else ""
    status = experiment.status
    cells = [
        f"{experiment.id:04d}",
        status,
        numbers.value(value) if value is not None else "–",
        numbers.delta(verdict.delta) if verdict and verdict.delta is not None else "",
        seeds,
        what(experiment),
    ]
    style = color(status)
    return [Text(cell, style=style if i == 1 or status == "keep" else "") for i, cell in enumerate(cells)]


def what(experiment: Experiment, limit: int = 120) -> str:
    if experiment.id == 0:
        return "baseline"
    return plain(experiment.proposal.hypothesis, limit) if experiment.proposal else "(proposal lost)"


def summary(history: History) -> Group:
    """The end of a run: headline, table, where the time went."""
    known = Decisions(history)
    return Group(*_headlines(history, known), table(history, known=known), Text(spent(history).text(), style="bright_black"))


def _headlines(history: History, known: Decisions) -> list[Text]:
    sealed = facts.sealed(known, proof.sealed_reads(history))
    return [Text(facts.headline(history, known), style="bold")] + [Text(sealed)] * bool(sealed)


def counts_text(counts: dict[str, int]) -> Text:
    text = Text()
    for status in facts.STATUSES:
        if counts.get(status):
            text.append(f"{', ' if text else ''}{facts.counted(status, counts[status])}", style=color(status))
    return text or Text("no experiment yet", style="bright_black")


def champion_values(history: History) -> list[float]:
    """Each champion's value, the base first; none from before or after a drift that the base's runs are not from."""
    start = facts.measured(history, history.base)
    where = facts.stretch(history, start[-1][-1].at) if start else 0
    return [value for sha in history.champions if (value := facts.level(history, sha, where)) is not None]


def screen(history: History, running: str) -> Group:
    """`status`: everything on one screen."""
    numbers, line, known = scale(history), champion_values(history), Decisions(history)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bright_black", no_wrap=True)
    grid.add_column()
    standing = numbers.value(facts.standing(history, known))
    best = Text(f"{standing} {plain(history.metric, 20)}", style="bold green" if history.keeps else "bold")
    best.append(f"  commit {plain(history.champion_sha)[:7]}", style="bright_black")
    rows = [("state", Text(running)), ("champion", best), ("experiments", counts_text(history.counts()))]
    if len(line) > 1:
        rows.append(("progress", Text(f"{spark(line)}  {len(line) - 1} step{'s' * (len(line) > 2)} from the baseline", style="green")))
    rows.append(("time", Text(spent(history).text())))
    rows.append(("spent on", Text(allocation(history).text())))
    if history.drifts:
        count = f"found {len(history.drifts)} time{'s' * (len(history.drifts) > 1)}"
        rows.append(("drift", Text(f"{count}, see report.md", style="yellow")))
    if history.oddities:
        rows.append(("recovered", Text(f"{len(history.oddities)} oddities in the ledger, named in report.md", style="yellow")))
    for row in rows:
        grid.add_row(*row)
    title = plain(history.opened.branch) if history.opened else "autoresearch"
    shown = table(history, newest(history, 8)[-12:], known)
    return Group(Text(title, style="bold"), *_headlines(history, known), Text(), grid, Text(), shown)
