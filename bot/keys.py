"""The keys of model servers and agents: taken out of the environment before anything is started that could inherit them.

What the kernel shows of a process's first environment stays as it was; `eval.sandbox.shield` closes that to other processes, and the
action hands its keys over in a pipe (`bot.action.secret`)."""

import os
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING

from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.settings import Settings

LONGEST = 10_000  # characters of one line
OURS = ("PATH", "HOME", "LANG", "TERM", "TMPDIR", "SSH_AUTH_SOCK")  # no keys, and the bot and its git need them, whoever else is given them
_held: dict[str, str] = {}


def hide(settings: "Settings", environ: MutableMapping[str, str] = os.environ) -> None:
    """Takes the variables that the settings name over."""
    for name in names(settings):
        if name in OURS or name.upper().endswith("_PROXY"):
            continue
        if value := environ.pop(name, ""):
            _held[name] = value


def hold(found: Mapping[str, str]) -> None:
    """Keys that came another way than by the environment."""
    _held.update(found)


def view(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment with what was taken out of it. For who asks a server, and for nobody else."""
    return {**environ, **_held}


def taken() -> tuple[str, ...]:
    """Names of what is in no environment any more."""
    return tuple(_held)


def names(settings: "Settings") -> list[str]:
    """The variables that hold keys."""
    agent = settings.agent.environment if settings.agent else ()
    return list(dict.fromkeys([*(model.key for model in settings.models if model.key), *agent]))


def read(lines: Iterable[str]) -> dict[str, str]:
    """Lines of NAME=VALUE. UsageError for any other, which it does not repeat."""
    found = {}
    for number, line in enumerate(lines, 1):
        name, mark, value = line.strip().partition("=")
        if not line.strip():
            continue
        if not mark or not name.isidentifier() or not value or len(line) > LONGEST:
            raise UsageError(f"--keys-from-stdin: line {number} is not NAME=VALUE; write one such as OPENAI_API_KEY=...")
        found[name] = value
    return found
