"""What a server answered, read with as little trust as possible: the text, how it ended, and the tokens that were counted."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.forge.errors import quoted
from bot.llm.refusals import FILTERED, Said, of_error, page
from bot.llm.wire import Got

CUT = {"length", "max_tokens", "max_output_tokens", "model_length"}
FILTER = {"content_filter", "safety", "prohibited_content", "refusal", "recitation", "blocklist"}


@dataclass(frozen=True)
class Usage:
    """Tokens. `cached` and `written`, those put into the server's cache, are part of the prompt's; what a model thought is the answer's."""

    prompt: int
    answer: int
    cached: int = 0
    written: int = 0


@dataclass(frozen=True)
class Reading:
    """`outcome` is that of a `Call`; `error` is one that the server reports although its status is good, `status` what it says that is."""

    outcome: str
    text: str = ""
    reason: str = ""
    usage: Usage | None = None
    error: Said | None = None
    status: int = 200


def read(got: Got, api: str) -> Reading:
    """Of a good status."""
    text = got.body.decode(errors="replace")
    kind = got.headers.get("content-type", "none").partition(";")[0].strip()
    try:
        data = json.loads(text)
    except ValueError:
        return Reading("garbage", reason=f"it answered with {_what(text)}, not with JSON (its content type is {quoted(kind)})")
    if not isinstance(data, Mapping):
        return Reading("garbage", reason=f"it answered with JSON that is no answer: {quoted(text)}")
    if data.get("error") and not data.get("choices"):
        return _reported(data["error"])
    reading = _response(data) if api == "responses" else _completion(data)
    return reading or Reading("garbage", reason=f"it answered with JSON that is no answer: {quoted(text)}", usage=_usage(data))


def _completion(data: Mapping[str, Any]) -> Reading | None:
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(message, Mapping):
        return None
    if choice.get("error"):  # some gateways report what failed behind them here
        return _reported(choice["error"])
    text, usage = _joined(message.get("content")), _usage(data)
    thought = bool(message.get("reasoning_content") or message.get("reasoning"))
    return _ended(text, _joined(message.get("refusal")), str(choice.get("finish_reason") or ""), usage, thought)


def _response(data: Mapping[str, Any]) -> Reading | None:
    if not isinstance(output := data.get("output"), list):
        return None
    items = [item for item in output if isinstance(item, Mapping)]
    parts = [part for item in items if isinstance(item.get("content"), list) for part in item["content"] if isinstance(part, Mapping)]
    text = "".join(str(p.get("text") or "") for p in parts if p.get("type") == "output_text")
    refusal = "".join(str(p.get("refusal") or "") for p in parts if p.get("type") == "refusal")
    status, details = str(data.get("status") or ""), data.get("incomplete_details")
    why = str(details.get("reason") or "") if isinstance(details, Mapping) else ""
    thought = any(item.get("type") == "reasoning" for item in items)
    return _ended(text, refusal, why or (status if status not in ("completed", "incomplete") else ""), _usage(data), thought)


def _ended(text: str, refusal: str, why: str, usage: Usage | None, thought: bool) -> Reading:
    """`why` the answer ended, "" or `stop` for by itself."""
    text, low = answered(text), why.lower()
    if refusal:
        return Reading("refused", reason=f"the model declined: {quoted(refusal)}", usage=usage)
    if low in FILTER:
        return Reading("refused", reason=f"the server's content filter withheld the answer ({quoted(why)})", usage=usage)
    if low in CUT:
        tokens = f"{usage.answer} tokens" if usage else "the longest that it may be"
        spent = "; it wrote nothing, thinking took them all: raise `max_tokens` or lower `effort`" if not text.strip() else ""
        return Reading("cut", text, f"the answer was cut off at {tokens}{spent}", usage)
    if not text.strip():
        also = f" (it ended with {quoted(why)})" if low not in ("", "stop") else " but thoughts" if thought else ""
        return Reading("empty", reason=f"the answer holds nothing{also}", usage=usage)
    return Reading("answer", text, usage=usage)


def answered(text: str) -> str:
    """Without the thoughts that some local servers leave at its head, whose opening tag their template may have eaten."""
    opening, closing = text.find("<think>"), text.find("</think>")
    heads = closing >= 0 and (opening < 0 or opening > closing or not text[:opening].strip())
    return text[closing + len("</think>") :].lstrip() if heads else text


def _reported(error: Any) -> Reading:
    words = of_error(error)
    code = error.get("code") if isinstance(error, Mapping) else None
    status = int(code) if str(code).isascii() and str(code).isdigit() and 400 <= int(code) < 600 else 500
    if FILTERED.search(words.all):
        return Reading("refused", reason=f"the server's content filter stopped it ({words.text})")
    return Reading("error", reason=f"it failed ({words.text})", error=words, status=status)


def _joined(content: Any) -> str:
    """A message's text, which some servers give in parts."""
    if isinstance(content, list):
        return "".join(str(p.get("text") or "") for p in content if isinstance(p, Mapping))
    return content if isinstance(content, str) else ""


def _usage(data: Mapping[str, Any]) -> Usage | None:
    """None where it is missing or makes no sense."""
    usage = data.get("usage")
    if not isinstance(usage, Mapping):
        return None
    prompt, answer = _first(usage, "prompt_tokens", "input_tokens"), _first(usage, "completion_tokens", "output_tokens")
    if prompt is None or answer is None or not prompt + answer:
        return None
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    cached = min(_first(details, "cached_tokens") or _first(usage, "prompt_cache_hit_tokens") or 0, prompt)
    written = min(_first(details, "cache_write_tokens") or 0, prompt - cached)
    total = _first(usage, "total_tokens") or 0  # some count what the model thought in the total alone
    return Usage(prompt, max(answer, total - prompt), cached, written)


def _first(counts: Mapping[str, Any], *names: str) -> int | None:
    found: Iterator[Any] = (counts[name] for name in names if name in counts)
    value = next(found, None)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else None


def _what(text: str) -> str:
    if page(text):
        return page(text)
    if not text.strip():
        return "nothing"
    return "a stream of events" if text.startswith(("data:", "event:")) else f"{quoted(text[:200])!r}"
