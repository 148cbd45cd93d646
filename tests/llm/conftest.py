"""Each test has a model server of its own, no proxy in its way, and a program that has learned nothing of any server yet."""

from collections.abc import Iterator

import pytest

from bot.llm import dialect
from tests.llm.server import ModelServer


@pytest.fixture(autouse=True)
def unlearned(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(dialect, "_KNOWN", {})


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running
