"""`autoresearch compare A B`: any two commits."""

import sys

import click

from . import act, load_settings, measures, number


@click.command("compare", short_help="Any two commits: paired runs, interval, verdict.")
@click.argument("a")
@click.argument("b")
@click.option("--seeds", type=click.IntRange(min=2), default=4, show_default=True, help="How many each is measured on, in all.")
@click.option("--until", type=click.FloatRange(0, 1, min_open=True, max_open=True), callback=number, metavar="P", help="Go on until p < P.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@measures
def command(a: str, b: str, seeds: int, until: float | None, as_json: bool, **overrides: str | None) -> None:
    """Measure two commits in turn on the same fresh seeds and say which is better, or that they are equal within the margin.

    A and B are branches, tags or commits that differ in editable files only. The same command goes on where it was stopped, and more
    --seeds add to what is there. With --until, it looks after --seeds, 2, 4 and 8 times as many, and p counts all four looks.
    """
    from bot import compare
    from bot.gitrepo import GitRepo
    from bot.report import files, text

    settings = load_settings(**overrides)
    question = compare.ask(GitRepo(settings.root), settings, (a, b), until)
    first = not files.ledger(settings).path.exists()
    night = act(settings, lambda night: compare.run(night, question, seeds), sys.stderr)
    answer = compare.Answer(night.history, question, night.settings.name, night.settings.margin)
    click.echo(text.dumps(answer.data()) if as_json else answer.text())
    if first:
        click.echo(f"this began the research {settings.branch}: `autoresearch run` will start from {night.history.base[:12]}", err=True)
    sys.exit(night.stop.exit_code)
