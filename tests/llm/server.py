"""A language-model server on loopback: a real HTTP server that speaks chat completions, responses and the list of models.

    with ModelServer() as server:
        server.script(says("an idea"), refuses(429, "slow down", headers={"retry-after": "1"}), cuts())
        settings = ModelSettings(model="m", base_url=server.base_url, key="")
        ...
        assert server.requests[0].text == "what was asked"

`script` adds replies, taken one a request in order; when none is left `server.otherwise` answers: a reply, or a function from the
`Request` to one (a plain string is `says` of it). `server.key`, `server.models` and `server.unsupported` make it check as a real one does.
It is safe to use from several threads; leaving the context ends whatever still waits.
"""

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256


@dataclass(frozen=True)
class Request:
    """`headers` have names in lower case; `body` is the decoded JSON, {} where there was none."""

    verb: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def messages(self) -> list[Mapping[str, str]]:
        return list(self.body.get("messages") or self.body.get("input") or [])

    @property
    def text(self) -> str:
        """Everything that was said to the model."""
        return "\n".join(m["content"] for m in self.messages)


@dataclass(frozen=True)
class Reply:
    """What goes back. `body` is bytes, or a function from the request to something that becomes JSON. After `cut` bytes of it the
    connection is closed; `drip` seconds lie between two bytes of the headers and the body, `delay` seconds before the first."""

    body: bytes | Callable[[Request], Any] = b""
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
    cut: int | None = None


AnyReply = Reply | str
Usage = tuple[int, int, int]  # tokens of the prompt, of the answer, and how many of the prompt's were cached


def says(text: str, usage: Usage | None | str = "counted", finish: str = "stop", refusal: str | None = None, **how: Any) -> Reply:
    """An answer in the shape of the API that is asked. `usage=None` gives none; `how` is more of `Reply`."""

    def body(request: Request) -> Any:
        tokens = (len(request.text) // 4, len(text) // 4, 0) if usage == "counted" else usage
        return (_response if request.path.endswith("/responses") else _completion)(request, text, tokens, finish, refusal)

    return Reply(body, **how)


def refuses(status: int, message: str, code: str | None = None, param: str | None = None, **how: Any) -> Reply:
    """An error in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Reply(json.dumps({"error": error}).encode(), status, **how)


def raw(body: bytes | str, kind: str = "application/json", status: int = 200, **how: Any) -> Reply:
    return Reply(body.encode() if isinstance(body, str) else body, status, kind, **how)


def cuts(after: int | None = None) -> Reply:
    """Closes the connection: at once, or after so many bytes of an answer."""
    return Reply(cut=-1) if after is None else says("this answer never ends", cut=after)


def moves(to: str, status: int = 307) -> Reply:
    return Reply(status=status, headers={"location": to})


class ModelServer:
    """A context. `base_url` ends in /v1; `requests` is all it was sent, in order."""

    def __init__(self):
        self.requests: list[Request] = []
        self.otherwise: AnyReply | Callable[[Request], AnyReply] = "an answer"
        self.key = ""  # with one, any other is refused
        self.models: list[str] = []  # with some, any other is refused
        self.unsupported: set[str] = set()  # names of parameters that are refused
        self._script: list[AnyReply] = []
        self._lock = threading.Lock()
        self.released = threading.Event()

    def script(self, *replies: AnyReply) -> None:
        with self._lock:
            self._script += replies

    def __enter__(self) -> "ModelServer":
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"model_server": self}))
        self._http.daemon_threads, self._http.block_on_close = True, False
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def secured(self, folder: Path) -> str:
        """From now on with a certificate of its own that nobody trusts, kept in `folder`; the new `base_url`."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        signed = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False).sign(key, SHA256())
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        file = folder / "server.pem"
        file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.base_url = self.base_url.replace("http:", "https:")
        return self.base_url

    @property
    def asked(self) -> list[Request]:
        """The requests for an answer."""
        return [r for r in self.requests if r.verb == "POST"]

    def reply(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            if refusal := self._check(request):
                return refusal
            if request.path == "/v1/models":
                return raw(json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]}))
            if request.path not in ("/v1/chat/completions", "/v1/responses"):
                return refuses(404, "Not Found")
            reply = self._script.pop(0) if self._script else None
        if reply is None:  # without the lock: others may ask meanwhile
            reply = self.otherwise(request) if callable(self.otherwise) else self.otherwise
        return says(reply) if isinstance(reply, str) else reply

    def _check(self, request: Request) -> Reply | None:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return refuses(401, "Incorrect API key provided", "invalid_api_key")
        if self.models and request.body and request.body.get("model") not in self.models:
            return refuses(404, f"The model `{request.body.get('model')}` does not exist", "model_not_found")
        for name in request.body:
            if name in self.unsupported:
                return refuses(400, f"Unsupported parameter: '{name}' is not supported with this model.", "unsupported_parameter", name)
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model_server: ModelServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, urlsplit(self.path).path, headers, json.loads(body) if body else {})
        reply = self.model_server.reply(request)
        self.model_server.released.wait(reply.delay)
        self.close_connection = True
        if reply.cut == -1:
            return
        sent = json.dumps(reply.body(request)).encode() if callable(reply.body) else reply.body
        lines = {"content-type": reply.kind, "content-length": str(len(sent)), "connection": "close", **reply.headers}
        head = f"HTTP/1.1 {reply.status} Scripted\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        self._write(head.encode("latin-1") + sent[: reply.cut], reply.drip)

    do_GET = do_POST

    def _write(self, data: bytes, drip: float) -> None:
        try:
            for piece in [data[i : i + 1] for i in range(len(data))] if drip else [data]:
                self.wfile.write(piece)
                self.wfile.flush()
                if drip and self.model_server.released.wait(drip):
                    return
        except OSError:
            pass  # who asked has gone

    def log_message(self, *_: object) -> None:
        pass


def _completion(request: Request, text: str, tokens: Usage | None, finish: str, refusal: str | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": None if refusal else text, "refusal": refusal}
    shape = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": request.body["model"],
             "choices": [{"index": 0, "finish_reason": finish, "message": message}]}  # fmt: skip
    if tokens:
        prompt, answer, cached = tokens
        shape["usage"] = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer,
                          "prompt_tokens_details": {"cached_tokens": cached}}  # fmt: skip
    return shape


def _response(request: Request, text: str, tokens: Usage | None, finish: str, refusal: str | None) -> dict[str, Any]:
    part = {"type": "refusal", "refusal": refusal} if refusal else {"type": "output_text", "text": text, "annotations": []}
    why = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
    shape = {"id": "resp_1", "object": "response", "created_at": 1, "model": request.body["model"],
             "status": "incomplete" if why else "completed", "incomplete_details": {"reason": why} if why else None, "error": None,
             "output": [{"type": "reasoning", "id": "rs_1", "summary": []},
                        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}]}  # fmt: skip
    if tokens:
        prompt, answer, cached = tokens
        shape["usage"] = {"input_tokens": prompt, "output_tokens": answer, "total_tokens": prompt + answer,
                          "input_tokens_details": {"cached_tokens": cached}, "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    return shape
