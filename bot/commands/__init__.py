"""One file per subcommand, imported only when it is used (`bot.cli`). Here: what each of them needs to start."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from bot.loop import Night
    from bot.settings import Settings

CONFIG = "autoresearch.yml"


@dataclass(frozen=True)
class Place:
    """Where a command acts: `-C DIR` and `--config FILE`."""

    directory: Path = Path(".")
    config: str = CONFIG


def place() -> Place:
    context = click.get_current_context(silent=True)
    return (context and context.find_object(Place)) or Place()


def move(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Callback of `-C` and `--config`, which are accepted before and after the subcommand's name."""
    if value is not None:
        root = context.find_root()
        root.obj = context.obj = replace(context.find_object(Place) or Place(), **{str(parameter.name): value})


def number(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Callback of options with a range, which lets nan through."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is not a number")
    return value


def place_options() -> list[click.Option]:
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return [
        click.Option(
            ["-C", "--directory"], type=folder, callback=move, expose_value=False, is_eager=True, help="Act on the repository in DIRECTORY."
        ),
        click.Option(
            ["--config"], metavar="FILE", callback=move, expose_value=False, is_eager=True, help=f"Settings file  [default: {CONFIG}]"
        ),
    ]


def repository() -> Path:
    """The top folder of the git repository (or worktree) that the command acts on."""
    from bot.gitrepo import GitRepo

    return GitRepo.find(place().directory.resolve()).root


def load_settings(**overrides: Any) -> "Settings":
    """The current repository's settings; options that were not given (None) override nothing."""
    from bot.settings import Settings

    given = {name: value for name, value in overrides.items() if value is not None}
    return Settings.load(repository(), place().config, given)


def measures(command: Callable[..., None]) -> Callable[..., None]:
    """Options of a command that measures for an existing research: they say which one, and what its runs are."""
    for option in (
        click.option("--name", help="Name of the research."),
        click.option("--budget", help="Training time of one measurement, as `run` had it."),
        click.option("--device", help="cpu, cuda or mps, as `run` had it."),
        click.option("--devices", metavar="LIST", help="As `run` had them; measured on the first."),
    ):
        command = option(command)
    return command


def act(settings: "Settings", work: Callable[["Night"], str], stream: TextIO, summary: bool = False, follow: bool = False) -> "Night":
    """Opens a night for `work`, which returns why it ended, and records the end, whatever it is. `stream` shows what happens;
    `follow`: see `bot.night.open_night`.

    A signal is such an end: the night comes back as far as it got, and `night.stop` has the exit code."""
    from bot import keys, siblings
    from bot.errors import StopNow
    from bot.live import make_observer
    from bot.night import open_night
    from bot.records import Stopped
    from bot.report import write_all
    from bot.signals import Stop
    from eval.sandbox import shield

    shield()  # before any candidate runs: as the same user it could read our environment, where there is no sandbox
    keys.hide(settings)
    observer = make_observer(stream)
    stop = Stop.from_environment(os.environ)
    stop.install()
    with open_night(settings, settings.root / place().config, observer, stop, follow) as night:
        stop.notify, stop.preparing = observer.note, False
        observer.started(night.settings, night.history)
        reason = "ended by an error"
        try:
            reason = work(night)
        except StopNow as error:
            reason = str(error)
        finally:
            pending = night.history.pending
            began = night.history.last_opened.at
            night.record(Stopped(time.time(), reason, pending.id if pending else None, siblings.beside(night.settings, began)))
            write_all(night.history, night.ledger, night.settings)
            if summary:
                observer.finished(night.history, reason)
            elif stop.soft:
                observer.note(f"ended: {reason}; what was measured counts")
            observer.close()
    return night
