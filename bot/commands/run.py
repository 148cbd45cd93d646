"""`autoresearch run`: the loop, from the checks to the report. Only wires; the story is in `bot.loop`."""

import sys

import click

from . import act, load_settings, repository


@click.command("run", short_help="Propose, measure and keep changes.")
@click.option("--max-experiments", type=int, help="Stop after this many experiments.")
@click.option("--stop-after", metavar="DURATION", help="Start no new experiment after this long, e.g. 90m.")
@click.option("--budget", help="Training time of one measurement, e.g. 5m or 10s cpu.")
@click.option("--proposer", help="constants, llm, agent, hybrid, or replay:DIR.")
@click.option("--keys-from-stdin", is_flag=True, help="Read keys from standard input, a NAME=VALUE on each line.")
@click.option("--name", help="Name of the research; its branch is autoresearch/<name>.")
@click.option("--device", help="cpu, cuda or mps.")
@click.option("--devices", metavar="LIST", help="Devices to measure on at once: 0,1,2 or cpu:0-3,cpu:4-7 or auto.")
@click.option("--scout", type=int, hidden=True)
def command(keys_from_stdin: bool, scout: int | None, **overrides: str | int | None) -> None:
    """Propose, measure and keep changes on the branch autoresearch/<name>; resumes where the last run stopped.

    Ctrl-C ends after the run in progress and writes the report; a second Ctrl-C ends now. Nothing is lost either way.
    """
    from bot import keys, scouts
    from bot.loop import run_loop

    if keys_from_stdin:
        keys.hold(keys.read(sys.stdin))
    settings = load_settings(**overrides) if scout is None else scouts.received(scout, repository())
    night = act(settings, run_loop, sys.stdout, summary=True, follow=True)
    sys.exit(night.stop.exit_code)
