"""`autoresearch log`: the experiments, filtered, as a table or as JSON."""

import time
from datetime import UTC, datetime

import click

from bot.errors import UsageError

from . import load_settings


@click.command("log", short_help="The experiments as a table or as JSON.")
@click.option("--status", "statuses", metavar="STATUS[,STATUS]", help="Only these: keep, discard, crash, running, ...")
@click.option("--since", metavar="WHEN", help="Begun within 90m, 12h, 3d, or since a date like 2026-05-01.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the newest so many.")
@click.option("--grep", metavar="TEXT", help="Only those whose hypothesis has TEXT, in any case.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object for each experiment.")
@click.option("--name", help="Name of the research.")
def command(statuses: str | None, since: str | None, limit: int | None, grep: str | None, as_json: bool, name: str | None) -> None:
    """The experiments in order, the newest last."""
    from bot.report import data, decisions, facts, files, text

    wanted = known(statuses)
    start = began(since) if since else None
    _, history = files.load(load_settings(name=name))
    found = [history.experiments[id] for id in sorted(history.experiments)]
    found = [e for e in found if not wanted or e.status in wanted]
    found = [e for e in found if start is None or (data.began(history, e) or 0.0) >= start]
    found = [e for e in found if not grep or (e.proposal and grep.lower() in e.proposal.hypothesis.lower())]
    found = found[-limit:] if limit else found
    if as_json:
        context, decided = facts.shown_context(history), decisions.Decisions(history)
        click.echo(text.dumps([data.experiment(e, context, history, decided) for e in found]))
        return
    from bot.report import terminal

    terminal.console().print(terminal.table(history, found))


def known(statuses: str | None) -> set[str]:
    from bot.report.tally import STATUSES

    wanted = {s.strip() for s in (statuses or "").split(",") if s.strip()}
    possible = ("baseline", *STATUSES)
    if unknown := sorted(wanted - set(possible)):
        raise UsageError(f"--status: no status is called {unknown[0]!r}; there are {', '.join(possible)}")
    return wanted


def began(since: str) -> float:
    """Unix seconds of `90m`, `12h`, `3d` ago or of a UTC date."""
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(since[-1:])
    if unit and since[:-1].replace(".", "", 1).isdigit():
        return time.time() - float(since[:-1]) * unit
    try:
        when = datetime.fromisoformat(since)
    except ValueError:
        raise UsageError(f"--since: {since!r} is neither a duration like 12h nor a date like 2026-05-01") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
