"""A night of research on this machine, the same in the modes `run` and `all`. What comes before and after it: `bot.publish.mode`."""

import sys
from collections.abc import Callable

from bot.action import facts, interrupt, summary
from bot.action.configure import placed
from bot.action.inputs import Inputs
from bot.action.log import LOG
from bot.action.outputs import Outputs
from bot.commands import act
from bot.errors import UsageError
from bot.loop import Night, run_loop
from bot.report import files
from bot.settings import Settings


def run(inputs: Inputs, settings: Settings, outputs: Outputs, work: Callable[[Night], str] = run_loop) -> int:
    """The exit code: 0 also without an improvement; 128 + the signal's number where one ended the night. `work` returns why it ended."""
    try:
        with placed(inputs):
            night = act(settings, work, sys.stdout, summary=True, follow=True)
    except BaseException:
        told(settings, outputs)
        raise
    if not night.stop.now:
        interrupt.install()
    facts.fill(outputs, night.settings, night.history)
    outputs.set(status=status(night))
    if inputs.summary and (inputs.mode == "run" or night.stop.now):  # else publishing shows it, with the pull request
        show(settings, inputs)
    return night.stop.exit_code


def status(night: Night) -> str:
    """`budget`: it ended before one experiment was decided."""
    if night.stop.soft:
        return "cancelled"
    if facts.kept(night.history):
        return "improved"
    return "budget" if not facts.decided(night.history) and night.stop_reason() else "no-improvement"


def told(settings: Settings, outputs: Outputs) -> None:
    """What is known of a run that ended by an error."""
    try:
        _, history = files.load(settings)
    except UsageError:  # it never began
        return
    facts.fill(outputs, settings, history)


def show(settings: Settings, inputs: Inputs) -> None:
    """The report on the job's page. Research does not fail because it cannot be shown."""
    try:
        summary.write((files.folder(settings) / "report.md").read_text(encoding="utf-8"), inputs.job.step_summary)
    except OSError as error:
        LOG.warning(f"the job's summary could not be written ({error}); the report is in {files.folder(settings)}")
