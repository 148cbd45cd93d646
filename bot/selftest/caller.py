"""The process that calls the referee, as the bot does: with secrets in its environment, closed to others, its child's clean.

    python -m bot.selftest.caller FOLDER REFEREE MEMORY -- python -P -m eval measure ...       (spawned by bot.selftest.trial)

Exit code: the referee's. `MEMORY`: bytes of address space for it and the candidate, 0 = no limit.
"""

import ctypes
import resource
import signal
import sys
from pathlib import Path

from eval.process import clean_environment, spawn
from eval.sandbox import shield

PR_SET_PDEATHSIG = 1


def main(folder: str, referee: str, memory: str, _: str, *argv: str) -> int:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    shield()
    if int(memory):
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    environment = clean_environment(Path(folder), Path(folder), {"PYTHONPATH": referee})
    child = spawn(list(argv), cwd=Path(folder), env=environment)
    try:
        code = child.wait()
    finally:
        child.kill()
    print("\n".join(child.log.settle()[-5:]), file=sys.stderr)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
