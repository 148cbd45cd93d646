"""How the tests ask the model server."""

from typing import Any

import pytest

from bot.asking import ModelSettings
from bot.errors import UsageError
from bot.proposers.chat import Chat, Policy, Reply
from bot.records import Call
from tests.llm.server import ModelServer

KEY = "sk-test-4f0c9d1e91ab23cd"
HELLO = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "what now?"}]
BOTH = pytest.mark.parametrize("api", ["chat", "responses"])


class Waits:
    """A policy whose waits take no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.notes: list[str] = []
        self.policy = Policy(sleep=self.sleep, note=self.notes.append)

    def sleep(self, seconds: float) -> None:
        self.slept += [seconds] if seconds else []


def chat(server: ModelServer, key: str = KEY, waits: Waits | None = None, **settings: Any) -> Chat:
    model = ModelSettings(**{"model": "m", "base_url": server.base_url, "key": "LLM_KEY" if key else "", "timeout": "20s", **settings})
    return Chat(model, key, policy=(waits or Waits()).policy)


def failure(server: ModelServer, **settings: Any) -> Call:
    """Of the only request: nothing of it is an answer."""
    reply = chat(server, **settings).ask(HELLO)
    assert len(server.asked) == 1 and reply.call.outcome != "answer"
    return reply.call


def retried(server: ModelServer, waits: Waits, **settings: Any) -> tuple[Reply, list[Call]]:
    """The reply, and what was billed before it."""
    billed: list[Call] = []
    reply = chat(server, waits=waits, **settings).ask(HELLO, 3, billed.append)
    return reply, billed


def mistake(server: ModelServer, **settings: Any) -> str:
    with pytest.raises(UsageError) as error:
        chat(server, **settings).ask(HELLO)
    return str(error.value)
