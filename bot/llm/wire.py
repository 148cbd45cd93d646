"""One request to a server that speaks OpenAI's API, through the `openai` package, its only caller: an answer, or why there was none.

The request runs in a thread of its own, because nothing else ends one that is being dripped at or hangs in a name lookup. Only plain data
comes back from there: the package's exceptions hold the request with its key. The key meets the request last, in a hook of the HTTP client;
what that hook does not name is not sent, such as the headers of OPENAI_CUSTOM_HEADERS, which were meant for one server, or this machine's
kind. No redirect is followed, so neither key nor prompt ever goes where the settings do not point. A server that repeats the key gets it
taken out of what it said. Proxies are those of the environment.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Literal

from bot.llm.dialect import at_openai

CONNECT = 15.0  # seconds to reach a server
PULSE = 0.2  # seconds between two looks at whether to go on waiting
SENT = {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "transfer-encoding", "user-agent"}
SECRET = 8  # characters from which on a key is taken out of answers; shorter ones are no secrets, such as "ollama"
OPENAI_ONLY = {"openai-organization", "openai-project"}

Kind = Literal["timeout", "unreachable", "cut", "certificate", "garbled", "failed"]


@dataclass(frozen=True)
class Got:
    """`headers` have names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Lost:
    """No answer. With `unreachable` and `certificate` nothing of the request was sent."""

    kind: Kind
    text: str


class Wire:
    """To one server. `key` "" sends none."""

    def __init__(self, base_url: str, key: str):
        self.base_url, self._key = base_url, key

    def ask(self, api: str, fields: Mapping[str, Any], seconds: float, pulse: Callable[[], None] = lambda: None) -> Got | Lost:
        """`fields` are the request's. What `pulse`, called often, raises ends it."""
        path = "/responses" if api == "responses" else "/chat/completions"
        return self._bounded(lambda client, whole: client.post(path, body=fields, cast_to=whole), seconds, pulse)

    def models(self, seconds: float) -> Got | Lost:
        """The list of what the server has."""
        return self._bounded(lambda client, whole: client.get("/models", cast_to=whole), seconds, lambda: None)

    def _bounded(self, send: Callable[[Any, type], Any], seconds: float, pulse: Callable[[], None]) -> Got | Lost:
        try:
            client = self._client(seconds)
        except Exception as error:  # a proxy variable that cannot be read, say
            return Lost("failed", f"{type(error).__name__}: {error}")
        box, end = SimpleQueue(), monotonic() + seconds
        Thread(target=lambda: box.put(_attempt(client, send)), name="request to a model", daemon=True).start()
        try:
            while (left := end - monotonic()) > 0:
                try:
                    return self._clean(box.get(timeout=min(PULSE, left)))
                except Empty:
                    pulse()
            return Lost("timeout", f"no whole answer within {seconds:.3g} s")
        finally:
            client.close()  # whatever still reads finds its socket closed

    def _client(self, seconds: float) -> Any:
        import openai

        http = openai.DefaultHttpx2Client(follow_redirects=False, event_hooks={"request": [self._prepare]})
        limits = openai.Timeout(seconds, connect=min(CONNECT, seconds))
        return openai.OpenAI(api_key="-", base_url=self.base_url, max_retries=0, timeout=limits, http_client=http)

    def _prepare(self, request: Any) -> None:
        kept = SENT | (OPENAI_ONLY if at_openai(self.base_url) else set())
        for name in [name for name in request.headers if name.lower() not in kept]:
            del request.headers[name]
        request.headers["user-agent"] = "autoresearch"
        if self._key:
            request.headers["authorization"] = f"Bearer {self._key}"

    def _clean(self, found: Got | Lost) -> Got | Lost:
        """Without the key."""
        if len(self._key) < SECRET:
            return found
        if isinstance(found, Lost):
            return Lost(found.kind, found.text.replace(self._key, "***"))
        headers = {name: value.replace(self._key, "***") for name, value in found.headers.items()}
        return Got(found.status, headers, found.body.replace(self._key.encode(), b"***"))


def _attempt(client: Any, send: Callable[[Any, type], Any]) -> Got | Lost:
    import httpx2
    import openai

    try:
        response = send(client, httpx2.Response)
    except openai.APIStatusError as error:
        response = error.response
    except openai.APIConnectionError as error:
        return _lost(error)
    except Exception as error:  # nothing of it may leave this thread but words
        return Lost("failed", f"{type(error).__name__}: {error}")
    return Got(response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content)


def _lost(error: BaseException) -> Lost:
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    names, text = {type(e).__name__ for e in chain}, next((str(e) for e in reversed(chain) if str(e)), "no reason given")
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in chain):
        return Lost("certificate", text)
    if any(isinstance(e, socket.gaierror) for e in chain):
        return Lost("unreachable", f"its name is not known: {text}")
    if names & {"ConnectError", "ConnectTimeout", "ProxyError"}:
        return Lost("unreachable", text)
    if "DecodingError" in names:
        return Lost("garbled", text)
    if names & {"UnsupportedProtocol", "LocalProtocolError", "InvalidURL"}:
        return Lost("failed", text)
    return Lost("timeout" if "TimeoutException" in {b.__name__ for e in chain for b in type(e).__mro__} else "cut", text)
