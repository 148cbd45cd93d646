"""`autoresearch init`: a commented autoresearch.yml and a program.md for any git repository."""

import re
from pathlib import Path
from typing import Any

import click

from bot import template, yamlfile
from bot.commands import place, repository
from bot.errors import UsageError
from bot.settings import Settings

PLAUSIBLE = ("train.py", "train/train.py", "src/train.py")


@click.command()
@click.option("--editable", multiple=True, metavar="FILE", help="A file that may be changed; repeat it for several.")
@click.option("--name", help="Name of the research  [default: the folder's name]")
@click.option("--command", "argv", metavar="COMMAND", help="Measure COMMAND, which prints `METRIC name=value`, instead of a model.")
@click.option("--metric", metavar="NAME", help="The metric of COMMAND that decides.")
@click.option("--direction", type=click.Choice(["min", "max"]), help="Whether less or more of it is better  [default: min]")
@click.option("--force", is_flag=True, help="Replace an existing settings file; the old one is kept beside it as .bak.")
def command(editable: tuple[str, ...], name: str | None, argv: str | None, metric: str | None, direction: str | None, force: bool) -> None:
    """Write autoresearch.yml and program.md into a repository.

    An existing program.md is left as it is; an existing settings file is replaced only with --force."""
    root = repository()
    target = root / place().config
    if target.exists() and not force:
        raise UsageError(f"{target.name} exists already; edit it, or replace it with --force (the old one is kept as .bak)")
    asked = {"command": argv, "metric": metric, "direction": direction}
    values: dict[str, Any] = {
        "name": name or slug(root.name),
        "editable": list(editable or find_editable(root)),
        **{key: value for key, value in asked.items() if value is not None},
    }
    text = template.config(values)
    settings = Settings.build(root, yamlfile.parse(text, target.name)[0], target, {key: f"--{key}" for key in values})
    written = [write_config(target, text), write_program(root / settings.program, settings)]
    click.echo("\n".join([*written, "", "Next:", *next_steps(settings, target.name)]))


def slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:60] or "research"


def find_editable(root: Path) -> list[str]:
    found = [path for path in PLAUSIBLE if (root / path).is_file()]
    if len(found) == 1:
        return found
    problem = f"several training scripts: {', '.join(found)}" if found else f"no {' or '.join(PLAUSIBLE)} here"
    raise UsageError(f"editable: {problem}; name the file that may be changed with --editable FILE")


def write_config(target: Path, text: str) -> str:
    note = f"wrote  {target.name}"
    if target.exists():
        backup = next(path for path in map(target.with_name, backups(target.name)) if not path.exists())
        target.rename(backup)
        note += f" (the old one is {backup.name})"
    target.write_text(text, encoding="utf-8")
    return note


def backups(name: str) -> Any:
    yield f"{name}.bak"
    yield from (f"{name}.bak{n}" for n in range(2, 1000))


def write_program(target: Path, settings: Settings) -> str:
    if target.exists():
        return f"kept   {settings.program} (it was there already)"
    target.write_text(template.program(settings), encoding="utf-8")
    return f"wrote  {settings.program}"


def next_steps(settings: Settings, config: str) -> list[str]:
    check = [] if settings.command else [f"  autoresearch check          is {settings.entry} ready to be measured?"]
    return [
        "  autoresearch doctor         what this machine has, and what is missing",
        *check,
        f"  edit {settings.program}, then  git add {config} {settings.program} && git commit",
        "  autoresearch run            Ctrl-C finishes the run in progress and writes the report",
    ]
