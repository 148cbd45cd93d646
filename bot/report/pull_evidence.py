"""A ledger as the pull request tells it, and how far its claim goes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from bot.history import History
from bot.report import facts
from bot.report.decisions import Decisions
from bot.report.pull_text import Links, word
from bot.report.text import Scale

if TYPE_CHECKING:
    from bot.settings import Settings

Standing = Literal["nothing", "silent", "worse", "noise", "open", "sealed", "proved"]


@dataclass(frozen=True)
class Evidence:
    """A history with what the views ask of it, each worked out once. `problems`: of the ledger's lines."""

    history: History
    settings: "Settings"
    links: Links
    problems: Sequence[str] = ()

    @cached_property
    def known(self) -> Decisions:
        return Decisions(self.history)

    @cached_property
    def change(self) -> facts.Change | None:
        return facts.change(self.history, self.known) if self.history.stack else None

    @cached_property
    def sealed(self) -> facts.Change | None:
        return facts.final(self.known, "sealed") if self.history.stack else None

    @property
    def scale(self) -> Scale:
        start = facts.baseline(self.history)
        return Scale(self.change.start if self.change else fmean(start) if start else self.history.best)

    @property
    def metric(self) -> str:
        return word(self.history.metric) or "metric"

    @cached_property
    def standing(self) -> Standing:
        """How far the claim goes. The sealed split can only take it back."""
        found, history = self.change, self.history
        if not history.stack:
            return "nothing"
        if not found or (history.metric, history.direction) != (self.settings.metric, self.settings.direction):
            return "silent"
        if not history.improves(found.now, found.start):
            return "worse"
        if found.proved:
            refuted = self.sealed and not history.improves(self.sealed.now, self.sealed.start)
            return "sealed" if refuted else "proved"
        return "open" if found.p is not None or facts.distinct(found) else "noise"


def delta(found: facts.Change, scale: Scale) -> str:
    """`−0.0404 ± 0.0110`."""
    half = "" if found.low is None else f" ± {scale.value((found.high - found.low) / 2)}"
    return scale.delta(found.delta) + half
