"""What happened to the research from outside: others moved its base or its branch, its machine or budget became another one. Pure."""

from datetime import UTC, datetime

from bot.history import History
from bot.report import machine
from bot.report.text import md


def events(history: History) -> list[tuple[float, str]]:
    """(when, what in one sentence without its full stop, not yet escaped), the oldest first."""
    moved = [(move.at, move.why) for move in history.rebases]
    switched = [(after.at, why) for before, after in history.new_contexts if (why := machine.switched(before, after))]
    return sorted(moved + switched)


def section(history: History) -> str:
    rows = [f"- {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC: {md(what, 320)}." for at, what in events(history)]
    return "\n".join(["## What changed on the way", "", *rows]) if rows else ""
