"""What a request holds, in the words that a server takes. Servers differ in them: what one refuses is left out or renamed, and remembered
for as long as the program runs, by server, API and model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol
from urllib.parse import urlsplit

Messages = Sequence[Mapping[str, str]]
LIMITS = {"chat": ("max_tokens", "max_completion_tokens"), "responses": ("max_output_tokens",)}  # the first that is not refused
NAMES = {  # field -> what else an error message may call it
    "temperature": (),
    "reasoning_effort": ("reasoning.effort", "reasoning effort", "reasoning", "thinking", "think"),
    "reasoning": ("reasoning_effort", "reasoning.effort", "reasoning effort", "thinking", "think"),
    "store": (),
    **{name: () for names in LIMITS.values() for name in names},
}
TOO_LARGE = re.compile(r"too (large|high|big)|at most|exceed|greater than|less than|maximum (value|allowed|of)|<=", re.IGNORECASE)
NO_SYSTEM = re.compile(r"'system'|\bsystem\b.{0,20}\b(role|message|prompt)|\brole\b.{0,20}\bsystem\b", re.IGNORECASE)


class Model(Protocol):
    """The part of `bot.asking.ModelSettings` that is needed here."""

    model: str
    base_url: str
    api: str
    temperature: float | None
    effort: str | None
    max_tokens: int


@dataclass(frozen=True)
class Complaint:
    """A server's words for why it did not take a request. `param` is the field that it names, "" for none."""

    said: str
    param: str = ""


class Dialect:
    """Of one model of one server. `refused` grows: names of fields, "limit" for all that limit the answer, "system" for that role."""

    def __init__(self, api: str, openai: bool = False):
        self.api = api
        self.refused: set[str] = {"max_tokens"} if openai else set()  # which its models of today do not take

    def fields(self, model: Model, messages: Messages) -> dict[str, Any]:
        """The request."""
        said = [{"role": m["role"], "content": m["content"].encode(errors="replace").decode()} for m in messages]
        said = _without_system(said) if "system" in self.refused else said
        limit = next((name for name in LIMITS[self.api] if name not in self.refused), None) if "limit" not in self.refused else None
        wanted: dict[str, Any] = {"temperature": model.temperature, **({limit: model.max_tokens} if limit else {})}
        if self.api == "responses":
            effort = {"effort": model.effort} if model.effort else None
            wanted |= {"input": said, "reasoning": effort, "store": False}  # the prompt is the user's code: nobody need keep it
        else:
            wanted |= {"messages": said, "reasoning_effort": model.effort}
        wanted["model"] = model.model
        return {name: value for name, value in wanted.items() if value is not None and name not in self.refused}

    def learn(self, complaint: Complaint, sent: Mapping[str, Any]) -> str:
        """What the next request will do without because of a refusal, in words; "" where that names nothing that can be left out."""
        name = complaint.param if complaint.param in sent and complaint.param in NAMES else _first_named(complaint, sent)
        if not name:
            roles = {m["role"] for m in sent.get("messages") or sent.get("input") or []}
            if "system" not in roles or "user" not in roles or not NO_SYSTEM.search(complaint.said):
                return ""
            name = "system"
        limits = LIMITS[self.api]
        with _LOCK:
            large = name in limits and TOO_LARGE.search(complaint.said)  # then the server's own limit is the smaller one
            self.refused.add("limit" if large else name)
        renamed = next((limit for limit in limits if limit not in self.refused), "") if name in limits and not large else ""
        return f"without {'the system role' if name == 'system' else name}{f' but with {renamed}' if renamed else ''}"


_LOCK = Lock()
_KNOWN: dict[tuple[str, str, str], Dialect] = {}


def of(model: Model) -> Dialect:
    """The one that this program has learned so far."""
    with _LOCK:
        return _KNOWN.setdefault((model.base_url, model.api, model.model), Dialect(model.api, at_openai(model.base_url)))


def at_openai(base_url: str) -> bool:
    """Whether it is OpenAI's own server."""
    return (urlsplit(base_url).hostname or "").endswith(".openai.com")


def _first_named(complaint: Complaint, sent: Mapping[str, Any]) -> str:
    """The field that the complaint mentions first."""
    found: list[tuple[int, str]] = []
    text = f"{complaint.param} {complaint.said}".lower()
    for name in NAMES.keys() & sent.keys():
        places = [m.start() for word in (name, *NAMES[name]) if (m := re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", text))]
        found += [(min(places), name)] if places else []
    return min(found, default=(0, ""))[1]


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """What the system role said, at the head of the first thing that the user said."""
    heads = [m["content"] for m in messages if m["role"] == "system"]
    rest = [m for m in messages if m["role"] != "system"]
    return [{**m, "content": "\n\n".join([*heads, m["content"]])} if m is rest[0] else m for m in rest]
