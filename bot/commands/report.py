"""`autoresearch report`: writes report.md, progress.png and results.tsv again."""

import click

from . import load_settings


@click.command("report", short_help="Write report.md, progress.png and results.tsv.")
@click.option("--name", help="Name of the research.")
@click.option("--svg", type=click.Path(dir_okay=False, writable=True), metavar="FILE", help="Also write the picture as SVG.")
def command(name: str | None, svg: str | None) -> None:
    """Write report.md, progress.png and results.tsv from the ledger and print their paths."""
    from pathlib import Path

    from bot.report import files

    settings = load_settings(name=name)
    ledger, history = files.load(settings)
    for path in files.write(settings, ledger, history):
        click.echo(path)
    if svg:
        from bot.report import plot

        plot.progress_svg(history, Path(svg))
        click.echo(svg)
