"""`autoresearch`, also `python -m bot`: the command line. It names the subcommands and imports only the one that is called."""

import importlib
from typing import Any

import click

from bot.commands import place_options
from bot.errors import AutoresearchError, StopNow
from eval.errors import RefereeError

DISTRIBUTION = "autoresearch-ci"
COMMANDS = {
    "init": ("bot.commands.init:command", "Write autoresearch.yml and program.md into a repository."),
    "run": ("bot.commands.run:command", "Propose, measure, keep; resumes where the last run stopped."),
    "status": ("bot.commands.status:command", "Where the research stands: best, counts, what runs now."),
    "log": ("bot.commands.log:command", "The experiments as a table or as JSON."),
    "show": ("bot.commands.show:command", "One experiment: hypothesis, diff, runs, loss curve."),
    "retest": ("bot.commands.retest:command", "More seeds on demand for one experiment: does its verdict stand?"),
    "ablate": ("bot.commands.ablate:command", "Leave out each kept change: what is it worth, what can go?"),
    "confirm": ("bot.commands.confirm:command", "Prove what was kept: the final stack against the base."),
    "compare": ("bot.commands.compare:command", "Any two commits: paired runs, interval, verdict."),
    "replay": ("bot.commands.replay:command", "What other rules would have kept of a results.tsv or ledger."),
    "import": ("bot.commands.import_:command", "Other tools' history, for proposers to see and not repeat."),
    "profile": ("bot.commands.profile:command", "Where a training step's time goes: top operations, trace."),
    "report": ("bot.commands.report:command", "Write report.md, progress.png and results.tsv."),
    "export": ("bot.commands.export:command", "Write results.tsv in the five-column format."),
    "prompt": ("bot.commands.prompt:command", "What a model would be asked next, and what it costs."),
    "check": ("bot.commands.check:command", "Test your own train.py against the contract, in seconds."),
    "doctor": ("bot.commands.doctor:command", "What this machine has, what is missing, and the fix."),
    "selftest": ("bot.commands.selftest:command", "Real cheats and odd honest models, measured on this machine."),
}


class Failure(click.ClickException):
    """One sentence on stderr and an exit code; never a traceback."""

    def __init__(self, error: Exception, exit_code: int):
        super().__init__(str(error))
        self.exit_code = exit_code

    def show(self, file: Any = None) -> None:
        click.echo(f"error: {self.message}", err=True)


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        if not any(parameter.name == "config" for parameter in command.params):
            command.params.extend(place_options())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RefereeError as error:
            raise Failure(error, 2) from error
        except AutoresearchError as error:
            raise Failure(error, error.exit_code) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failure(error, AutoresearchError.exit_code) from error
        except KeyboardInterrupt as error:
            raise click.exceptions.Exit(StopNow.exit_code) from error


def show_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"autoresearch {version(DISTRIBUTION)}")
        except PackageNotFoundError:
            click.echo("autoresearch (not installed)")
        ctx.exit()


@click.group(cls=LazyGroup, params=place_options(), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Show the version and exit.")
def cli() -> None:
    """Research on a training script, measured: a bot changes train.py, a locked referee trains and scores it, git keeps what won."""


def main() -> None:
    cli(prog_name="autoresearch")
