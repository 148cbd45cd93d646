"""Who is counted for what. Proposed: what somebody proposed here, and the evidence of the search decided. Given: what is neither, others'
commits and what an older base had kept, which the stack is measured with."""

from typing import Literal

from bot.champions import Champions
from bot.records import HUMAN, Experiment, Proposal, Rebased

Fate = Literal["in", "out", "merged", "left"]


class Accounts(Champions):
    """The part of a `History` that counts."""

    def __init__(self):
        super().__init__()
        self.first_here = 1  # id of the first experiment on this base
        self.based_at = 0.0  # when the research went over to it; 0 where it began there

    @property
    def tried(self) -> int:
        """Experiments with a verdict that were proposed here."""
        return sum(1 for e in self.experiments.values() if e.id and e.verdict and not is_given(e))

    @property
    def given(self) -> list[Experiment]:
        return [e for e in self.experiments.values() if is_given(e)]

    @property
    def chosen(self) -> list[Experiment]:
        """What was proposed here and kept, on any base."""
        return [e for e in self.experiments.values() if e.status == "keep" and not is_given(e)]

    def counts(self) -> dict[str, int]:
        """Status -> how many, the baseline and what was proposed here; `given_counts` has the others."""
        counts: dict[str, int] = {}
        for experiment in self.experiments.values():
            if not is_given(experiment):
                status = experiment.status
                counts[status] = counts.get(status, 0) + 1
        return counts

    def given_counts(self) -> dict[str, int]:
        """carried: applied to a newer base again; dropped: not applied there; adopted: others' commit."""
        counts: dict[str, int] = {}
        for experiment in self.given:
            if experiment.verdict:
                kind = "dropped" if experiment.status != "keep" else "carried" if experiment.proposal.carries else "adopted"
                counts[kind] = counts.get(kind, 0) + 1
        return counts

    def origin(self, experiment: Experiment) -> Experiment:
        """Where what was carried over, perhaps more than once, was decided; else the experiment itself."""
        while (proposal := experiment.proposal) and 0 < proposal.carries < experiment.id and proposal.carries in self.experiments:
            experiment = self.experiments[proposal.carries]
        return experiment

    def ours(self, experiment: Experiment) -> bool:
        """Whether it was proposed here, if on an older base."""
        return not is_given(self.origin(experiment))

    @property
    def fates(self) -> dict[int, Fate]:
        """id of each of `chosen` -> in: it is in the stack, itself or carried over; out: taken out again; merged: a newer base has it;
        left: it did not come along to a newer base."""
        stack = {self.origin(e).id for e in self.stack}
        out = self._origins(id for prune in self.taken_out if not prune.hunks for id in prune.ids)
        merged = self._origins(id for move in self.rebases for id in move.merged)
        return {
            e.id: "in" if e.id in stack else "out" if e.id in out else "merged" if e.id in merged else "left" for e in self.chosen
        }  # fmt: skip

    def _origins(self, ids) -> set[int]:
        return {self.origin(self.experiments[id]).id for id in ids if id in self.experiments}

    @property
    def conceded(self) -> float:
        """What the stack's shorter changes have lost together, in the metric's unit: each was kept for losing no more than what was left
        of the margin. One that was carried over has lost what it had when it was decided."""
        sign = 1 if not self.opened or self.opened.direction == "min" else -1
        shorter = (e for e in map(self.origin, self.stack) if e.proposal and e.proposal.shorter and e.verdict)
        return sum(max(0.0, sign * (e.verdict.delta or 0.0)) for e in shorter)

    def older(self, experiment: Experiment) -> bool:
        """Whether it is of an older base, so that its value is to be compared with nothing of this one."""
        return 0 < experiment.id < self.first_here

    def _rebase(self, event: Rebased) -> None:
        before = self.base
        super()._rebase(event)
        if event.base != before:
            self.first_here, self.based_at = max(self.experiments, default=0) + 1, event.at


def is_given(experiment: Experiment) -> bool:
    return bool(experiment.proposal and experiment.proposal.given)


def how_given(proposal: Proposal) -> str:
    """`carried over from 0007`; empty for what was proposed here."""
    if not proposal.given:
        return ""
    if proposal.carries:
        return f"{'not ' if proposal.rejected else ''}carried over from {proposal.carries:04d}"
    return "a human's commit" if proposal.source == HUMAN else f"kept on {proposal.source}"
