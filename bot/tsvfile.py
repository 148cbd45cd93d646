"""Rows of a results.tsv: karpathy/autoresearch's five columns, separated by tabs. Read by `bot.logs` and `bot.importing`."""

import math
from dataclasses import dataclass
from pathlib import Path

from .errors import UsageError
from .report.text import plain

COLUMNS = ("commit", "val_bpb", "status")  # memory_gb and description may be missing
NAMELESS = ("", "-")
LARGEST = 1e100  # whose square is still a number


@dataclass(frozen=True)
class Row:
    line: int
    commit: str  # `-` or empty where there is none
    value: float | None  # None of a failure, which upstream writes as 0.000000 and we as nan
    status: str
    description: str


def read(path: Path) -> tuple[list[Row], list[str]]:
    """The rows, and what is wrong with each line that is none. UsageError where the file is no such table."""
    lines = text(path).split("\n")
    header = [name.strip() for name in lines[0].split("\t")] if lines else []
    if missing := [name for name in COLUMNS if name not in header]:
        raise UsageError(f"{path} has no column {missing[0]}; a results.tsv begins with commit, val_bpb, memory_gb, status, description")
    rows, problems = [], []
    for number, line in enumerate(lines[1:], 2):
        if line.strip():
            try:
                rows.append(_row(number, header, line.split("\t", len(header) - 1)))
            except ValueError as error:
                problems.append(f"{path} line {number}: {error}")
    return rows, problems


def text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start}); name a results.tsv or a ledger") from None


def _row(number: int, header: list[str], cells: list[str]) -> Row:
    row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
    if missing := [name for name in COLUMNS if name not in row]:
        raise ValueError(f"{len(cells)} columns, separated by tabs, and none for {missing[0]}")
    return Row(number, row["commit"], _value(row["val_bpb"], row["status"]), row["status"], row.get("description", ""))


def _value(text: str, status: str) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        raise ValueError(f"val_bpb is {plain(text, 20)!r}, which is not a number") from None
    if math.isfinite(value) and abs(value) > LARGEST:
        raise ValueError(f"val_bpb is {value:g}, which no measurement is")
    return value if math.isfinite(value) and value and status != "crash" else None
