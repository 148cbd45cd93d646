"""What was imported from other tools' logs (`autoresearch import`): how many experiments, from where. Pure."""

from collections import Counter

from bot.history import History
from bot.report.text import plain, plural


def counts(history: History) -> dict[str, dict[str, int]]:
    """Name of the file -> status -> how many."""
    found: dict[str, dict[str, int]] = {}
    for (source, status), count in Counter((event.source, event.status) for event in history.imported).items():
        found.setdefault(source, {})[status] = count
    return found


def text(history: History) -> str:
    """`23 experiments: results.tsv (1 baseline, 4 keep, 18 discard)`; empty where nothing was imported."""
    each = (
        f"{plain(source, 60)} ({', '.join(f'{count} {plain(status, 20)}' for status, count in known.items())})"
        for source, known in counts(history).items()
    )
    return f"{plural(len(history.imported), 'experiment')}: {', '.join(each)}" if history.imported else ""
