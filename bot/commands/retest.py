"""`autoresearch retest ID`: more seeds on demand for one experiment."""

import sys

import click

from . import act, load_settings, measures


@click.command("retest", short_help="More seeds on demand for one experiment.")
@click.argument("id", type=click.IntRange(min=0))
@click.option("--seeds", type=click.IntRange(min=2), default=4, show_default=True, help="How many more.")
@measures
def command(id: int, seeds: int, **overrides: str | None) -> None:
    """Measure a kept or discarded change again, in turn with the champion it was tried on, on seeds that decided nothing.

    Says whether its verdict stands; neither the verdict nor the branch changes. Every call adds seeds. ID is from `autoresearch log`.
    """
    from bot import retest
    from bot.report import files

    settings = load_settings(**overrides)
    retest.decided(files.load(settings)[1], id)
    night = act(settings, lambda night: retest.run(night, id, seeds), sys.stderr)
    click.echo(retest.answer(night.history, night.settings.name, id, night.settings.margin))
    sys.exit(night.stop.exit_code)
