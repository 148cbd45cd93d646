"""What suggests the next change. A proposer reads the champion and the ledger, and answers with one edit or one patch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from bot.history import History
from bot.settings import Settings


@dataclass(frozen=True)
class ProposalContext:
    files: dict[str, str]  # editable path -> the champion's text
    history: History
    next_id: int
    device: str
    root: Path
    direction: Literal["min", "max"] = "min"
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """One change: new texts in `edits`, or a git diff in `patch`."""

    hypothesis: str
    source: str
    edits: dict[str, str] | None = None
    patch: str | None = None
    params: dict[str, float] = field(default_factory=dict)


class Proposer(Protocol):
    def propose(self, context: ProposalContext) -> Answer | None:
        """The next change, or None when there is nothing left to try. The same history gives the same answer."""


def make_proposer(settings: Settings) -> Proposer:
    kind, _, folder = settings.proposer.partition(":")
    if kind == "replay":
        from bot.proposers.replay import Replay

        return Replay(settings.root / folder)
    from bot.proposers.constants import Constants

    return Constants()
