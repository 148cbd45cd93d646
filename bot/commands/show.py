"""`autoresearch show ID`: one experiment, whole."""

import click

from bot.errors import UsageError

from . import load_settings


@click.command("show", short_help="One experiment: hypothesis, diff, runs, loss curve.")
@click.argument("id", type=click.IntRange(min=0))
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
@click.option("--patch", is_flag=True, help="Print the diff alone, as `git apply` takes it.")
@click.option("--name", help="Name of the research.")
def command(id: int, as_json: bool, patch: bool, name: str | None) -> None:
    """Hypothesis, diff, every run, loss curve, verdict and the log of failures. ID is a number from `autoresearch log`."""
    from bot.report import data, facts, files, text

    ledger, history = files.load(load_settings(name=name), curves=True)
    found = history.experiments.get(id)
    if not found:
        last = max(history.experiments, default=0)
        raise UsageError(f"there is no experiment {id}; the ledger has 0 to {last} (`autoresearch log` lists them)")
    diff = ledger.read_patch(id)
    if as_json:
        facts_of = data.experiment(found, facts.shown_context(history), history)
        click.echo(text.dumps(facts_of | {"runs": [data.run(m) for m in found.measurements], "patch": diff}))
    elif patch:
        click.echo(diff, nl=False)
    else:
        from bot.report import page, terminal

        terminal.console().print(page.render(history, found, diff), soft_wrap=True)
