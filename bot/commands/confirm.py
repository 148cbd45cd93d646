"""`autoresearch confirm`: the final stack against the base."""

import sys

import click

from . import act, load_settings, measures


@click.command("confirm", short_help="Prove what was kept: the final stack against the base.")
@measures
def command(**overrides: str | None) -> None:
    """Leave out each kept change, then run the final stack against the base on fresh seeds until it is proved, whatever that takes.

    Ends with the headline and what each change is worth. Exit code 0 also where the gain stays unproven: it says so.
    """
    from bot import ablate
    from bot.report import decisions, facts, files, labels, terminal

    settings = load_settings(**overrides)
    files.load(settings)
    night = act(settings, ablate.confirmed, sys.stderr)
    known = decisions.Decisions(night.history)
    click.echo(facts.headline(night.history, known))
    terminal.console().print(labels.table(known))
    click.echo(files.folder(night.settings) / "report.md")
    sys.exit(night.stop.exit_code)
