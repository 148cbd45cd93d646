"""What each kept change is worth and how sure that is, as a table for a terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from bot.report import terminal
from bot.report.decisions import Decisions
from bot.report.kept import effect

COLORS = {"confirmed": "green", "unproven": "yellow", "pruned": "bright_black"}


def table(known: Decisions) -> Table | Text:
    history, scale = known.history, terminal.scale(known.history)
    if not history.listed:
        return Text("nothing was kept, so there is nothing to prove")
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("#", "change", "effect (95 %)", "status", "why"):
        shown.add_column(name, overflow="fold")
    for keep in history.listed:
        label = known.labels.get(keep.id)
        if label:
            status = Text(label.status, style=COLORS[label.status])
            why = Text(label.why.removeprefix(f"{label.status}: "))
            shown.add_row(known.number(keep), Text(terminal.what(keep, 60)), effect(label, scale) or "–", status, why)
    return shown
