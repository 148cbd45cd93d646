"""Takes the secrets out of this process's environment: out of `os.environ`, and out of what the kernel shows of it.

`os.environ.pop` alone leaves /proc/PID/environ as it was, readable for every process of the same user and for root. So the program is
started anew in the same process, with the same PID that the runner signals, and reads its secrets from a pipe.
"""

import json
import os
import re
import sys
from collections.abc import MutableMapping

from bot.errors import UsageError

SECRET = ("AR_GITHUB_TOKEN", "AR_APP_PRIVATE_KEY")
DESCRIPTOR = "AR_SECRETS_FD"
KEYS = re.compile(r".*_(KEY|TOKEN|SECRET|PASSWORD)", re.IGNORECASE)  # at a name's end: what a workflow's `env:` gives a proposer
PIPE_BYTES = 60_000  # a pipe holds 64 KiB before anyone reads it


def take(environ: MutableMapping[str, str] = os.environ) -> dict[str, str]:
    """The secret variables. Returns only in a process whose environment never held them."""
    if DESCRIPTOR in environ:
        with os.fdopen(int(environ.pop(DESCRIPTOR)), "rb") as pipe:
            return json.loads(pipe.read())
    names = [*SECRET, *(name for name in environ if name not in SECRET and KEYS.fullmatch(name))]
    found = {name: environ.pop(name, "") for name in names}
    data = json.dumps(found).encode()
    if not any(found.values()):
        return found
    if len(data) > PIPE_BYTES:
        raise UsageError(f"github-token, app-private-key and keys in `env:`: together over {PIPE_BYTES // 1000} kB; a key has 2 kB at most")
    read_end, write_end = os.pipe()
    os.write(write_end, data)
    os.close(write_end)
    os.set_inheritable(read_end, True)
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-P", "-m", "bot.action"], {**environ, DESCRIPTOR: str(read_end)})
