"""How settings that are wrong read to the person who wrote them."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from bot.asking import AgentSettings, ModelSettings

NESTED: dict[str, type[BaseModel]] = {"models": ModelSettings, "agent": AgentSettings}


def explain(error: ValidationError, model: type[BaseModel], name: str, places: Mapping[str, str]) -> str:
    """All bad fields in one message: where, what, and how to write it."""
    problems: dict[str, list[dict[str, Any]]] = {}
    for item in error.errors():
        problems.setdefault(path(item["loc"]), []).append(dict(item))
    lines = [f"{places.get(_top(field), name)}: {field}: {_sentence(field, items, model)}" for field, items in problems.items()]
    return lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} settings are wrong", *lines])


def path(loc: tuple[int | str, ...]) -> str:
    """`models[0].key`. Of other fields only the first part: the next one may name the type that was tried."""
    first, *rest = loc
    return str(first) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in (rest if first in NESTED else []))


def _top(field: str) -> str:
    return field.partition("[")[0].partition(".")[0]


def _sentence(field: str, items: list[dict[str, Any]], model: type[BaseModel]) -> str:
    top, word = _top(field), field.rpartition(".")[2]
    if items[0]["type"] == "extra_forbidden":
        keys = list(NESTED[top].model_fields if field != top else model.model_fields)
        near = difflib.get_close_matches(word, keys, 1, 0.5)
        return f"unknown key; did you mean `{near[0]}`?" if near else f"unknown key; the keys are {', '.join(keys)}"
    example = f"write it like `{top}: {(model.model_fields[top].examples or [''])[0]}`"
    if items[0]["type"] == "missing":
        return f"missing; {example}"
    if items[0]["type"] == "value_error":
        return str(items[0]["ctx"]["error"])
    wanted = " or ".join(dict.fromkeys(str(item["msg"]).replace("Input should be ", "").replace("tuple", "list") for item in items))
    return f"{items[0]['input']!r} should be {wanted}; {example}"
