"""What rules made of a log, for a terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bot.replay import Log, Result
from bot.report.text import Scale, plain


def page(log: Log, results: Sequence[Result]) -> Group:
    scale = Scale(log.base[0])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("rule", "kept", "discarded", "needs runs", "claimed gain", "within the noise"):
        table.add_column(name, justify="left" if name == "rule" else "right", no_wrap=True)
    for r in results:
        within = "" if not r.kept else "unknown" if r.within is None else f"{r.within} of {len(r.kept)}"
        claimed = scale.value(r.claimed) if r.kept else ""
        table.add_row(r.rule, str(len(r.kept)), str(len(r.discarded)), str(len(r.open)), claimed, within)
    head = f"{plain(log.metric)}: {len(log.changes)} changes with a value, {log.failed} without"
    notes = [*log.notes, *(f"{r.rule}: {note}" for r in results for note in r.notes)]
    keeps = [line for r in results for line in _keeps(r, scale)]
    return Group(Text(head, style="bold"), table, *(Text(plain(note)) for note in notes), *keeps)


def _keeps(result: Result, scale: Scale) -> list[Text]:
    lines = [Text(f"\n{result.rule} keeps", style="bold")] if result.kept else []
    for k in result.kept:
        mark = {True: "within the noise", False: "", None: ""}[k.within]
        lines.append(Text(f"  {plain(k.change.name)[:12]:12} {scale.delta(k.gain):>10}  {mark:16}  {k.change.what}"))
    return lines
