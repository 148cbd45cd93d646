"""A git server on loopback that asks for a token as GitHub does, with faults, around the real `git http-backend`."""

import base64
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.conftest import git
from tests.forge import git_http

TOKEN = "ghs_not16chars0nly_butSecret4242"
SECRET = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()


class GitServer:
    """A context. `faults` are taken one a request, in order: a status to answer, "drop" (closes at once), "lose" (does it, then closes),
    "hang" (until the end), a function of the handler to call first, or None. `seen` is every request with its Authorization headers."""

    def __init__(self, folder: Path, token: str = TOKEN):
        self.folder, self.token, self.faults, self.seen = folder, token, [], []
        self.released = threading.Event()
        folder.mkdir(parents=True)
        self.path = folder / "lab/nano.git"
        git(folder, "init", "-q", "--bare", "-b", "main", str(self.path))

    def __enter__(self) -> "GitServer":
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_object": self}))
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        self.root = f"http://127.0.0.1:{self.http.server_port}"
        self.url = f"{self.root}/lab/nano.git"
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_object: GitServer

    def do_GET(self) -> None:
        server, given = self.server_object, self.headers.get_all("Authorization") or []
        server.seen.append((self.command, self.path, given))
        fault: int | str | Callable | None = server.faults.pop(0) if server.faults else None
        if callable(fault):
            fault(self)
        if fault == "hang":
            server.released.wait(30)
        if fault in ("hang", "drop"):
            self.close_connection = True
        elif isinstance(fault, int):
            self._refuse(fault)
        elif len(given) > 1:
            self._refuse(400)
        elif given != [f"Basic {base64.b64encode(f'x-access-token:{server.token}'.encode()).decode()}"]:
            self._refuse(401)
        elif fault == "lose":
            git_http.handle(_Lost(self), server.folder)
            self.close_connection = True
        else:
            git_http.handle(self, server.folder)

    do_POST = do_GET

    def _refuse(self, status: int) -> None:
        git_http.read_body(self)
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
        if status in (301, 302):
            self.send_header("Location", self.path.replace("lab/nano", "lab/other"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Lost:
    """A handler whose answer goes nowhere."""

    def __init__(self, handler: BaseHTTPRequestHandler):
        self.command, self.path, self.headers, self.rfile = handler.command, handler.path, handler.headers, handler.rfile
        self.client_address, self.wfile = handler.client_address, self

    def send_response(self, *_: object) -> None: ...

    def send_header(self, *_: object) -> None: ...

    def end_headers(self) -> None: ...

    def write(self, data: bytes) -> None: ...
