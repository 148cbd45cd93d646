"""What each `mode` does: (inputs, settings, outputs) -> exit code. Imported only when it is asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.action.inputs import Inputs
    from bot.action.outputs import Outputs
    from bot.settings import Settings


def run(inputs: "Inputs", settings: "Settings", outputs: "Outputs") -> int:
    from bot.publish import mode

    return mode.run(inputs, settings, outputs)


def publish(inputs: "Inputs", settings: "Settings", outputs: "Outputs") -> int:
    from bot.publish import mode

    return mode.publish(inputs, settings, outputs)


def everything(inputs: "Inputs", settings: "Settings", outputs: "Outputs") -> int:
    from bot.publish import mode

    return mode.everything(inputs, settings, outputs)


def comment(inputs: "Inputs", settings: "Settings", outputs: "Outputs") -> int:
    from bot.publish import commands

    return commands.comment(inputs, settings, outputs)


MODES: dict[str, Callable[..., int]] = {"run": run, "publish": publish, "all": everything, "comment": comment}
