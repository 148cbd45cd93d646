"""The self-test's table: for a terminal, for a pipe, as JSON, as the markdown of docs/referee.md. Pure, but for printing."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from bot.report.text import plain
from bot.selftest.judge import Judged
from bot.selftest.zoo import Passed

STYLES = {"scored": "bold red", "reached": "red", "refused": "green", "harmless": "green"}


def show(cheats: Sequence[Judged], models: Sequence[Passed], console: Console) -> None:
    """Rich in a terminal, tab-separated in a pipe, the counts in the last line."""
    if console.is_terminal:
        console.print(rich_table(cheats))
        if models:
            console.print(zoo_table(models))
    else:
        for row in ["cheat", "what it tries", "level", "outcome here", "expected", "caught by"], *map(cells, cheats):
            print("\t".join(row), file=console.file)
        for model in models:
            print("\t".join([f"zoo/{model.name}", model.odd, model.level, model.outcome, "ok", plain(model.why)]), file=console.file)
    for one in cheats:
        if not one.ok:
            print(f"unexpected: {one.name} ({one.level}): {one.outcome}: {plain(one.why)}", file=console.file)
    print(counts(cheats, models), file=console.file)


def cells(one: Judged) -> list[str]:
    caught = plain(one.why) if one.won or not one.ok else one.caught_by
    return [f"{one.group}/{one.name}", one.tries, one.level, one.outcome, one.expected, caught]


def rich_table(cheats: Iterable[Judged]) -> Table:
    table = Table(title="Red team", title_justify="left", pad_edge=False)
    for name in ("cheat", "what it tries", "level", "outcome here", "expected", "caught by"):
        table.add_column(name, overflow="fold")
    for one in cheats:
        style = "bold white on red" if not one.ok else STYLES.get(one.outcome, "green")
        name, tries, level, outcome, expected, caught = cells(one)
        table.add_row(name, tries, level, f"[{style}]{outcome}[/]", expected, caught)
    return table


def zoo_table(models: Iterable[Passed]) -> Table:
    table = Table(title="Honest zoo", title_justify="left", pad_edge=False)
    for name in ("model", "what is odd about it", "level", "outcome here", "val_bpb or reason"):
        table.add_column(name, overflow="fold")
    for one in models:
        table.add_row(one.name, one.odd, one.level, f"[{'green' if one.ok else 'bold white on red'}]{one.outcome}[/]", plain(one.why))
    return table


def counts(cheats: Sequence[Judged], models: Sequence[Passed]) -> str:
    """The verdict on this machine in one line."""
    levels = ", ".join(dict.fromkeys([one.level for one in cheats] + [one.level for one in models])) or "nothing run"
    scored, reached = (sum(one.outcome == name for one in cheats) for name in ("scored", "reached"))
    unexpected = sum(not one.ok for one in cheats)
    refused = sum(not one.ok for one in models)
    words = [f"{len(cheats)} cheats", f"{scored} scored", f"{reached} reached another goal", f"{unexpected} unexpected"]
    words += [f"{len(models)} honest models, {refused} refused"] if models else []
    return f"{levels}: {', '.join(words)}"


def trusted(cheats: Iterable[Judged], models: Iterable[Passed]) -> bool:
    """Exit code 0: no cheat got anything, nothing was unexpected, no honest model was refused."""
    return all(one.ok and not one.won for one in cheats) and all(one.ok for one in models)


def as_json(cheats: Sequence[Judged], models: Sequence[Passed]) -> str:
    facts = {"ok": trusted(cheats, models), "counts": counts(cheats, models)}
    return json.dumps(facts | {"cheats": [asdict(one) for one in cheats], "zoo": [asdict(one) for one in models]}, indent=2)


def markdown(cheats: Sequence[Judged], levels: Sequence[str]) -> str:
    """One row for each cheat, one column for each level: what docs/referee.md shows."""
    by_cheat: dict[str, dict[str, Judged]] = {}
    for one in cheats:
        by_cheat.setdefault(f"{one.group}/{one.name}", {})[one.level] = one
    lines = [f"| cheat | what it tries | {' | '.join(levels)} | caught by |", "|---" * (len(levels) + 3) + "|"]
    for name, found in by_cheat.items():
        any_level = next(iter(found.values()))
        outcomes = [cell(found.get(level)) for level in levels]
        lines.append(" | ".join([f"| {name}", escaped(any_level.tries), *outcomes, f"{escaped(any_level.caught_by)} |"]))
    notes = [f"{level}: {counts([one for one in cheats if one.level == level], []).partition(': ')[2]}." for level in levels]
    return "\n".join([*lines, "", "**Bold**: the cheat got what it wanted; not caught at this level.", "", *notes]) + "\n"


def cell(one: Judged | None) -> str:
    if one is None:
        return "-"
    text = f"**{one.outcome}**" if one.won else one.outcome
    return text if one.ok else f"{text} (unexpected)"


def escaped(text: str) -> str:
    return text.replace("|", "\\|")
