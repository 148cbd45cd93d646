"""`autoresearch profile`: where the time of a training step goes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import load_settings

if TYPE_CHECKING:
    from bot.profiling.measure import Subject
    from bot.profiling.records import Profile
    from bot.settings import Settings


@click.command("profile", short_help="Where a training step's time goes: top operations, verdict, trace.")
@click.option("--commit", metavar="REV", help="A branch, tag or commit  [default: the champion]")
@click.option("--working-tree", is_flag=True, help="The files as they lie there, committed or not.")
@click.option("--steps", type=click.IntRange(1, 100), default=10, show_default=True, help="Optimizer steps to record.")
@click.option("--top", type=click.IntRange(1, 60), default=15, show_default=True, help="Rows of the table.")
@click.option("--trace", type=click.Path(dir_okay=False, path_type=Path), help="Where the chrome trace goes  [default: the state folder]")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True, help="Of the data's order and the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--name", help="Name of the research.")
@click.option("--device", help="cpu, cuda or mps, as `run` had it.")
def command(
    commit: str | None, working_tree: bool, steps: int, top: int, trace: Path | None, seed: int, as_json: bool, **overrides: str | None
) -> None:
    """Train the champion for a few steps under torch's profiler and say what they are bound by.

    No measurement: it has no score and changes no decision. Models that propose see the newest profile of the champion.
    """
    from bot.errors import UsageError

    if commit and working_tree:
        raise UsageError("--commit and --working-tree exclude each other; give one of them")
    settings = load_settings(**overrides)
    if settings.command:
        raise UsageError("command: only a training that the referee serves can be profiled; for a command use a profiler of your own")
    if trace and not trace.resolve().parent.is_dir():
        raise UsageError(f"--trace {trace} must name a file in a folder that exists")
    who, profile, path = made(settings, commit, working_tree, steps, seed, trace)
    tell(who, profile, path, top, as_json)


def made(
    settings: "Settings", commit: str | None, working_tree: bool, steps: int, seed: int, trace: Path | None
) -> tuple["Subject", "Profile", Path]:
    from bot import devices, split
    from bot.gitrepo import GitRepo
    from bot.history import History
    from bot.live import PlainObserver
    from bot.night import prepare_state
    from bot.profiling import measure, records
    from bot.report import files
    from bot.signals import Stop
    from eval.sandbox import shield

    shield()
    history, repo, state = History.fold(files.ledger(settings).events()), GitRepo(settings.root), files.state(settings)
    devices.check(settings)
    who = measure.subject(settings, history, commit, working_tree)
    prepare_state(repo, state, settings)
    stop, observer = Stop(), PlainObserver(sys.stderr)
    stop.install()
    path, base = trace or records.trace_path(settings, who.sha), history.base or repo.resolve(settings.base)
    if base:  # on the device that a run would have
        settings = split.resolved(settings, repo, base, state, observer, stop, trial=False)
    with devices.own(settings):
        profile = measure.run(settings, who, steps, seed, path, observer, stop)
    records.folder(settings).mkdir(parents=True, exist_ok=True)
    records.save(settings, profile)
    return who, profile, path


def tell(who: "Subject", profile: "Profile", path: Path, top: int, as_json: bool) -> None:
    from bot.profiling import shown
    from bot.report import text

    if as_json:
        import msgspec

        click.echo(text.dumps(msgspec.to_builtins(profile) | {"subject": who.label, "trace": str(path), "note": shown.TELEMETRY}))
        return
    click.echo(shown.text(profile, who.label, top))
    click.echo(f"trace: {path} (open it in https://ui.perfetto.dev or chrome://tracing)")
