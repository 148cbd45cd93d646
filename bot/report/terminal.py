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
from bot.report import cost, facts, imported, proof, shown, tally
from bot.report.allocation import allocation, spent
from bot.report.decisions import MARK, MARKED, Decisions
from bot.report.text import Scale, plain, plural, spark

COLORS = {"baseline": "blue", "keep": "green", "discard": "bright_black", "running": "cyan", "stopped": "yellow"}
LABELS = {"confirmed": "green", "unproven": "yellow", "pruned": "bright_black"}
SHOWN = 15
OLDER = "‡"  # behind the number of an experiment of an older base
IS_OLDER = f"{OLDER} {shown.OLDER}: value and Δ say nothing of this baseline"
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
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=True)
    for name, justify in (("#", "right"), ("status", "left"), (plain(history.metric, 20), "right"), ("Δ", "right"), ("seeds", "right")):
        rows.add_column(name, justify=justify, no_wrap=True)
    kept = any(e.status == "keep" for e in experiments)
    if kept:
        rows.add_column("effect", no_wrap=True)
    rows.add_column("change", overflow="ellipsis", no_wrap=True, ratio=1)
    context, numbers = facts.shown_context(history), scale(history)
    for experiment in experiments:
        cells = _cells(history, experiment, context, numbers)
        cells[0:1] = [Text(known.number(experiment) + OLDER * history.older(experiment))]
        cells[5:5] = [_effect(experiment, numbers, known)] * kept
        rows.add_row(*cells)
    notes = [MARKED] * any(MARK in known.number(e) for e in experiments) + [IS_OLDER] * any(map(history.older, experiments))
    rows.caption, rows.caption_justify = Text("\n".join(notes), style="yellow") if notes else None, "left"
    return rows


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


def _cells(history: History, experiment: Experiment, context: str, numbers: Scale) -> list[Text]:
    found = shown.value(history, experiment, context)
    verdict, status = experiment.verdict, experiment.status
    cells = [
        f"{experiment.id:04d}",
        status,
        numbers.value(found.value),
        numbers.delta(verdict.delta) if verdict and verdict.delta is not None else "",
        str(found.seeds) if found.fresh else "screen" if found.seeds else "",
        what(experiment),
    ]
    style = color(status)
    return [Text(cell, style=style if i == 1 or status == "keep" else "") for i, cell in enumerate(cells)]


def what(experiment: Experiment, limit: int = 120) -> str:
    given = plain(shown.origin(experiment), 60)
    return plain(shown.name(experiment), limit) + (f" ({given})" if given else "")


def summary(history: History) -> Group:
    """The end of a run: headline, table, where the time and the money went."""
    known = Decisions(history)
    ends = filter(None, [spent(history).text(), cost.text(known)])
    return Group(*_headlines(history, known), table(history, known=known), *(Text(line, style="bright_black") for line in ends))


def _headlines(history: History, known: Decisions) -> list[Text]:
    sealed = facts.sealed(known, proof.sealed_reads(history))
    return [Text(facts.headline(history, known), style="bold")] + [Text(sealed)] * bool(sealed)


def counts_text(history: History) -> Text:
    """What was tried here by how it ended, and what was given."""
    text, counts, given = Text(), history.counts(), tally.given(history)
    for status in tally.STATUSES:
        if counts.get(status):
            text.append(f"{', ' if text else ''}{tally.counted(status, counts[status])}", style=color(status))
    text = text or Text("no experiment yet", style="bright_black")
    return text.append(f"; not tried here: {given}", style="bright_black") if given else text


def champion_values(history: History) -> list[float]:
    """Each champion's value, the base first; none from before or after a drift that the base's runs are not from."""
    start = facts.measured(history, history.base)
    where = facts.stretch(history, start[-1][-1].at) if start else 0
    return [value for sha in history.champions if (value := facts.level(history, sha, where)) is not None]


def screen(history: History, running: str, beside: str = "") -> Group:
    """`status`: everything on one screen. `beside`: what other devices did."""
    numbers, line, known = scale(history), champion_values(history), Decisions(history)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bright_black", no_wrap=True)
    grid.add_column()
    standing = numbers.value(facts.standing(history, known))
    best = Text(f"{standing} {plain(history.metric, 20)}", style="bold green" if history.keeps else "bold")
    best.append(f"  commit {plain(history.champion_sha)[:7]}", style="bright_black")
    rows = [("state", Text(running)), ("champion", best), ("experiments", counts_text(history))]
    if len(line) > 1:
        rows.append(("progress", Text(f"{spark(line)}  {plural(len(line) - 1, 'step')} from the baseline", style="green")))
    rows.append(("time", Text(spent(history).text())))
    rows.append(("spent on", Text(allocation(history).text())))
    if asked := cost.text(known):
        rows.append(("proposals", Text(asked)))
    if beside:
        rows.append(("beside", Text(beside)))
    if brought := imported.text(history):
        rows.append(("imported", Text(brought)))
    if history.drifts:
        rows.append(("drift", Text(f"found {plural(len(history.drifts), 'time')}, see report.md", style="yellow")))
    if history.rebases:
        rows.append(("others", Text(f"moved the base or the branch {plural(len(history.rebases), 'time')}, see report.md", style="yellow")))
    if history.oddities:
        count = len(history.oddities)
        rows.append(("recovered", Text(f"{count} oddit{'ies' if count > 1 else 'y'} in the ledger, named in report.md", style="yellow")))
    for row in rows:
        grid.add_row(*row)
    title = plain(history.opened.branch) if history.opened else "autoresearch"
    newer = table(history, newest(history, 8)[-12:], known)
    return Group(Text(title, style="bold"), *_headlines(history, known), Text(), grid, Text(), newer)
