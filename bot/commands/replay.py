"""`autoresearch replay LOG`: finished research through other rules."""

from pathlib import Path

import click

from bot.rules import RULES

from . import number

OURS = "ours"


@click.command("replay", short_help="What other rules would have kept of a log.")
@click.argument("log", type=click.Path(exists=True, path_type=Path))
@click.option("--rule", "rules", multiple=True, type=click.Choice([*RULES, OURS]), help="Only this one; may be given again.")
@click.option(
    "--sigma", type=click.FloatRange(0, 1e100, min_open=True), callback=number,
    help="Standard deviation of runs of one commit, in the metric's unit.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(log: Path, rules: tuple[str, ...], sigma: float | None, as_json: bool) -> None:
    """What each rule would have kept of LOG, what it would have claimed, and how many of its keeps lie within the noise.

    LOG is a results.tsv (commit, val_bpb, memory_gb, status, description) or a ledger (.jsonl, or its folder). Nothing is measured: where
    a rule needs runs that the log does not have, it says so.
    """
    from bot import logs, replay
    from bot.report import text

    read = logs.read(log)
    results = replay.replay(read, rules, sigma)
    if as_json:
        click.echo(text.dumps(replay.data(read, results, sigma)))
        return
    from bot.report import replayed, terminal

    terminal.console().print(replayed.page(read, results), soft_wrap=True)
