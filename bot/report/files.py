"""Where the ledger is read from and where report.md, progress.png and results.tsv are written."""

from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import UsageError
from bot.history import History
from bot.ledger import Ledger

if TYPE_CHECKING:
    from bot.settings import Settings


def state(settings: "Settings") -> Path:
    return settings.root / settings.state_dir


def ledger(settings: "Settings") -> Ledger:
    return Ledger(state(settings) / "ledger" / settings.name)


def folder(settings: "Settings") -> Path:
    return state(settings) / "report" / settings.name


def load(settings: "Settings", curves: bool = False) -> tuple[Ledger, History]:
    """What is recorded so far; takes no lock, so it works while a run is in progress. UsageError before the first run."""
    found = ledger(settings)
    if not found.path.exists():
        raise UsageError(f"{settings.branch} has no ledger yet ({found.path}); start it with `autoresearch run`")
    return found, History.fold(found.events(), curves)


def write(settings: "Settings", found: Ledger, history: History) -> list[Path]:
    """Writes all three, each whole or not at all, and returns their paths."""
    from bot.report import markdown, plot, tsv

    target = folder(settings)
    target.mkdir(parents=True, exist_ok=True)
    paths = [target / name for name in ("report.md", "progress.png", "results.tsv")]
    text = markdown.render(history, found.problems, settings)
    writers = (
        lambda path: path.write_text(text, encoding="utf-8"),
        lambda path: plot.progress_png(history, path),
        lambda path: tsv.write(history, path),
    )
    for path, writer in zip(paths, writers, strict=True):
        temporary = path.with_name(f".{path.name}.tmp")
        writer(temporary)
        temporary.replace(path)
    return paths
