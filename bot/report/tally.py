"""How many were tried and what became of them, in words. What was given, and not tried here, is counted apart. Pure."""

from collections import Counter

from bot.history import History
from bot.report.allocation import FAILURES
from bot.report.text import plural

STATUSES = ("keep", "discard", *FAILURES, "stopped", "running")
GIVEN = {
    "carried": "carried over to a new base",
    "dropped": "dropped there",
    "adopted": "by others",
}  # as `History.given_counts` calls them


def counted(status: str, count: int) -> str:
    """`3 keep`. An experiment that the night's end interrupted is not one whose run was stopped early."""
    return f"{count} {status}{' (to be continued)' if status == 'stopped' else ''}"


def tried(history: History) -> str:
    """`2 keep, 9 discard, 1 crash`."""
    counts = history.counts()
    return ", ".join(counted(s, counts[s]) for s in STATUSES if counts.get(s)) or "none yet"


def given(history: History) -> str:
    """`1 carried over to a new base, 2 by others`; empty where there are none."""
    counts = history.given_counts()
    return ", ".join(f"{counts[kind]} {words}" for kind, words in GIVEN.items() if counts.get(kind))


def everything(history: History) -> str:
    """`2 keep, 9 discard; not tried here: 1 carried over to a new base`."""
    return tried(history) + (f"; not tried here: {others}" if (others := given(history)) else "")


def kept(history: History, partly: int = 0) -> str:
    """`3 of 12 changes kept, 1 of them taken out again`, and what became of the others. `partly`: how many lost a part."""
    fates, count = Counter(history.fates.values()), history.tried
    text = f"{sum(fates.values())} of {plural(count, 'change')} kept"
    out = [f"{fates['out']} of them"] * bool(fates["out"]) + [f"parts of {partly}"] * bool(partly)
    text += f", {' and '.join(out)} taken out again" if out else ""
    text += f", {fates['merged']} merged" if fates["merged"] else ""
    text += f", {fates['left']} left behind with an older base" if fates["left"] else ""
    others = sum(not history.ours(e) for e in history.stack)
    return text + (f"; {plural(others, 'commit')} of others {'are' if others > 1 else 'is'} in the stack too" if others else "")


def in_stack(history: History) -> str:
    """`2 changes of 12 tried are in it`; others' commits are named apart."""
    ours = sum(map(history.ours, history.stack))
    others, tried_here = len(history.stack) - ours, history.tried
    text = f"{plural(ours, 'change')} of {tried_here:,} tried {'is' if ours == 1 else 'are'} in it"
    beside = f"{plural(others, 'commit')} of others"
    if not ours and others:
        return f"{beside} {'is' if others == 1 else 'are'} in it, and none of {tried_here:,} tried"
    return text + (f", and {beside}" if others else "")
