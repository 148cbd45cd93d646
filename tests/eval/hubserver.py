"""A hub on loopback: the real protocol over real sockets, with faults on demand.

`Hub` answers `/datasets/<repository>/resolve/main/<file>` with a redirect to a signed address on a second server with another port, as the
Hugging Face hub does, or (`mirror=True`) with the bytes themselves. Every request is kept in `asked`, as (server, method, path, headers).
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Hub:
    def __init__(self, mirror: bool = False):
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str, dict]] = []
        self.mirror = mirror
        self.cut: list[int] = []  # of the next answers with bytes: how many come before the connection breaks
        self.statuses: dict[str, list[int]] = {"hub": [], "cdn": []}  # of the next answers of each server, before it works
        self.lie = b""  # bytes that come instead, while the hub says what they should have been
        self.ranges = True
        self.lengths = True  # else the end of the connection is the end of the bytes
        self.gate = threading.Event()  # answers with bytes wait for it, half way
        self.gate.set()
        self.half = threading.Event()  # one of them is half way
        self.signature, self.headers, self.servers = "signature-0", {}, {}
        for name in ("hub", "cdn"):
            handler = type(name, (Handler,), {"hub": self, "name": name})
            self.servers[name] = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            self.servers[name].daemon_threads = True
            threading.Thread(target=self.servers[name].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def url(self, name: str = "hub") -> str:
        return f"http://127.0.0.1:{self.servers[name].server_port}"

    def count(self, name: str, method: str = "GET") -> int:
        return sum(asked[:2] == (name, method) for asked in self.asked)

    def close(self) -> None:
        self.gate.set()
        for server in self.servers.values():
            server.shutdown()
            server.server_close()


@contextmanager
def serving(**options) -> Iterator[Hub]:
    hub = Hub(**options)
    try:
        yield hub
    finally:
        hub.close()


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    name: str
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.asked.append((self.name, self.command, self.path, {key.lower(): value for key, value in self.headers.items()}))
        content = hub.files.get(Path(path).name)
        if hub.statuses[self.name]:
            return self.say(hub.statuses[self.name].pop(0), {"Retry-After": "0"})
        if content is None:
            return self.say(404, {})
        digest = hashlib.sha256(content).hexdigest()
        if self.name == "hub" and not hub.mirror:
            where = {"Location": f"{hub.url('cdn')}/blobs/{Path(path).name}?Signature={hub.signature}", "X-Repo-Commit": "c" * 40}
            return self.say(302, where | {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{digest}"'} | hub.headers)
        if self.name == "cdn" and not self.path.endswith(hub.signature):
            return self.say(403, {})
        self.send(content, digest)

    def say(self, status: int, headers: dict[str, str], length: int | None = 0) -> None:
        self.send_response(status)
        self.close_connection = length is None
        for name, value in (headers | ({"Connection": "close"} if length is None else {"Content-Length": str(length)})).items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, content: bytes, digest: str) -> None:
        hub, etag, start, given = self.hub, f'"{digest[:32]}"', 0, self.headers.get("Range", "")
        if hub.ranges and given and self.headers.get("If-Range", etag) == etag:
            start = int(given.removeprefix("bytes=").removesuffix("-"))
        size, body = len(content), (hub.lie or content)[start:]
        part = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
        self.say(206 if start else 200, part | {"ETag": etag, "Accept-Ranges": "bytes"}, len(body) if hub.lengths else None)
        if self.command == "HEAD":
            return
        cut = hub.cut.pop(0) if hub.cut else len(body)
        self.wfile.write(body[: min(cut, len(body) // 2)])
        self.wfile.flush()
        hub.half.set()
        hub.gate.wait(60)
        if cut < len(body):
            self.wfile.write(body[min(cut, len(body) // 2) : cut])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.wfile.write(body[min(cut, len(body) // 2) :])

    def log_message(self, *args) -> None:
        pass
