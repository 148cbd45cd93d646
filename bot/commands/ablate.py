"""`autoresearch ablate`: the stack without each of its changes."""

import sys

import click

from . import act, load_settings, measures


@click.command("ablate", short_help="Leave out each kept change: what is it worth?")
@click.option("--all", "everything", is_flag=True, help="Also the changes whose evidence is strong already.")
@measures
def command(everything: bool, **overrides: str | None) -> None:
    """Measure the champion without each kept change, and without each group of its hunks that stands alone.

    What is surely worth less than the margin is taken out again, in a commit of its own. Ends with the table of what each is worth.
    """
    from bot import ablate
    from bot.report import decisions, files, labels, terminal

    settings = load_settings(**overrides)
    files.load(settings)
    night = act(settings, lambda night: ablate.run(night, everything), sys.stderr)
    terminal.console().print(labels.table(decisions.Decisions(night.history)))
    sys.exit(night.stop.exit_code)
