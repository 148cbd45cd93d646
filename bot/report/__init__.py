"""Views of a history: markdown, picture, TSV, terminal, JSON. Pure: the same ledger gives the same bytes. `files` writes them."""

from pathlib import Path
from typing import TYPE_CHECKING

from bot.history import History

if TYPE_CHECKING:
    from bot.ledger import Ledger
    from bot.settings import Settings


def write_all(history: History, ledger: "Ledger", settings: "Settings") -> list[Path]:
    """report.md, progress.png and results.tsv in the state folder; returns their paths."""
    from bot.report import files

    return files.write(settings, ledger, history)
