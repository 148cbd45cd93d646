"""What came of one request: an answer, something that may pass, or the end of it; and what it cost where nobody counted."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bot.errors import UsageError
from bot.llm import dialect, refusals
from bot.llm.reading import Reading, Usage, read
from bot.llm.wire import Got, Lost
from bot.prompting.tokens import MESSAGE, count

WRITES = 100  # tokens a second that a model may have written, and be paid for, when its answer was lost


@dataclass(frozen=True)
class Try:
    """`passing`: why it may be made again. `spent` is estimated, for where the server counted nothing; None: nothing is paid for it."""

    reading: Reading
    passing: refusals.Passing | None = None
    spent: Usage | None = None


@dataclass(frozen=True)
class Judge:
    """Of the requests to one model. `timeout` in seconds and `most` tokens of one answer; `models` lists what the server has."""

    place: refusals.Place
    timeout: float
    most: int
    models: Callable[[], list[str]]

    def judge(self, got: Got | Lost, messages: dialect.Messages, seconds: float) -> Try:
        """`seconds` that it took. UsageError for what is the settings' fault."""
        if isinstance(got, Lost):
            return self._lost(got, messages, seconds)
        if not 200 <= got.status < 300:
            return self._refused(got.status, refusals.said(got), got)
        reading = read(got, self.place.api)
        if reading.error:
            return self._refused(reading.status, reading.error, got)
        unpaid = reading.outcome == "garbage" and refusals.page(got.body.decode(errors="replace"))
        return Try(reading, spent=None if reading.usage or unpaid else Usage(size(messages), count(reading.text)))

    def _refused(self, status: int, words: refusals.Said, got: Got) -> Try:
        if wrong := refusals.mistake(status, words, self.place, got.headers):
            raise self._with_models(wrong)
        if passing := refusals.passing(status, words, got.headers):
            return Try(Reading("error", reason=passing.text), passing)
        if refusals.FILTERED.search(words.all):
            return Try(Reading("refused", reason=f"the server's content filter stopped it ({words.text})"))
        long = status == 413 or refusals.TOO_LONG.search(words.all)
        fix = ": the conversation is too long for this model, lower `prompt_tokens` or the model's `max_tokens`" if long else ""
        return Try(Reading("error", reason=f"the server refused the request{fix} ({status}: {words.text})"))

    def _with_models(self, wrong: UsageError) -> UsageError:
        """What else could be asked, where the model is not known."""
        names = self.models() if str(wrong).startswith(f"{self.place.at}.model:") else []
        near = get_close_matches(self.place.model, names, 5, 0.3) or names[:5]
        return UsageError(f"{wrong}. It has {', '.join(near)}") if near else wrong

    def _lost(self, lost: Lost, messages: dialect.Messages, seconds: float) -> Try:
        where, address = f"{self.place.at}.base_url", self.place.base_url
        if lost.kind == "certificate":
            fix = "Correct the address, or name a file that holds its authority's certificate in SSL_CERT_FILE"
            raise UsageError(f"{where}: the certificate of {address} is not trusted ({lost.text}). {fix}")
        if lost.kind == "failed":
            fix = "Check it, and the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
            raise UsageError(f"{where}: no request to {address} can be made ({lost.text}). {fix}")
        if lost.kind == "unreachable":
            text = f"{address} cannot be reached{_by_way_of(address)} ({lost.text})"
            return Try(Reading("error", reason=text), refusals.Passing(text))
        spent = Usage(size(messages), min(self.most, int(seconds * WRITES)))
        if lost.kind == "timeout":
            reason = f"no whole answer within {self.timeout:.3g} s; raise the model's `timeout` if it needs longer"
            return Try(Reading("timeout", reason=reason), spent=spent)
        if lost.kind == "garbled":
            return Try(Reading("garbage", reason=f"the answer cannot be unpacked ({lost.text})"), spent=spent)
        text = f"the connection to {address} was cut ({lost.text})"
        return Try(Reading("error", reason=text), refusals.Passing(text), spent)


def _by_way_of(address: str) -> str:
    """Of which proxy the environment wants to be asked."""
    parts, proxies = urlsplit(address), getproxies()
    variable = next((name for name in (parts.scheme, "all") if proxies.get(name)), "")
    return f" by way of the proxy in {variable.upper()}_PROXY" if variable and not proxy_bypass(parts.hostname or "") else ""


def size(messages: dialect.Messages) -> int:
    """Tokens of a conversation, estimated."""
    return sum(count(m["content"]) + MESSAGE for m in messages)
