"""What a server's refusal means: whose mistake it is, whether it may pass, and what to do about it.

A mistake in the settings is a `UsageError` that names the field; it will be the same at the next request. What may pass is a `Passing`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from bot.errors import UsageError
from bot.forge.errors import quoted
from bot.llm.wire import Got

NO_CREDIT = re.compile(r"insufficient[_ ](quota|balance|credit|funds)|out of credit|billing_(hard_limit|not_active)", re.IGNORECASE)
QUOTA = re.compile(r"exceeded your current quota|billing", re.IGNORECASE)  # said of no credit, and by some of too many requests a minute
AGAIN = re.compile(r"\b(?:try again|retry) in (\d+(?:\.\d+)?) ?(ms|s)\b", re.IGNORECASE)
KEY = re.compile(r"\bapi[ _-]?key\b|invalid_api_key|unauthorized|\bauthenticat", re.IGNORECASE)
MODEL = re.compile(
    r"model_not_found|invalid_model|\b(unknown|invalid|no such) model\b|\bmodel\b.{0,200}\b(not found|does not exist|not exist)\b"
    r"|not a valid model|not supported model|no models? loaded",
    re.IGNORECASE | re.DOTALL,
)
FILTERED = re.compile(r"content_filter|content_policy|responsible_ai|invalid_prompt|\bmoderation\b|\bsafety\b", re.IGNORECASE)
TOO_LONG = re.compile(r"context[_ ](length|window|size)|(prompt|input) is too long|too many tokens|reduce the length", re.IGNORECASE)
PAGE = re.compile(r"\s*<(!doctype|html|head|body)\b", re.IGNORECASE)
A_PAGE = "an HTML page"
TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
PASSES = {408: "it took too long", 409: "it is busy with another request", 425: "it is not ready", 429: "too many requests"}
LASTS = {501, 505}  # of what is 500 and above


@dataclass(frozen=True)
class Said:
    """A server's own words. `code` and `param` are "" where it gives none."""

    text: str
    code: str = ""
    param: str = ""

    @property
    def all(self) -> str:
        return f"{self.code} {self.text}"


@dataclass(frozen=True)
class Passing:
    """Something that may pass. `wait` in seconds as the server told; None: our own backoff."""

    text: str
    wait: float | None = None


@dataclass(frozen=True)
class Place:
    """Where the settings of a model are written, for messages."""

    at: str  # such as models[0]
    model: str
    key: str  # name of its variable
    base_url: str
    api: str

    @property
    def endpoint(self) -> str:
        return f"{self.base_url}/{'responses' if self.api == 'responses' else 'chat/completions'}"

    def names_model(self, text: str) -> bool:
        return re.search(rf"(?<!\w){re.escape(self.model)}(?!\w)", text) is not None


def said(got: Got) -> Said:
    """The words of an error, in any of the shapes that servers give them."""
    text = got.body.decode(errors="replace")
    try:
        data = json.loads(text)
    except ValueError:
        return Said(page(text) or quoted(text) or f"no words, status {got.status}")
    data = data[0] if isinstance(data, list) and data else data
    error = data.get("error", data) if isinstance(data, dict) else data
    return of_error(error)


def of_error(error: Any) -> Said:
    """Of the `error` in a body."""
    if not isinstance(error, Mapping):
        return Said(quoted(str(error)))
    words, fields = error.get("message") or error.get("detail") or error, error.get("param")
    if isinstance(words, list):  # of pydantic: what is wrong with which field
        fields = next((w["loc"][-1] for w in words if isinstance(w, Mapping) and w.get("loc")), fields)
        words = "; ".join(f"{w.get('msg')} ({'.'.join(map(str, w.get('loc') or []))})" if isinstance(w, Mapping) else str(w) for w in words)
    code = " ".join(str(error[name]) for name in ("code", "type", "status") if error.get(name))
    return Said(quoted(words if isinstance(words, str) else json.dumps(words)), code, str(fields or ""))


def page(text: str) -> str:
    """What a text is that should be JSON and is a page for people; "" where it is none."""
    if not PAGE.match(text):
        return ""
    title = TITLE.search(text)
    return f"{A_PAGE} titled {quoted(title[1])!r}" if title and title[1].strip() else A_PAGE


def mistake(status: int, words: Said, place: Place, headers: Mapping[str, str]) -> UsageError | None:
    """The error for what only a change of the settings helps against."""
    key = f"the key in {place.key}" if place.key else "a request without a key"
    host, moved = place.base_url, headers.get("location", "")
    spent = NO_CREDIT.search(words.all) or QUOTA.search(words.all) and _wait(words, headers) is None
    if status == 402 or status in (400, 403, 429) and spent:
        fix = "Add credit or raise the limit there, or use another model"
        return UsageError(f"{place.at}.key: no credit is left for {key} at {host} ({words.text}). {fix}")
    if status == 403 and words.text.startswith(A_PAGE):
        text = f"something before {host}, such as a firewall or a proxy, does not let the request pass ({words.text})"
        return UsageError(f"{place.at}.base_url: {text}. Check the address, and the proxy in HTTPS_PROXY or HTTP_PROXY")
    if status == 401 or status == 403 or status == 400 and KEY.search(words.all):
        if FILTERED.search(words.all):
            return None
        fix = f"Put a valid key of this server, allowed to use {place.model}, into {place.key}" if place.key else "Name its variable"
        return UsageError(f"{place.at}.key: {host} does not accept {key} ({words.text}). {fix}")
    if status in (400, 404, 422) and MODEL.search(words.all) or status == 404 and place.names_model(words.text):
        return UsageError(f"{place.at}.model: {host} has no model {place.model!r} for {key} ({words.text})")
    if 300 <= status < 400:
        text = f"{place.endpoint} has moved{f' to {moved}' if moved else ''} ({status}), and neither key nor prompt follows it there"
        return UsageError(f"{place.at}.base_url: {text}. Write the API's present address")
    if status in (404, 405, 410):
        other = "chat" if place.api == "responses" else "responses"
        hint = "The address usually ends in /v1" if not place.base_url.endswith("/v1") else f"A server may have only `api: {other}`"
        return UsageError(f"{place.at}.base_url: there is nothing to ask at {place.endpoint} ({status}: {words.text}). {hint}")
    return None


def passing(status: int, words: Said, headers: Mapping[str, str]) -> Passing | None:
    """What may pass of an answer, and when."""
    if status in PASSES or status >= 500 and status not in LASTS:
        text = PASSES.get(status, "it failed")
        return Passing(f"{text} ({status}: {words.text})", _wait(words, headers))
    return None


def _wait(words: Said, headers: Mapping[str, str]) -> float | None:
    """Seconds until the next try, as the server told: in milliseconds, in seconds, as a date, or in its words."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
            return float(value) / unit
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time())
        except (ValueError, TypeError):
            continue
    told = AGAIN.search(words.text)
    return float(told[1]) / (1000.0 if told[2].lower() == "ms" else 1.0) if told else None
