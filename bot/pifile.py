"""Lines of the autoresearch.jsonl that pi-autoresearch writes: a `config` line begins a segment, every other line is one run.

A config has `metricName` and `bestDirection` (`lower` or `higher`); a run has `commit`, `metric` (0 of a crash), `status` (`keep`,
`discard`, `crash`, `checks_failed`), `description` and, in `asi`, what the agent thought. One that was not kept has its champion's commit.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .report.text import plain
from .tsvfile import LARGEST, text

RUNS = (None, "run", "result", "experiment")  # `type` of a line that is one
FAILED = ("crash", "checks_failed")


@dataclass(frozen=True)
class Run:
    line: int
    segment: int
    metric: str  # name; empty where no config gave one
    direction: str  # min | max; empty where no config gave one
    commit: str
    value: float | None
    status: str
    description: str
    learned: str


def read(path: Path) -> tuple[list[Run], list[str]]:
    """The runs, and what is wrong with each line that should be one. Lines of other types, such as `hook`, are none.

    UsageError where the file is no text."""
    runs, problems, segment = [], [], 0
    metric = direction = ""
    for number, line in enumerate(text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = _object(line)
            if found.get("type") == "config":
                segment += 1
                metric, direction = _config(found)
            elif found.get("type") in RUNS:
                runs.append(_run(number, segment, metric, direction, found))
        except ValueError as error:
            problems.append(f"{path} line {number}: {error}")
    return runs, problems


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON; cut off, perhaps") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found


def _config(found: Mapping[str, Any]) -> tuple[str, str]:
    best = found.get("bestDirection", "lower")
    if best not in ("lower", "higher"):
        raise ValueError(f"bestDirection is {plain(str(best), 20)!r}, neither lower nor higher")
    return str(found.get("metricName") or ""), "min" if best == "lower" else "max"


def _run(line: int, segment: int, metric: str, direction: str, found: Mapping[str, Any]) -> Run:
    if missing := [name for name in ("metric", "status") if name not in found]:
        raise ValueError(f"a run without {missing[0]}")
    status, asi = str(found["status"]), found.get("asi")
    value = None if status in FAILED else _value(found["metric"])
    said = asi if isinstance(asi, dict) else {}
    what = str(found.get("description") or said.get("hypothesis") or "")
    return Run(line, segment, metric, direction, str(found.get("commit") or ""), value, status, what, str(said.get("learned") or ""))


def _value(found: Any) -> float | None:
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ValueError(f"metric is {plain(str(found), 20)!r}, which is not a number")
    if not math.isfinite(found) or abs(found) > LARGEST:
        raise ValueError(f"metric is {found:g}, which no measurement is")
    return float(found)
