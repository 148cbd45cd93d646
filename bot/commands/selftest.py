"""`autoresearch selftest`: can this machine's referee be cheated, and does it pass honest models? Run it before you trust a box.

With `--decide`: does the loop keep what is better, and nothing else?"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from bot.commands import place
from bot.errors import UsageError
from bot.report.terminal import console
from bot.settings import Settings
from eval.sandbox import LEVELS, choose, shield

CHEATS = ("full", "level", "only", "device", "jobs", "as_markdown")
DECISIONS = ("nulls", "planted", "budget", "state", "fresh")


@click.command()
@click.option("--full", is_flag=True, help="Every cheat and every honest model, with fresh probes.")
@click.option("--level", type=click.Choice([*LEVELS, "all"]), help="Isolation to test  [default: the strongest that works here]")
@click.option("--only", default="", metavar="NAME", help="One cheat, one group of cheats or one honest model.")
@click.option("--python", help="Interpreter with torch  [default: the settings', else this one]")
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), default="cpu", show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Measurements at once  [default: one per core, up to 4; one on a GPU]")
@click.option("--decide", is_flag=True, help="Not cheats but edits of known worth, through the real loop: does it keep what is better?")
@click.option("--nulls", type=click.IntRange(0), default=40, show_default=True, help="--decide: edits without any effect.")
@click.option("--planted", type=click.IntRange(0), default=12, show_default=True, help="--decide: edits that are known to be good or bad.")
@click.option("--budget", default="5s cpu", show_default=True, help="--decide: training time of one measurement.")
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="--decide: folder to work in  [default: in the cache]")
@click.option("--fresh", is_flag=True, help="--decide: begin again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as markdown, one column per level.")
def command(
    full: bool, level: str | None, only: str, python: str | None, device: str, jobs: int | None, as_json: bool, as_markdown: bool,
    decide: bool, **planted: Any,
) -> None:  # fmt: skip
    """Run the red team and the honest zoo on this machine.

    About a hundred real cheats against the real referee, then models that are odd but honest. Exit code 0 only if no cheat got
    what it wanted and no honest model was refused; without a sandbox some do, and the table says which.

    With --decide, edits of known worth go through the real loop instead: 40 that change nothing, 6 that are better and 6 that are
    worse, with real training, half an hour in all. Stopped or killed, the same command continues. Exit code 0 only if nothing that
    is worse was kept and no edit without effect ended as confirmed."""
    check_options(decide)
    if decide:
        return decisions(python, as_json, **planted)
    from bot.selftest import suite, table

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # through every `finally`: worlds are removed
    shield()  # as the bot does: what it knows is in its memory
    levels = chosen(level)
    todo = suite.cases(levels, full, only)
    screen = console()
    with suite.bench(python or interpreter(), sys.executable, device, fresh=full) as setup:
        judged, models = suite.run(setup, todo, progress(len(todo)), jobs or 0)
    if as_json:
        click.echo(table.as_json(judged, models))
    elif as_markdown:
        click.echo(table.markdown(judged, levels))
    else:
        table.show(judged, models, screen)
    raise click.exceptions.Exit(0 if table.trusted(judged, models) else 1)


def check_options(decide: bool) -> None:
    """No option that would be ignored."""
    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") == ParameterSource.COMMANDLINE
        if given and (option.name in CHEATS if decide else option.name in DECISIONS):
            raise UsageError(f"{option.opts[0]} is {'not ' if decide else 'only '}for `selftest --decide`; leave it away")


def decisions(python: str | None, as_json: bool, nulls: int, planted: int, budget: str, state: Path | None, fresh: bool) -> None:
    from bot.live import make_observer
    from bot.selftest import decide
    from bot.signals import Stop
    from eval.cache import default_cache_dir

    shield()
    folder = (state or default_cache_dir() / "selftest-decide").absolute()
    edits = decide.prepare(folder, nulls, planted, budget, fresh)
    stop = Stop.from_environment(os.environ)
    stop.install()
    given = {"python": os.path.abspath(python) if python and os.sep in python else python or interpreter(), "budget": budget}
    history, margin = decide.run(folder, given, make_observer(sys.stderr), stop)
    found = decide.trials(history, edits, margin)
    if as_json:
        click.echo(decide.as_json(found, history, budget))
    else:
        decide.show(found, history, console())
    raise click.exceptions.Exit(stop.exit_code or (0 if decide.trusted(found) else 1))


def chosen(level: str | None) -> list[str]:
    """The levels to test; each must really work here."""
    if level == "all":
        return [name for name in LEVELS if works(name)]
    sandbox = choose(level or "auto")
    if sandbox.note and not level:
        click.echo(f"isolation: {sandbox.level} ({sandbox.note})", err=True)
    return [sandbox.level]


def works(level: str) -> bool:
    from eval.errors import RefereeError

    try:
        return choose(level).level == level
    except RefereeError as error:
        click.echo(error, err=True)
        return False


def interpreter() -> str:
    """`python:` of the settings where there are any."""
    from bot.commands import repository

    try:
        root = repository()
    except UsageError:
        return sys.executable
    if not Path(root, place().config).is_file():
        return sys.executable
    return Settings.load(root, place().config).python


def progress(total: int):
    """Shows on stderr, in a terminal only, what is done."""

    def tell(number, case) -> None:
        if sys.stderr.isatty():
            end = "\n" if number == total else ""
            click.echo(f"\r\x1b[K{number}/{total} {case.level} {case.name}{end}", err=True, nl=False)

    return tell
