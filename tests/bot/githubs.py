"""A repository on the local GitHub with one pushed research branch, and the client under test."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.forge.api import Forge
from bot.forge.records import Pull
from bot.forge.retry import Policy
from bot.forge.tokens import Fixed, Tokens
from tests.forge.repository import FakeRepo
from tests.forge.server import Entry, FakeGitHub

NAME, BRANCH = "alice/demo", "autoresearch/nightly"
WORKFLOW = """on:
  workflow_dispatch:
    inputs:
      experiments: {}
"""


@dataclass
class Scene:
    fake: FakeGitHub
    repo: FakeRepo
    forge: Forge
    notes: list[str]

    def client(self, tokens: Tokens, **options: object) -> Forge:
        return Forge(NAME, tokens, self.fake.url, Policy(sleep=lambda seconds: None, note=self.notes.append, **options))

    def as_(self, permissions: dict[str, str] | None = None, login: str = "github-actions[bot]", **options: object) -> Forge:
        """The client of another token."""
        return self.client(Fixed(self.fake.token(permissions, login)), **options)

    def open(self, title: str = "better", body: str = "evidence", draft: bool = True, labels: tuple[str, ...] = ("autoresearch",)) -> Pull:
        return self.forge.open_pull(BRANCH, "main", title, body, draft, labels)

    def sent(self, method: str, path: str) -> list[Entry]:
        return [entry for entry in self.fake.log if entry.method == method and re.search(path, entry.path)]

    @contextmanager
    def ago(self, seconds: float) -> Iterator[None]:
        """What happens inside happened so long ago."""
        self.fake.clock = lambda: time.time() - seconds
        yield
        self.fake.clock = time.time


@contextmanager
def github(**token: object) -> Iterator[Scene]:
    """Tokens are a job's; its waits take no time. Leaving fails when a request or an answer was not as GitHub's schema has it."""
    with FakeGitHub() as fake:
        repo = fake.repository(NAME, files={"train.py": "X = 1\n", ".github/workflows/nightly.yml": WORKFLOW})
        repo.push_as("autoresearch", BRANCH, {"train.py": "X = 2\n"})
        scene = Scene(fake, repo, None, [])
        scene.forge = scene.as_(**token)
        yield scene
