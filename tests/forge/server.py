"""A local GitHub: a stateful fake of the REST endpoints that are used, a little GraphQL, and git over smart HTTP.

    with FakeGitHub() as fake:
        repo = fake.repository("alice/demo", files={"train.py": "X = 1\\n"})
        token = fake.token({"contents": "write", "pull_requests": "write"})
        ...  # PyGithub with base_url=fake.url, git with repo.git_url
        repo.merge(1, how="squash")

Refs, merges and deletions are real: they live in bare repositories behind `git http-backend`. Every request and response of an
endpoint is checked against GitHub's schema; what does not fit is answered 500, kept in `violations`, and fails the test on exit.
What is not real: no webhooks, no jobs (a dispatched run stays queued), no branch protection, no users beyond their names.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import api, auth
from .faults import Fault
from .limits import Limits
from .repository import FakeRepo
from .state import ACTIONS, Token
from .web import Server


@dataclass(frozen=True)
class Entry:
    """One request: API paths without the `/api/v3` in front. `at` is in seconds by the server's clock, `status` 0 for no answer."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    at: float
    login: str
    body: Any
    fault: bool

    @property
    def writes(self) -> bool:
        return api.writes(self.method, self.path, self.body)


class FakeGitHub:
    """Use as a context manager. `clock` gives seconds since the epoch; tokens expire and limits count by it."""

    def __init__(self, clock: Callable[[], float] = time.time, limits: Limits | None = None, port: int = 0):
        self.clock, self.limits, self.port = clock, limits or Limits(), port
        self.lock = threading.RLock()
        self.repositories: dict[str, FakeRepo] = {}
        self.tokens: dict[str, Token] = {}
        self.apps: dict[int, auth.FakeApp] = {}
        self.users: set[str] = set()
        self.faults: list[Fault] = []
        self.log: list[Entry] = []
        self.violations: list[str] = []
        self.born = self.now()
        self._ids = 1000

    def __enter__(self) -> "FakeGitHub":
        self.root = Path(tempfile.mkdtemp(prefix="forge-"))
        self._server = Server(self, self.port)
        self.server_url = f"http://127.0.0.1:{self._server.server_port}"
        self.url, self.graphql_url = f"{self.server_url}/api/v3", f"{self.server_url}/api/graphql"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._server.stop()
        self._thread.join()
        shutil.rmtree(self.root, ignore_errors=True)
        assert kind or not self.violations, "\n".join(self.violations)

    def repository(
        self,
        full_name: str,
        default_branch: str = "main",
        files: Mapping[str, str | bytes | None] | None = None,
        source: Path | None = None,
        private: bool = True,
        parent: FakeRepo | None = None,
    ) -> FakeRepo:
        """A new repository: empty, with `files` in a first commit, or with the commits of the repository `source` at its HEAD."""
        with self.lock:
            repo = self.repositories[full_name] = FakeRepo(self, full_name, default_branch, private, parent)
            if source:
                repo.git.fetch(source, "HEAD", f"refs/heads/{default_branch}")
            if files:
                repo.push_as(repo.owner, default_branch, files, "start")
            return repo

    def token(
        self,
        permissions: Mapping[str, str] | None = None,
        login: str = ACTIONS,
        expires_at: float | None = None,
        repositories: list[str] | None = None,
    ) -> str:
        """A token of a job (the default), or of the person `login`. Without `permissions` it may do what this project asks for."""
        given = auth.USUAL if permissions is None else permissions
        self.users.add(login)
        seen = None if repositories is None else frozenset(repositories)
        return self.add_token(auth.new_token(app=login.endswith("[bot]")), Token(login, auth.normal(given), seen, expires_at))

    def add_token(self, secret: str, token: Token) -> str:
        self.tokens[secret] = token
        return secret

    def revoke(self, secret: str) -> None:
        """From now on the token gets a 401, as a job's token does when the job has ended."""
        self.tokens[secret].revoked = True

    def app(
        self, slug: str = "research-bot", permissions: Mapping[str, str] | None = None, repositories: list[str] | None = None
    ) -> auth.FakeApp:
        """A GitHub App, installed on `repositories` (None: on all). Its tokens come from the API, for its signed requests."""
        seen = None if repositories is None else frozenset(repositories)
        given = auth.USUAL if permissions is None else permissions
        app = auth.new_app(self.next_id(), self.next_id(), slug, auth.normal(given), seen)
        self.apps[app.app_id] = app
        self.users.add(app.login)
        return app

    def owner_of(self, app: auth.FakeApp) -> str:
        """The account that an App is installed for."""
        return next(iter(app.repositories or self.repositories)).split("/")[0]

    def fail(self, method: str, path: str, status: int = 500, **how: Any) -> Fault:
        """Orders a failure (see `faults.Fault`): regular expressions of the method and the path, for the next request by default.
        The oldest order that fits a request and has hits left is used."""
        fault = Fault(method, path, status, **how)
        with self.lock:
            self.faults.append(fault)
        return fault

    def writes(self, refused: bool = False) -> list[Entry]:
        """The requests that asked for a change: those not refused with 4xx or 5xx, or all of them."""
        return [entry for entry in self.log if entry.writes and (refused or entry.status < 400)]

    def note(self, *fields: Any) -> None:
        """Adds to the log; the fields of `Entry`."""
        with self.lock:
            self.log.append(Entry(*fields))

    def now(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def next_id(self) -> int:
        with self.lock:
            self._ids += 1
            return self._ids
