"""Git over smart HTTP for the tests: one request of a `BaseHTTPRequestHandler`, answered by the real `git http-backend` (CGI)."""

import os
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

TIMEOUT = 60  # seconds for one request


def handle(handler: BaseHTTPRequestHandler, root: Path, user: str = "x-access-token") -> None:
    """Answers the request from the bare repositories below `root`: `/owner/name.git/info/refs` is `root/owner/name.git`.

    Whoever is let through may fetch and push, so check the token first; `user` is who pushes (hooks see it as REMOTE_USER).
    The body may be chunked, gzipped or both, as git sends it."""
    body = read_body(handler)
    url = urlsplit(handler.path)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "HTTP_"))} | {
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PATH_INFO": unquote(url.path),
        "QUERY_STRING": url.query,
        "REQUEST_METHOD": handler.command,
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        "REMOTE_USER": user,
        "REMOTE_ADDR": handler.client_address[0],
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    done = subprocess.run(["git", "http-backend"], input=body, env=environment, cwd=root, capture_output=True, check=False, timeout=TIMEOUT)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    answer(handler, head.decode("latin-1"), content)


def answer(handler: BaseHTTPRequestHandler, head: str, content: bytes) -> None:
    """Sends what a CGI program printed: its headers, of which `Status` is the response's first line, and its body."""
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head.split("\r\n") if line)]
    status = next((value for name, value in fields if name.lower() == "status"), "200 OK" if fields else "500 Internal Server Error")
    code, _, reason = status.partition(" ")
    handler.send_response(int(code), reason)
    for name, value in fields:
        if name.lower() not in ("status", "content-length"):
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def read_body(handler: BaseHTTPRequestHandler) -> bytes:
    """The request's body, whether its length is given or it comes in chunks (a push above `http.postBuffer`)."""
    if "chunked" not in handler.headers.get("Transfer-Encoding", "").lower():
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()  # the line end after a chunk
    while handler.rfile.readline().strip():  # trailers
        pass
    return b"".join(parts)
