"""The step's outputs. Every declared one is written in every terminal state, one line each, and no value can forge another."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.report.text import plain

LIMIT = 4096  # characters of one value; a job's outputs may hold 1 MB in all
STATUSES = ("improved", "no-improvement", "budget", "cancelled", "failed")
NAMES = (
    "status", "experiments", "kept", "baseline", "best", "improvement-pct", "cost-usd", "branch", "head-sha",
    "pr-number", "pr-url", "pr-operation", "results-path", "plot-path",
)  # fmt: skip


class Outputs:
    """`set` as often as things are known, `write` once at the end. Until somebody knows better, the status is `failed`."""

    def __init__(self, path: Path | None):
        self.path = path
        self.values = dict.fromkeys(NAMES, "") | {"status": "failed"}

    def set(self, **values: Any) -> None:
        """`set(head_sha="...")`; None is an empty value. KeyError for an output that action.yml does not declare."""
        for field, value in values.items():
            name = field.replace("_", "-")
            if name not in self.values:
                raise KeyError(f"action.yml declares no output {name}")
            if name == "status" and value not in STATUSES:
                raise ValueError(f"{value!r} is not a status")
            self.values[name] = "" if value is None else plain(str(value), LIMIT)

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def write(self) -> None:
        """Appends all of them to the file that the runner reads when the step has ended. OSError when that cannot be written."""
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(block(self.values))


def block(values: Mapping[str, str]) -> str:
    """In the runner's own format, each value between two random words that it cannot contain."""
    text = ""
    for name, value in values.items():
        word = f"end-{secrets.token_hex(16)}"
        assert word not in value and "\n" not in value and "\r" not in value, f"output {name} is not one line"
        text += f"{name}<<{word}\n{value}\n{word}\n"
    return text
