"""What the record says, in the words of a prompt: worked out once, before the parts are written. No value of the sealed split is read."""

import math
from collections.abc import Iterable
from functools import cached_property, lru_cache

from bot.accounts import is_given
from bot.noise import NightNoise
from bot.prompting.quoting import CELL, Quoter
from bot.proposers import ProposalContext
from bot.records import HUMAN, Experiment, Measurement
from bot.worth import Worths

FATES = {"out": "taken out again", "merged": "merged into the base", "left": "did not come along to the new base", "in": ""}
Moves = dict[str, tuple[float | None, float]]  # constant -> (old, new); old None where the record does not say


class View:
    def __init__(self, context: ProposalContext, quoter: Quoter):
        self.context, self.history, self.quoter = context, context.history, quoter
        self.sign = 1 if context.direction == "min" else -1
        decided = (e for e in self.history.experiments.values() if e.id and e.proposal and e.verdict)
        self.tried = [e for e in decided if not is_given(e)]  # oldest first
        self.ran = [e for e in self.tried if not e.proposal.rejected]
        self.dropped = [e for e in self.ran if e.status == "discard"]

    @cached_property
    def sigma(self) -> float:
        """Standard deviation of one run of a champion; 0 while it is not known."""
        return NightNoise(self.history).sigma

    @cached_property
    def decimals(self) -> int:
        """Of an effect: to about a twentieth of the noise, four where that is not known."""
        return min(12, max(0, 1 - math.floor(math.log10(self.sigma)))) if self.sigma else 4

    def number(self, value: float) -> str:
        return f"{value:+.{self.decimals}f}"

    @cached_property
    def labels(self) -> dict[int, str]:
        """id of each kept change of this line -> confirmed, unproven or pruned; of what was carried over, under its first id too."""
        found = Worths(self.history).labels() if self.history.keeps else {}
        own = {id: label.status for id, label in found.items()}
        return {self.history.origin(self.history.experiments[id]).id: status for id, status in own.items()} | own

    @cached_property
    def fates(self) -> dict[int, str]:
        return {id: FATES[fate] for id, fate in self.history.fates.items()}

    def better(self, experiment: Experiment) -> float:
        """By how much it was better than its champion, in the metric's unit; negative: worse. nan where nobody knows."""
        delta = experiment.verdict.delta if experiment.verdict else None
        return math.nan if delta is None else -self.sign * delta

    def effect(self, experiment: Experiment) -> str:
        """`-0.0021 (95 %: -0.005 to +0.0008, 4 seeds)`."""
        verdict = experiment.verdict
        if not verdict or verdict.delta is None:
            return "effect unknown"
        spread = "" if verdict.low is None or verdict.high is None else f"95 %: {self.number(verdict.low)} to {self.number(verdict.high)}, "
        seeds = f"{verdict.seeds} seeds" if verdict.seeds else "one run"
        return f"{self.number(verdict.delta)} ({spread}{seeds}{'' if self.here(experiment) else ', measured elsewhere or otherwise'})"

    def here(self, experiment: Experiment) -> bool:
        """Whether it was measured as things are measured now: metric, corpus, budget, machine."""
        return not experiment.measurements or any(m.context == self.history.context for m in experiment.measurements)

    def idea(self, experiment: Experiment, limit: int = CELL) -> str:
        """`optimizer: EMBED_LR 0.3 -> 0.45`."""
        return f"{theme(experiment)}: {self.quoter.line(experiment.proposal.hypothesis, limit) or '(no hypothesis)'}"

    def diff(self, id: int) -> str:
        """Its hunks under the names of their files, without the headers that say nothing here."""
        text = self.quoter.text(self.context.patch(id))
        lines = (line for line in text.splitlines() if not line.startswith(("diff --git ", "index ", "--- a/", "old mode", "new mode")))
        return "\n".join(f"    {line}" for line in lines)

    def champion_runs(self) -> list[Measurement]:
        """Good runs of the champion in the current context, those that selected it too."""
        sha = self.history.champion_sha
        return [*self.history.pool(sha), *self.history.selected(sha)]


def theme(experiment: Experiment) -> str:
    """The category, as its proposer says; what only moves numbers is `constants` where it does not."""
    proposal = experiment.proposal
    if proposal.category:
        return _category(proposal.category)
    return "someone's commit" if proposal.source == HUMAN else "constants" if moves(experiment) else "no category"


@lru_cache(1000)
def _category(name: str) -> str:
    return Quoter().line(name, 30)


def moves(experiment: Experiment) -> Moves:
    proposal = experiment.proposal
    return dict(proposal.moved) or {name: (None, value) for name, value in proposal.params.items()}


def ids(experiments: Iterable[Experiment], most: int = 6) -> str:
    """`#3, #9 and 4 more`, the newest first."""
    every = sorted((e.id for e in experiments), reverse=True)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(f"#{id}" for id in every[:most]) + more
