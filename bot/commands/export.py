"""`autoresearch export`: results.tsv in upstream's five columns."""

from pathlib import Path

import click

from . import load_settings


@click.command("export", short_help="Write results.tsv in the five-column format.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Instead of standard output.")
@click.option("--name", help="Name of the research.")
def command(output: Path | None, name: str | None) -> None:
    """Print karpathy/autoresearch's results.tsv: commit, val_bpb, memory_gb, status, description.

    A number that was not measured is `nan`; a failure is never a score of 0.
    """
    from bot.report import files, tsv

    _, history = files.load(load_settings(name=name))
    if output:
        tsv.write(history, output)
    else:
        click.echo(tsv.render(history), nl=False)
