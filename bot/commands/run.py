"""`autoresearch run`: the loop, from the checks to the report. Only wires; the story is in `bot.loop`."""

import os
import sys
import time

import click

from . import load_settings, place


@click.command("run", short_help="Propose, measure and keep changes.")
@click.option("--max-experiments", type=int, help="Stop after this many experiments.")
@click.option("--stop-after", metavar="DURATION", help="Start no new experiment after this long, e.g. 90m.")
@click.option("--budget", help="Training time of one measurement, e.g. 5m or 10s cpu.")
@click.option("--proposer", help="constants, or replay:DIR.")
@click.option("--name", help="Name of the research; its branch is autoresearch/<name>.")
@click.option("--device", help="cpu, cuda or mps.")
def command(**overrides: str | int | None) -> None:
    """Propose, measure and keep changes on the branch autoresearch/<name>; resumes where the last run stopped.

    Ctrl-C ends after the run in progress and writes the report; a second Ctrl-C ends now. Nothing is lost either way.
    """
    from bot.errors import StopNow
    from bot.live import make_observer
    from bot.loop import run_loop
    from bot.night import open_night
    from bot.records import Stopped
    from bot.report import write_all
    from bot.signals import Stop
    from eval.sandbox import shield

    shield()  # before any candidate runs: as the same user it could read our environment, where there is no sandbox
    settings = load_settings(**overrides)
    observer = make_observer(sys.stdout)
    stop = Stop.from_environment(os.environ)
    stop.install()
    with open_night(settings, settings.root / place().config, observer, stop) as night:
        stop.notify, stop.preparing = observer.note, False
        observer.started(night.settings, night.history)
        reason = "ended by an error"
        try:
            reason = run_loop(night)
        except StopNow as error:
            reason = str(error)
        finally:
            pending = night.history.pending
            night.record(Stopped(time.time(), reason, pending.id if pending else None))
            write_all(night.history, night.ledger, night.settings)
            observer.finished(night.history, reason)
    sys.exit(stop.exit_code)
