"""The entry of action.yml's main step: `exec`ed, so that the runner's signals reach it. Secrets first, then inputs, then one mode.

The exit code is 0 for every honest result, 2 for wrong inputs or settings, 1 for other faults, 128 + N after signal N.
"""

import os
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType

from bot import keys
from bot.action import interrupt, secret
from bot.action.inputs import Inputs, Job
from bot.action.log import LOG
from bot.action.outputs import Outputs
from bot.errors import AutoresearchError, StopNow
from eval.errors import RefereeError
from eval.sandbox import shield
from eval.text import harmless


def main() -> None:
    sys.excepthook = show_exception
    interrupt.install()
    shield()  # before the secrets come: from here on no process of this user can read our memory or environment
    outputs = Outputs(Job.read(os.environ).output)
    code = 1
    try:
        code = perform(outputs)
    finally:
        write(outputs)
    sys.exit(code)


def perform(outputs: Outputs) -> int:
    try:
        secrets = secret.take()
        keys.hold({name: value for name, value in secrets.items() if name not in secret.SECRET and value})
        return act({**os.environ, **secrets}, outputs)
    except (StopNow, interrupt.Interrupted) as error:
        outputs.set(status="cancelled")
        LOG.warning(str(error))
        return error.exit_code
    except RefereeError as error:
        return failed(outputs, error, 2)
    except AutoresearchError as error:
        return failed(outputs, error, error.exit_code)
    except OSError as error:
        return failed(outputs, error, AutoresearchError.exit_code)


def act(environ: Mapping[str, str], outputs: Outputs) -> int:
    from bot.action import configure, modes

    inputs = Inputs.read(environ)
    for text in inputs.secrets():
        LOG.mask(text)
    with LOG.inert():
        return modes.MODES[inputs.mode](inputs, configure.load(inputs), outputs)


def failed(outputs: Outputs, error: Exception, code: int) -> int:
    outputs.set(status="failed")
    LOG.error(str(error))
    return code


def write(outputs: Outputs) -> None:
    interrupt.ignore()
    try:
        outputs.write()
    except OSError as error:
        LOG.warning(f"the outputs of this step could not be written ({error})")


def show_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback may quote what a candidate wrote: no line of it may be a command to the runner."""
    for line in "".join(traceback.format_exception(kind, error, trace)).splitlines():
        print(harmless(line), file=sys.stderr)


if __name__ == "__main__":
    main()
