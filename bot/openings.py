"""When each `run` of a research began and ended, on which machine, and since when the search does what it was last told."""

from bot.accounts import Accounts
from bot.records import Opened, Proposal, Stopped


class Openings(Accounts):
    """The part of a `History` that knows its runs."""

    def __init__(self):
        super().__init__()
        self.last_opened: Opened | None = None
        self.openings: dict[str, Opened] = {}  # the newest one of each context
        self.new_contexts: list[tuple[Opened, Opened]] = []  # a `run` and the next one, where that is of another context
        self.closed_at = 0.0  # when the `run` before the last one ended; of a killed one, when it began
        self.last_stopped: Stopped | None = None  # None again as soon as a new run opens
        self.began_at = 0.0  # when this `run` began; where it goes on from one that was killed, when that did
        self.briefed_at = 0.0  # when the search was last told something else: another program.md, another proposer
        self.proposer = ""  # of the newest proposal

    def _open(self, event: Opened) -> None:
        self.opened = self.opened if self.opened and self.begun else event
        before = self.last_opened
        if not before or self.last_stopped:
            self.began_at = event.at
        if before:
            self.closed_at = (self.last_stopped or before).at
            self.new_contexts += [(before, event)] if before.context != event.context else []
            self.briefed_at = event.at if before.program != event.program else self.briefed_at
        self.last_opened, self.last_stopped = event, None
        self.openings[event.context] = event

    def _by(self, event: Proposal) -> None:
        """A command such as `retest` may open a research with another proposer, which then proposes nothing."""
        if self.last_opened and not event.given:
            before, self.proposer = self.proposer, self.last_opened.proposer
            self.briefed_at = max(self.briefed_at, self.last_opened.at) if before not in ("", self.proposer) else self.briefed_at
