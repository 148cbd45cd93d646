"""What comes from elsewhere: another tool's history, insights of other models, notes of people. All of it is quoted."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from bot.prompting.trim import fill
from bot.prompting.view import View
from bot.records import Imported, Learned

ALIKE = 0.6  # share of their words that two insights have in common from which on they say the same
NEWEST = 400  # insights that are looked at
NOTE, INSIGHT = 500, 320  # characters
FOCUS = 12  # newest notes of people


def imported(view: View, tokens: int) -> str:
    """Counts of each file, then what was kept there and what nearly was, then the rest, newest first."""
    sources: dict[str, list[Imported]] = defaultdict(list)
    for entry in view.history.imported:
        sources[entry.source].append(entry)
    lines = [_source(view, source, found) for source, found in sources.items()]
    order = sorted(reversed(view.history.imported), key=lambda entry: _rank(view, entry))
    told = (_imported(view, entry) for entry in order)
    return "\n".join(fill([*lines, *told], tokens, lambda n: f"({n:,} more left out)", len(lines) + len(order)))


def _source(view: View, source: str, found: list[Imported]) -> str:
    counts = ", ".join(f"{times:,} {view.quoter.line(status, 20)}" for status, times in Counter(e.status for e in found).most_common(6))
    return f"{view.quoter.line(source, 80)}: {len(found):,} experiments ({counts})"


def _rank(view: View, entry: Imported) -> tuple[int, float]:
    """Kept ones by gain, then what was better, then the others as they came."""
    gain = -view.sign * entry.delta if entry.delta is not None else 0.0
    return (0, -gain) if entry.status == "keep" else (1, -gain) if gain > 0 else (2, 0.0)


def _imported(view: View, entry: Imported) -> str:
    effect = "" if entry.delta is None else f" {view.number(entry.delta)}"
    return f"- {view.quoter.line(entry.status, 20)}{effect}: {view.quoter.line(entry.hypothesis, 140)}"


def learned(view: View, tokens: int) -> str:
    """Insights that came with a kept change or were found more than once first, then the newest; what says the same once."""
    newest = view.history.learned[: -NEWEST - 1 : -1]
    times = Counter(_words(note) for note in newest)
    useful = sorted(newest, key=lambda note: not (_kept(view, note) or times[_words(note)] > 1))
    notes = list(_different(useful))
    total = len(notes) + max(0, len(view.history.learned) - NEWEST)
    return "\n".join(fill((_insight(view, note) for note in notes), tokens, lambda n: f"({n:,} older ones left out)", total))


def _kept(view: View, note: Learned) -> bool:
    experiment = view.history.experiments.get(note.id)
    return bool(experiment) and experiment.status == "keep"


def _words(note: Learned) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", note.text.casefold()))


def _different(notes: list[Learned]) -> Iterator[Learned]:
    seen: list[frozenset[str]] = []
    for note in notes:
        words = _words(note)
        if words and all(len(words & other) < ALIKE * len(words | other) for other in seen):
            seen.append(words)
            yield note


def _insight(view: View, note: Learned) -> str:
    whose = f"#{note.id}{', kept' if _kept(view, note) else ''}" if note.id else "another machine's"
    return f"- ({whose}) {view.quoter.line(note.text, INSIGHT)}"


def focus(view: View, tokens: int) -> str:
    """Who said what, the newest first."""
    asked = [order for order in view.history.asked.values() if order.command == "focus"]
    newest = sorted(asked, key=lambda order: (order.at, order.comment), reverse=True)
    lines = (f"- {view.quoter.line(order.by, 60)}: {view.quoter.line(order.argument, NOTE)}" for order in newest[:FOCUS])
    return "\n".join(fill(lines, tokens, lambda n: f"({n:,} older notes left out)", len(newest)))
