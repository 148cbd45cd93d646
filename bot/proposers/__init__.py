"""What suggests the next change. A proposer reads the champion and the ledger, and answers with one edit or one patch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Union

from bot import keys
from bot.errors import AutoresearchError
from bot.history import History
from bot.records import Call, Proposal
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.profiling.records import Profile
    from bot.proposers.past import Result


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
    profile: Callable[[str], Union["Profile", None]] = lambda sha: None  # of a commit, where somebody made one
    mode: str = ""  # the way to search now (`bot.plateau`)
    billed: Callable[[Call], None] = lambda call: None  # told of each request as soon as it ended; from any thread
    beside: tuple[Proposal, ...] = ()  # what this machine's other workers tried or try now (`bot.siblings`)
    results: tuple["Result", ...] = ()  # what they found of constants, by their own measurements


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
    note: str = ""  # what a reader should know of it: that it was tried before, and why it is again
    rejected: str = ""


class Unavailable(AutoresearchError):
    """The proposer's server or program cannot be used now, though nothing is wrong with how it was asked."""


class Proposer(Protocol):
    """One that can mend a change that failed in its real run has `repair(context, proposal, broken, failure) -> Answer | None`, too:
    `broken` are its files, `context.files` those of the champion that it was made of."""

    def slow(self, context: ProposalContext) -> bool:
        """Whether the next answer takes so long that it is better thought of while something is measured."""

    def propose(self, context: ProposalContext) -> Answer | None:
        """The next change, or None when there is nothing left to try. The same history gives the same answer, models apart."""


def make_proposer(settings: Settings, note: Callable[[str], None] = lambda text: None) -> Proposer:
    """`note` is told of waits for a server. UsageError for a key that is missing."""
    kind, _, folder = settings.proposer.partition(":")
    if kind == "replay":
        from bot.proposers.replay import Replay

        return Replay(settings.root / folder)
    if kind in ("llm", "agent", "hybrid"):
        from bot.proposers.hybrid import Hybrid

        return Hybrid(_coder(settings, note), first=kind == "hybrid")
    from bot.proposers.constants import Constants

    return Constants()


def _coder(settings: Settings, note: Callable[[str], None]) -> Proposer:
    """Who changes code: the models where there are any, unless the agent is asked for."""
    if settings.models and settings.proposer != "agent":
        from bot.proposers.chat import Policy
        from bot.proposers.llm import Llm

        return Llm(settings, keys.view(), Policy(note=note))
    from bot.proposers.agent import Agent

    return Agent(settings, keys.view())
