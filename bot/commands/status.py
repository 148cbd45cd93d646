"""`autoresearch status`: where the research stands, on one screen."""

import time
from pathlib import Path

import click

from . import load_settings


@click.command("status", short_help="Where the research stands.")
@click.option("--json", "as_json", is_flag=True, help="Print the same facts as JSON.")
@click.option("--name", help="Name of the research.")
def command(as_json: bool, name: str | None) -> None:
    """Where the research stands: champion, counts, time, the newest experiments. Works while a run is in progress."""
    import msgspec

    from bot import siblings
    from bot.report import data, files, terminal, text

    settings = load_settings(name=name)
    _, history = files.load(settings)
    locked = held(files.state(settings) / "lock")
    beside = siblings.beside(settings)
    if as_json:
        click.echo(text.dumps(data.status(history, word(history, locked)) | {"beside": beside and msgspec.structs.asdict(beside)}))
    else:
        terminal.console().print(terminal.screen(history, describe(history, locked), siblings.text(beside)))


def held(lock: Path) -> bool | None:
    """Whether some process holds the lock, without taking it; None where the system does not say."""
    table = Path("/proc/locks")
    if not table.exists():
        return None
    if not lock.exists():
        return False
    inode = f":{lock.stat().st_ino}"
    fields = (line.split() for line in table.read_text().splitlines())
    return any(len(f) > 5 and f[1] == "FLOCK" and f[5].endswith(inode) for f in fields)


def word(history, locked: bool | None) -> str:
    if not history.last_opened:
        return "not begun"
    if history.last_stopped:
        return "stopped"
    return "interrupted" if locked is False else "running"


def describe(history, locked: bool | None) -> str:
    from bot.report.text import duration, plain

    ago = f"{duration(time.time() - history.last_at)} ago"
    state = word(history, locked)
    if state == "not begun":
        return "not begun; `autoresearch run` begins"
    if state == "stopped":
        return f"stopped {ago}: {plain(history.last_stopped.reason)}"
    if state == "interrupted":
        return f"interrupted, last event {ago}; `autoresearch run` continues where it ended"
    running = [e for e in history.experiments.values() if e.status == "running"]
    what = f"experiment {running[-1].id:04d}" if running and running[-1].id else "the baseline" if running else "between experiments"
    return f"running: {what}, last event {ago}"
