"""What suggests the next change. A proposer reads the champion and the ledger, and answers with one edit or one patch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from bot.history import History
from bot.records import Call
from bot.settings import Settings


@dataclass(frozen=True)
class ProposalContext:
    """A snapshot of where the research stands. Nothing in it changes while a proposer thinks, perhaps in another thread."""

    files: dict[str, str]  # editable path -> the champion's text
    history: History
    next_id: int
    device: str
    root: Path
    direction: Literal["min", "max"] = "min"
    seed: int = 0
    settings: Settings | None = None
    patch: Callable[[int], str] = lambda id: ""  # an experiment's diff, "" where there is none
    mode: str = ""  # the way to search now (`bot.plateau`)
    billed: Callable[[Call], None] = lambda call: None  # told of each request as soon as it ended; from any thread


@dataclass(frozen=True)
class Answer:
    """One change: new texts in `edits`, or a git diff in `patch`. With `rejected` none that can be measured."""

    hypothesis: str
    source: str
    edits: dict[str, str] | None = None
    patch: str | None = None
    params: dict[str, float] = field(default_factory=dict)
    category: str = ""
    expected: str = ""
    model: str = ""
    learned: tuple[str, ...] = ()
    rejected: str = ""


class Proposer(Protocol):
    def propose(self, context: ProposalContext) -> Answer | None:
        """The next change, or None when there is nothing left to try. The same history gives the same answer, models apart."""


def make_proposer(settings: Settings) -> Proposer:
    kind, _, folder = settings.proposer.partition(":")
    if kind == "replay":
        from bot.proposers.replay import Replay

        return Replay(settings.root / folder)
    from bot.proposers.constants import Constants

    return Constants()
