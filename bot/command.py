"""Command targets: `METRIC name=value` lines of the target's own command (DESIGN 5, last paragraph).

Weaker than the referee: the candidate's code runs in the process that prints the number. What it prints is read strictly,
and only if the command exits 0."""

import re
import shutil
from pathlib import Path
from typing import Any

LARGEST = 1e100  # of which squares can still be added up; not a number either: nan
METRIC = re.compile(r"^METRIC\s+([A-Za-z_][\w.\-]*)\s*=\s*(\S+)\s*$")


def read_metrics(code: int, lines: list[str], metric: str) -> dict[str, Any]:
    """The result of one run of a command that ended with `code`: exactly one finite value of `metric`, else a failure."""
    if code:
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
        return failure("crash", f"the command ended with {exit_text(code)}: {last}", lines)
    found = [match.groups() for line in lines if (match := METRIC.match(line))]
    named = [text for name, text in found if name == metric]
    if not named:
        return failure("crash", f"the command printed no line `METRIC {metric}=value`", lines)
    if len(named) > 1:
        return failure("violation", f"the command printed METRIC {metric} {len(named)} times; it must be printed once", lines)
    values = {name: number for name, text in found if (number := _number(text)) is not None}
    if metric not in values:
        return failure("crash", f"METRIC {metric}={named[0]} is not a finite number", lines)
    return {"outcome": "ok", "value": values[metric], "metrics": values}


def words(command: tuple[str, ...], python: str, tree: Path, search: str) -> list[str] | None:
    """The command with its program's full path: `python` is the configured one, `./name` is in the tree. None: there is no such program."""
    first, *rest = command
    if first in ("python", "python3"):
        return [python, *rest]
    found = shutil.which(tree / first) if "/" in first else shutil.which(first, path=search)
    return [str(found), *rest] if found else None


def failure(outcome: str, reason: str, lines: list[str]) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "value": None, "log_tail": "\n".join(lines[-50:])}


def exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < LARGEST else None
