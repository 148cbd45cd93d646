"""What a coding agent printed: its last message, and what it used, where it says so. Pure.

Known, as far as their JSON goes: Claude Code and Cursor (`result`, `total_cost_usd`, `usage`), Codex (`agent_message`, `turn.completed`),
OpenCode (`text` and `step_finish` parts), Gemini CLI (`response`, `stats`); of plain text, aider's lines `Tokens: ... Cost: ...`.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from eval.text import harmless

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
AIDER = re.compile(r"Tokens:\s*([\d.,]+[kM]?) sent.{0,200}?([\d.,]+[kM]?) received", re.I)
AIDER_COST = re.compile(r"\$([\d.]+) session")
UNITS = {"k": 1e3, "M": 1e6}
MOST = 1e12  # a larger number is no count and no price
FIELD = re.compile(r"[\s>*_#`-]*(HYPOTHESIS|EXPECTED|CATEGORY|LEARNED)[*_`]*\s*:[*_`]*\s*(.*)", re.I)
BLANK = re.compile(r"<.*>")  # the form as the prompt shows it, repeated
LONGEST = 600  # characters of one field
ENOUGH = 100_000  # of a last message


@dataclass
class Said:
    """`dollars` is None where the output does not say."""

    text: str = ""
    model: str = ""
    prompt_tokens: int = 0  # the cached ones included
    cached_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = None


@dataclass(frozen=True)
class Fields:
    hypothesis: str = ""
    expected: str = ""
    category: str = ""
    learned: tuple[str, ...] = field(default=())


def read(out: str) -> Said:
    """Of JSON, one object or one a line, what is known of it; of any other text, the text."""
    said = Said()
    events = objects(out)
    for event in events:
        _text(said, event)
        _usage(said, event)
    if not events:
        said.text = ESCAPES.sub("", out).strip()
        _aider(said)
    said.text = said.text[-ENOUGH:]
    return said


def objects(out: str) -> list[dict[str, Any]]:
    """The JSON objects that `out` consists of; none where most of it is something else."""
    try:
        whole = json.loads(out)
        return [found for found in (whole if isinstance(whole, list) else [whole]) if isinstance(found, dict)]
    except (ValueError, RecursionError):
        pass
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    found = [event for event in map(_object, lines) if event]
    return found if 2 * len(found) >= len(lines) else []


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(said: Said, event: Mapping[str, Any]) -> None:
    item, part = mapping(event.get("item")), mapping(event.get("part"))
    texts = [event.get("result"), event.get("response")]
    texts += [item.get("text")] if "agent_message" in (item.get("type"), item.get("item_type")) else []
    texts += [part.get("text")] if event.get("type") == "text" else []
    said.text = next((text.strip() for text in texts if isinstance(text, str) and text.strip()), said.text)
    if event.get("role") == "assistant" and isinstance(event.get("content"), str):
        said.text += event["content"]  # pieces of one message
    if isinstance(event.get("model"), str):
        said.model = event["model"]


def _usage(said: Said, event: Mapping[str, Any]) -> None:
    part, stats = mapping(event.get("part")), mapping(event.get("stats"))
    total = next((event[name] for name in ("total_cost_usd", "cost_usd", "total_cost") if _number(event.get(name)) is not None), None)
    if total is not None:
        said.dollars = _number(total)
    if _number(part.get("cost")) is not None:
        said.dollars = (said.dollars or 0.0) + part["cost"]
    models = {name: mapping(found) for name, found in mapping(event.get("modelUsage") or stats.get("models")).items()}
    if models:
        said.model = max(models, key=lambda name: sum(_numbers(models[name])))
    if (event.get("type") == "result" or "type" not in event) and (event.get("usage") or stats):
        said.prompt_tokens = said.cached_tokens = said.completion_tokens = 0  # the whole run's, whatever single steps said
    parts = [mapping(found.get("tokens")) for found in models.values()]
    for usage in (mapping(event.get("usage")), mapping(part.get("tokens")), stats, *parts):
        _count(said, usage)


def _count(said: Said, usage: Mapping[str, Any]) -> None:
    """Adds one account of tokens, in any of the usual words."""

    def first(found: Mapping[str, Any], *names: str) -> int:
        return int(next((number for name in names if (number := _number(found.get(name))) is not None), 0))

    cache, details = mapping(usage.get("cache")), mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    apart = first(usage, "cache_read_input_tokens") + first(cache, "read")  # not part of the input there
    written = first(usage, "cache_creation_input_tokens") + first(cache, "write")
    said.cached_tokens += apart + first(usage, "cached_input_tokens", "cached") + first(details, "cached_tokens")
    said.prompt_tokens += first(usage, "input_tokens", "prompt_tokens", "input", "prompt") + apart + written
    said.completion_tokens += first(usage, "output_tokens", "completion_tokens", "output", "candidates")
    said.completion_tokens += first(usage, "reasoning", "thoughts")


def _aider(said: Said) -> None:
    for match in AIDER.finditer(said.text):
        said.prompt_tokens += _short(match[1])
        said.completion_tokens += _short(match[2])
    if costs := AIDER_COST.findall(said.text):
        said.dollars = _number(_float(costs[-1]))


def _short(text: str) -> int:
    number = _float(text.rstrip("kM").replace(",", "")) * UNITS.get(text[-1], 1)
    return int(number) if 0 <= number < MOST else 0


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST else None


def _numbers(value: Any) -> Iterator[float]:
    for inner in value.values() if isinstance(value, dict) else [value]:
        yield from _numbers(inner) if isinstance(inner, dict) else [number] if (number := _number(inner)) is not None else []


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def fields(text: str) -> Fields:
    """The lines `HYPOTHESIS: ...`, `EXPECTED: ...`, `CATEGORY: ...` and `LEARNED: ...` of a message. A field ends at an empty line."""
    found: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in text.splitlines():
        if match := FIELD.match(line):
            last = [match[2]]
            found.setdefault(match[1].lower(), []).append("")
            name = match[1].lower()
        elif not line.strip():
            last = None
        elif last is not None:
            last.append(line)
        if last is not None:
            found[name][-1] = " ".join(last)
    values = {name: [line for text in texts if (line := sentence(text)) and not BLANK.fullmatch(line)] for name, texts in found.items()}
    last_of = {name: texts[-1] for name, texts in values.items() if texts}
    hypothesis, expected, category = (last_of.get(name, "") for name in ("hypothesis", "expected", "category"))
    return Fields(hypothesis, expected, category, tuple(values.get("learned", ())))


def last_paragraph(text: str) -> str:
    """On one line; of a fenced block or a list, its text."""
    paragraphs = [found for found in re.split(r"\n\s*\n", text.strip()) if found.strip("`~- \n")]
    return sentence(paragraphs[-1]) if paragraphs else ""


def sentence(text: str) -> str:
    """One line, safe to print, of a bounded length."""
    line = harmless(" ".join(text.split()).strip(" *_`"))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
