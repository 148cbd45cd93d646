"""`autoresearch check [FILE]`: a training script against the contract, first by reading it, then by measuring it for a second."""

import sys
from pathlib import Path

import click

from bot.commands import load_settings, place
from bot.contract import Finding, findings
from bot.errors import AutoresearchError, UsageError
from bot.gitrepo import GitRepo
from bot.records import Measurement
from bot.settings import Settings

ADVICE = {
    "crash": "read the last lines below; the same file must run with nothing but the session",
    "timeout": "warm up within the start-up allowance, stop when batches end, and save at once into session.output",
    "oom": "use a smaller batch or model for this device",
    "invalid": "the machine or the checkpoint is at fault; see the reason and `autoresearch doctor`",
    "violation": "the referee caught a breach of the rules; each position may depend only on the tokens before and at it",
}


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--static", is_flag=True, help="Only read the file; run nothing.")
def command(file: Path | None, static: bool) -> None:
    """Test your own train.py against the contract, in seconds.

    Reads FILE (by default the configured entry), then measures it with a tiny budget. Exit code 0 when it conforms, 1 when not."""
    settings = target(file)
    found = [] if settings.command else findings(read(settings.root / settings.entry))
    for finding in found:
        click.echo(line(settings.entry, finding))
    errors = sum(finding.level == "error" for finding in found)
    if not errors and not static:
        errors += not measured(settings)
    warnings = sum(finding.level == "warn" for finding in found)
    subject = " ".join(settings.command) if settings.command else settings.entry
    click.echo(f"{subject}: {'does not conform' if errors else 'conforms'} ({errors} to correct, {warnings} to consider)")
    raise click.exceptions.Exit(1 if errors else 0)


def target(file: Path | None) -> Settings:
    """The repository's settings, with `file` as the entry; without a repository or settings file, the defaults."""
    if file is None:
        return load_settings()
    if not file.is_file():
        raise UsageError(f"{file} is not a file; name the training script to check")
    try:
        root = GitRepo.find(file.resolve().parent).root
    except AutoresearchError:
        root = file.resolve().parent
    path = file.resolve().relative_to(root.resolve()).as_posix()
    if not (root / place().config).is_file():
        return Settings.build(root, {"editable": [path]}, places={"editable": str(file)})
    settings = Settings.load(root, place().config)
    if path in settings.editable and not settings.command:
        return Settings.load(root, place().config, {"entry": path})
    alone = {"editable": [path], "entry": path, "locked": [], "command": None, "metric": "val_bpb", "direction": "min"}
    return Settings.load(root, place().config, alone)


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def line(path: str, finding: Finding) -> str:
    where = f"{path}:{finding.line}" if finding.line else path
    level = click.style(finding.level.ljust(5), fg="red" if finding.level == "error" else "yellow")
    return f"{level} {where}: {finding.problem}\n      {finding.fix}"


def measured(settings: Settings) -> bool:
    from bot.live import PlainObserver
    from bot.quick import measure
    from bot.signals import Stop
    from eval.sandbox import shield

    shield()
    stop = Stop()
    stop.install()
    settings, result = measure(settings, PlainObserver(sys.stderr), stop)
    click.echo(sentence(settings, result))
    return result.outcome == "ok"


def sentence(settings: Settings, result: Measurement) -> str:
    from bot.report import proof
    from bot.report.text import block, plain

    if result.outcome == "ok":
        facts = "" if settings.command else f", {result.steps} steps in {settings.budget}, {result.parameters:,} parameters"
        return f"ok    measured {settings.metric} {result.value:.6g}{facts}, {result.seconds:.1f} s in all, isolation {result.isolation}"
    lines = [*proof.reproduction(result), *block(result.log_tail)[-15:]]
    tail = "".join(f"\n      | {text}" for text in lines)
    return f"error measured: {result.outcome}: {plain(result.reason)}\n      {plain(result.explanation) or ADVICE[result.outcome]}{tail}"
