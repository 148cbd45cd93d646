"""One file per subcommand, imported only when it is used (`bot.cli`). Here: what each of them needs to start."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
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
