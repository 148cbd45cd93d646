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
from bot.report import facts
from bot.report.text import Scale, plain, spark

COLORS = {"baseline": "blue", "keep": "green", "discard": "bright_black", "running": "cyan", "stopped": "yellow"}
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


def table(history: History, experiments: Iterable[Experiment] | None = None) -> Table:
    """One row each; by default the baseline, every keep and the newest others."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=True)
    for name, justify in (("#", "right"), ("status", "left"), (plain(history.metric, 20), "right"), ("Δ", "right"), ("seeds", "right")):
        shown.add_column(name, justify=justify, no_wrap=True)
    shown.add_column("change", overflow="ellipsis", no_wrap=True, ratio=1)
    context, numbers = facts.shown_context(history), scale(history)
    for experiment in newest(history) if experiments is None else experiments:
        shown.add_row(*_cells(experiment, context, numbers))
    return shown


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
    return Group(Text(facts.headline(history), style="bold"), table(history), Text(facts.spent(history).text(), style="bright_black"))


def counts_text(counts: dict[str, int]) -> Text:
    text = Text()
    for status in facts.STATUSES:
        if counts.get(status):
            text.append(f"{', ' if text else ''}{counts[status]} {status}", style=color(status))
    return text or Text("no experiment yet", style="bright_black")


def champion_values(history: History) -> list[float]:
    """The champion's value after each keep, the base first."""
    start = facts.baseline(history)
    values = [fmean(start)] if start else []
    for keep in history.keeps:
        again = facts.remeasured(history, keep)
        value = fmean(again) if again else facts.shown_value(keep, facts.shown_context(history))[0]
        values += [value] if value is not None else []
    return values


def screen(history: History, running: str) -> Group:
    """`status`: everything on one screen."""
    numbers, line = scale(history), champion_values(history)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bright_black", no_wrap=True)
    grid.add_column()
    best = Text(f"{numbers.value(facts.standing(history))} {plain(history.metric, 20)}", style="bold green" if history.keeps else "bold")
    best.append(f"  commit {plain(history.champion_sha)[:7]}", style="bright_black")
    rows = [("state", Text(running)), ("champion", best), ("experiments", counts_text(history.counts()))]
    if len(line) > 1:
        rows.append(("progress", Text(f"{spark(line)}  {numbers.value(line[0])} → {numbers.value(line[-1])}", style="green")))
    rows.append(("time", Text(facts.spent(history).text())))
    if history.oddities:
        rows.append(("recovered", Text(f"{len(history.oddities)} oddities in the ledger, named in report.md", style="yellow")))
    for row in rows:
        grid.add_row(*row)
    title = plain(history.opened.branch) if history.opened else "autoresearch"
    return Group(Text(title, style="bold"), Text(facts.headline(history)), Text(), grid, Text(), table(history, newest(history, 8)[-12:]))
