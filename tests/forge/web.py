"""The HTTP side of the local GitHub: the API and git behind one port, faults on order, and the log."""

import contextlib
import io
import json
import re
import socket
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from . import api, auth, git_http
from .api import Request
from .call import Refusal
from .faults import DOCS, Fault
from .hooks import MAY_NOT_WORKFLOWS
from .repository import FakeRepo

if TYPE_CHECKING:
    from .server import FakeGitHub

API, GRAPHQL = "/api/v3", "/api/graphql"
GIT = re.compile(r"/([^/]+/[^/]+?)(?:\.git)?(/info/refs|/git-upload-pack|/git-receive-pack)")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, forge: "FakeGitHub", port: int):
        self.forge, self.open = forge, set()
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """Clients that keep their connection find it closed, as after a restart."""
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, address: Any) -> None:
        """A client that hangs up is nobody's fault; everything else is the fake's own."""
        error = traceback.format_exc()
        if "ConnectionResetError" not in error and "BrokenPipeError" not in error:
            self.forge.violations.append(error)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def send_response(self, code: int, message: str | None = None) -> None:
        self.sent = code
        super().send_response(code, message)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by the server's clock like every other time."""
        return super().date_time_string(self.server.forge.clock() if timestamp is None else timestamp)

    def handle_request(self) -> None:
        forge, url = self.server.forge, urlsplit(self.path)
        path = "/graphql" if url.path == GRAPHQL else url.path.removeprefix(API)
        self.asked = asked = Request(self.command, path, dict(parse_qsl(url.query, keep_blank_values=True)), self.headers)
        self.sent, self.faulty, at = 0, False, forge.clock()
        kept, self.wfile = self.wfile, io.BytesIO()
        try:
            if git := GIT.fullmatch(url.path):
                self._git(git[1], git[2])
            elif url.path == GRAPHQL or url.path.startswith(f"{API}/"):
                self._api()
            else:
                self._send(404, {"message": "Not Found", "documentation_url": DOCS})
        finally:
            # Only now, so that a client that has its answer finds the request in the log and its effect in the repository.
            forge.note(asked.method, path, asked.query, self.sent, at, asked.login, asked.parsed, self.faulty)
            content, self.wfile = self.wfile.getvalue(), kept
        if self.sent:
            self.wfile.write(content)
        else:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = handle_request

    def _api(self) -> None:
        asked, fault = self.asked, self._fault()
        asked.raw = git_http.read_body(self)
        with contextlib.suppress(ValueError):
            asked.parsed = json.loads(asked.raw) if asked.raw else None
        if not fault or fault.after:
            answer = api.answer(self.server.forge, asked)
            self._send(answer.status, answer.data, answer.headers)
        if fault:
            self._fail(fault)

    def _git(self, full_name: str, service: str) -> None:
        """Behind the same credentials; the body is left to `git_http`."""
        forge, fault = self.server.forge, self._fault()
        if fault and not fault.after:
            git_http.read_body(self)
            self._fail(fault)
            return
        try:
            repo, user = self._git_repository(full_name, "git-receive-pack" in (self.asked.query.get("service"), service.strip("/")))
        except Refusal as error:
            git_http.read_body(self)
            challenge = {"WWW-Authenticate": 'Basic realm="GitHub"'} if error.status == 401 else {}
            self._send(error.status, f"{error.message}\n", challenge)
            return
        self.path = f"/{repo.full_name}.git{service}?{urlsplit(self.path).query}"
        git_http.handle(self, forge.root, user)
        with forge.lock:
            repo.sync()
        if fault:
            self._fail(fault)

    def _git_repository(self, full_name: str, push: bool) -> tuple[FakeRepo, str]:
        """The repository, and the name to push under, if the caller may. Refusal in the words that git shows after `remote:`."""
        forge = self.server.forge
        try:
            caller = auth.git_caller(forge, self.headers)
        except auth.Denied as error:
            raise Refusal(error.status, str(error)) from error
        self.asked.login, repo = caller.login, forge.repositories.get(full_name)
        if repo is None or not caller.sees(full_name):
            raise Refusal(404, "Repository not found.")
        if not caller.may("contents", "write" if push else "read"):
            raise Refusal(403, f"Permission to {full_name}.git denied to {caller.login}." if push else "Write access not granted.")
        bound = caller.integration and not caller.may("workflows", "write")
        return repo, caller.login + (MAY_NOT_WORKFLOWS if bound else "")

    def _fault(self) -> Fault | None:
        forge = self.server.forge
        with forge.lock:
            fault = next((each for each in forge.faults if each.matches(self.command, self.asked.path)), None)
            if fault:
                fault.hits += 1
        self.faulty = fault is not None
        return fault

    def _fail(self, fault: Fault) -> None:
        time.sleep(fault.delay)
        self.sent, self.wfile = 0, io.BytesIO()  # what was answered already is lost
        if not fault.drop:
            self._send(fault.status, fault.content, fault.headers)

    def _send(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        text = isinstance(data, str)
        content = b"" if data is None else data.encode() if text else json.dumps(data).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if data is not None:
            self.send_header("Content-Type", "text/plain; charset=utf-8" if text else "application/json; charset=utf-8")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else content)
