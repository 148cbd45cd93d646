"""`autoresearch import FILE...`: what other tools have tried becomes history that proposers see and do not repeat."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.errors import UsageError

from . import load_settings

if TYPE_CHECKING:
    from bot.importing import Found
    from bot.records import Imported


@click.command("import", short_help="Other tools' history, for proposers to see.")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Name of the research.")
def command(paths: tuple[Path, ...], name: str | None) -> None:
    """Read the history of other tools: proposers see it, and what it has tried is not tried again.

    FILE is a results.tsv (commit, val_bpb, memory_gb, status, description), an autoresearch.jsonl of pi-autoresearch, or the ledger of
    another research. Every experiment is imported once; values that were measured elsewhere are compared with nothing here. A line that
    cannot be read is named and left out.
    """
    from bot.gitrepo import GitRepo
    from bot.history import History
    from bot.importing import new, read
    from bot.night import exclusive, prepare_state
    from bot.report import files

    settings = load_settings(name=name)
    repo, state, ledger = GitRepo(settings.root), files.state(settings), files.ledger(settings)
    prepare_state(repo, state, settings)
    with exclusive(state / "lock"):
        ledger.repair()
        history, found = History.fold(ledger.events(), curves=False), []
        for path in paths:
            found.append(read(path, settings, repo))
            added = new(found[-1].experiments, history)
            for event in added:
                ledger.append(event)
                history.add(event)
            tell(found[-1], added)
    if not any(file.experiments for file in found):
        raise UsageError("nothing could be imported")


def tell(found: "Found", added: list["Imported"]) -> None:
    from bot.report.text import plural

    for problem in found.problems:
        click.echo(problem, err=True)
    if not found.experiments:
        return
    counts = ", ".join(f"{count} {status}" for status, count in Counter(event.status for event in added).items())
    changes, old = sum(bool(event.fingerprint) for event in added), len(found.experiments) - len(added)
    parts = [f"{plural(len(added), 'experiment')} imported" + (f" ({counts})" if counts else "")]
    parts += [f"{changes} of them with their change"] * bool(changes) + [f"{old} were there already"] * bool(old)
    click.echo(f"{found.path.name}: {', '.join(parts)}")
