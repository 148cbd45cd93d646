"""`autoresearch doctor`: what this machine has, what is missing, and the fix."""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from bot import probe
from bot.commands import place, repository
from bot.context import machine
from bot.errors import AutoresearchError, UsageError
from bot.gitrepo import GitRepo
from bot.probe import Line
from bot.report.text import dumps
from bot.settings import Settings
from eval import lock, sources
from eval.cache import default_cache_dir
from eval.errors import RefereeError
from eval.sandbox import choose


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """What this machine has, what is missing, and the fix.

    Exit code 1 when something that a run needs is missing."""
    lines = list(examine())
    failed = any(line.state == "fail" for line in lines)
    if as_json:
        click.echo(dumps({"ok": not failed, "checks": [asdict(line) for line in lines]}))
    else:
        show(lines)
    raise click.exceptions.Exit(1 if failed else 0)


def examine() -> Iterator[Line]:
    yield probe.python()
    yield probe.git()
    root, here = find_repository()
    yield here
    settings, line = find_settings(root) if root else (None, Line("settings", "warn", "no repository", "run this inside one, or use -C"))
    yield line
    if root and settings:
        yield working_tree(root, settings)
    yield torch(settings)
    yield probe.machine()
    state, cache = state_folder(root, settings), default_cache_dir()
    yield probe.disk("disk, state", state)
    yield probe.writable("state", state, "make it writable, or set `state_dir:`")
    yield probe.disk("disk, cache", cache)
    yield probe.writable("cache", cache, "make it writable, or set AUTORESEARCH_CACHE to another folder")
    yield from isolation(settings)
    yield probe.keys(os.environ)
    yield probe.package("pip", "fetches the embedded corpus", not settings or (settings.corpus == "embedded" and not settings.command))
    named = bool(settings and not settings.command and sources.parse(settings.corpus))
    yield from [probe.package("pyarrow", f"reads the shards of {settings.corpus}")] if named else []
    yield probe.package("matplotlib", "draws progress.png")


def find_repository() -> tuple[Path | None, Line]:
    try:
        root = repository()
        sha, branch = GitRepo(root).head()
    except UsageError as error:
        return None, Line("repository", "fail", str(error), "git init, then commit the files to be researched")
    if branch is None:
        return root, Line("repository", "warn", f"{root}, detached HEAD at {sha[:12]}", "git switch BRANCH, or set `base:`")
    return root, Line("repository", "ok", f"{root}, on {branch} at {sha[:12]}")


def find_settings(root: Path) -> tuple[Settings | None, Line]:
    config = place().config
    if not (root / config).exists():
        return None, Line("settings", "warn", f"no {config}", "autoresearch init")
    try:
        settings = Settings.load(root, config)
    except UsageError as error:
        return None, Line("settings", "fail", str(error), f"correct {config}")
    return settings, Line("settings", "ok", f"{config}: {settings.name}, {settings.metric}, {settings.proposer}")


def working_tree(root: Path, settings: Settings) -> Line:
    changed = GitRepo(root).dirty([*settings.editable, *settings.locked])
    if changed:
        return Line("editable files", "warn", f"not committed: {', '.join(changed)}", "commit them; a run measures commits only")
    return Line("editable files", "ok", f"{', '.join(settings.editable)} committed")


def torch(settings: Settings | None) -> Line:
    if settings and settings.command:
        return Line("torch", "ok", "not needed: this target measures a command")
    python = settings.python if settings else sys.executable
    try:
        with tempfile.TemporaryDirectory(prefix="autoresearch-doctor-") as folder:
            found = machine(python, lock.stage(Path(folder)), settings.device if settings else "auto")
    except AutoresearchError as error:
        return Line("torch", "fail", str(error), "pip install torch numpy safetensors there, or name another interpreter with `python:`")
    fact = f"{found['torch']} on {found['device']}, {found['device_name']}"
    if found["device"] == "cpu" and Path("/dev/nvidia0").exists():
        return Line("torch", "warn", f"{fact}; the GPU is not seen", "install torch's CUDA build, or check the driver with nvidia-smi")
    return Line("torch", "ok", fact)


def state_folder(root: Path | None, settings: Settings | None) -> Path:
    return (root or Path.cwd()) / (settings.state_dir if settings else ".autoresearch")


def isolation(settings: Settings | None, launcher: str = sys.executable) -> list[Line]:
    """What could isolate candidates here, each tried, and last what they get."""
    parts = [probe.bubblewrap(), probe.namespaces(), probe.landlock()]
    wanted = settings.sandbox if settings else "auto"
    fix = "; or ".join(dict.fromkeys(line.fix for line in parts if line.fix))
    try:
        found = choose(wanted, launcher)
    except RefereeError as error:
        return [*parts, Line("sandbox", "fail", f"`sandbox: {wanted}`: {error}", fix or "write `sandbox: auto`")]
    fact = found.level + (f": {found.note}" if found.note else "")
    if found.level == "bubblewrap":
        return [*parts, Line("sandbox", "ok", fact)]
    if wanted == "none":
        return [*parts, Line("sandbox", "warn", "none, as `sandbox: none` says; candidates can read your files", "write `sandbox: auto`")]
    return [*parts, Line("sandbox", "warn", fact, fix or "read the line above")]


def show(lines: list[Line]) -> None:
    width = max(len(line.name) for line in lines)
    for line in lines:
        state = click.style(line.state.ljust(4), fg={"ok": "green", "warn": "yellow", "fail": "red"}[line.state])
        click.echo(f"{state}  {line.name.ljust(width)}  {line.fact}")
        if line.fix:
            click.echo(f"{'':{width + 8}}{line.fix}")
