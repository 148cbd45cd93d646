"""Asks one language model of one server that speaks OpenAI's API: hosted, vLLM, Ollama, LiteLLM, llama.cpp.

A request that met something that may pass (busy, too many requests, failed, cut connection) is made again, after the wait that the server
asks for, or a growing one: a next try begins within `timeout` of the first, and each may take as long. Nothing else is tried again. What is
the settings' fault is a `UsageError` that names the field; everything else that is no answer is a `Reply` that says what it was.
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from msgspec.structs import replace

from bot.errors import UsageError
from bot.llm import dialect, refusals
from bot.llm.judge import Judge, Try
from bot.llm.reading import Usage
from bot.llm.wire import Got, Wire
from bot.proposers import prices
from bot.records import Call

TRIES = 6
FIRST, LONGEST = 1.0, 30.0  # seconds of backoff
LIST = 10.0  # seconds to ask what models there are


class Model(dialect.Model, prices.Priced, Protocol):
    """The part of `bot.asking.ModelSettings` that is needed here."""

    key: str
    timeout_seconds: float


@dataclass(frozen=True)
class Policy:
    """`sleep` is called to wait, and with 0 while an answer is waited for: what it raises ends the call. `note` gets a line for every wait
    and for what was done without."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    note: Callable[[str], None] = lambda text: None


USUAL = Policy()


@dataclass(frozen=True)
class Reply:
    """`call.outcome` is `answer` where `text` is one; a `cut` one has what was written until then."""

    text: str
    call: Call


class Chat:
    """`key` is the key itself, "" for none; `at` is where the model's settings are written; `name` is what `Call.model` says."""

    def __init__(self, model: Model, key: str, at: str = "models[0]", name: str = "", policy: Policy = USUAL):
        key = key.strip()
        _check(model, key, at)
        self.model, self.name, self.policy = model, name or model.model, policy
        self._wire, self._dialect = Wire(model.base_url, key), dialect.of(model)
        place = refusals.Place(at, model.model, model.key, model.base_url, model.api)
        self._judge = Judge(place, model.timeout_seconds, model.max_tokens, self.models)

    def ask(self, messages: dialect.Messages, id: int = 0, billed: Callable[[Call], None] = lambda call: None) -> Reply:
        """The model's answer to a conversation (`role` and `content` each), for experiment `id`. `billed` is told of each request that is
        made again, as soon as it ended; the last one is the reply's."""
        started, tries = self.policy.clock(), 1
        while True:
            fields, sent = self._dialect.fields(self.model, messages), self.policy.clock()
            got = self._wire.ask(self.model.api, fields, self.model.timeout_seconds, lambda: self.policy.sleep(0))
            if isinstance(got, Got) and got.status in (400, 422) and self._adapted(got, fields):
                continue
            ended = self.policy.clock()
            found = self._judge.judge(got, messages, ended - sent)
            call, wait = self._call(id, found, ended - sent), self._wait(found, tries, ended - started)
            if wait is None:
                return Reply(found.reading.text, _given_up(call, found.passing, tries) if found.passing else call)
            billed(call)
            self.policy.note(f"{self.name}: {call.reason}; asking again in {wait:.1f} s")
            self.policy.sleep(wait)
            tries += 1

    def models(self) -> list[str]:
        """What the server has, as far as it says; it costs nothing."""
        got = self._wire.models(LIST)
        try:
            data = json.loads(got.body) if isinstance(got, Got) else None
        except ValueError:
            data = None
        listed = data.get("data") if isinstance(data, Mapping) else None
        names = [item.get("id") for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []
        return [name for name in names if isinstance(name, str)]

    def _adapted(self, got: Got, fields: Mapping[str, object]) -> bool:
        words = refusals.said(got)
        without = self._dialect.learn(dialect.Complaint(words.text, words.param), fields)
        if without:
            self.policy.note(f"{self.name}: going on {without}, because the server refused it ({words.text})")
        return bool(without)

    def _wait(self, found: Try, tries: int, elapsed: float) -> float | None:
        """Seconds until the next try; None for none."""
        if not found.passing:
            return None
        wait = found.passing.wait
        if wait is None:
            wait = random.uniform(0.5, 1.0) * min(LONGEST, FIRST * 2 ** (tries - 1))
        return None if tries >= TRIES or elapsed + wait > self.model.timeout_seconds else wait

    def _call(self, id: int, found: Try, seconds: float) -> Call:
        counted, reading = found.reading.usage, found.reading
        usage = counted or found.spent or Usage(0, 0)
        paid = bool(usage.prompt or usage.answer)
        return Call(
            at=time.time(), id=id, model=self.name, prompt_tokens=usage.prompt, completion_tokens=usage.answer, cached_tokens=usage.cached,
            dollars=prices.dollars(self.model, usage.prompt, usage.answer, usage.cached, usage.written) if paid else 0.0,
            estimated=paid and counted is None, seconds=seconds, outcome=reading.outcome, reason=reading.reason,
        )  # fmt: skip


def key_of(model: Model, environ: Mapping[str, str], at: str = "models[0]") -> str:
    """The key in the variable that the settings name; "" for a server that wants none."""
    key = environ.get(model.key, "").strip() if model.key else ""
    if model.key and not key:
        fix = 'Set it to the key of this server, or write `key: ""` if the server wants none'
        raise UsageError(f"{at}.key: the environment variable {model.key} is not set, and {model.base_url} is asked with it. {fix}")
    return key


def _check(model: Model, key: str, at: str) -> None:
    if not all("!" <= character <= "~" for character in key):
        raise UsageError(f"{at}.key: the key holds a space, a line break or another character that no key has. Set {model.key} again")
    try:
        urlsplit(model.base_url).port  # noqa: B018
    except ValueError:
        raise UsageError(f"{at}.base_url: {model.base_url} has no port like that. Write one between 1 and 65535") from None
    given = {"input_price": model.input_price, "output_price": model.output_price}
    if prices.price(model) is None and any(value is not None for value in (*given.values(), model.cached_price)):
        missing = next(name for name, value in given.items() if value is None)
        raise UsageError(f"{at}.{missing}: missing beside the other prices of {model.model}. Write dollars for a million tokens")


def _given_up(call: Call, passing: refusals.Passing, tries: int) -> Call:
    asked = f", for it asks to wait {passing.wait:.0f} s" if passing.wait else ""
    return replace(call, reason=f"{call.reason}; given up after {tries} {'try' if tries == 1 else 'tries'}{asked}")
