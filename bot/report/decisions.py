"""What the evidence says of the kept changes, computed once for a view: labels, false keeps, what was decided during a drift. Pure."""

from functools import cached_property

from bot.accounts import is_given
from bot.history import History
from bot.records import Drift, Experiment
from bot.report.text import plural
from bot.stack import Stack
from bot.worth import RATE, Label

NULL_KEPT = 0.01  # of the changes without any effect the search keeps at most this share (benchmarks/decide.py)
MARK = "†"  # behind the number of an experiment that was decided during a drift
MARKED = f"{MARK} decided while the machine drifted: some of its runs may have been compared with runs of another level"


class Decisions:
    def __init__(self, history: History):
        self.history = history

    @cached_property
    def stack(self) -> Stack:
        """Its margin says what to measure next; no label and no headline depends on it."""
        return Stack(self.history)

    @cached_property
    def labels(self) -> dict[int, Label]:
        """id -> how each kept change ends."""
        return self.stack.labels() if self.history.listed else {}

    @property
    def partly(self) -> dict[int, tuple[int, ...]]:
        """id -> its hunks that were taken out again, of the changes that are still there."""
        found: dict[int, tuple[int, ...]] = {}
        for prune in self.history.prunes:
            if prune.hunks:
                found[prune.ids[0]] = (*found.get(prune.ids[0], ()), *prune.hunks)
        return {e.id: found[e.id] for e in self.history.stack if e.id in found}

    @property
    def tested(self) -> int:
        """Experiments that the evidence decided and that had to gain: no failures, and nothing that was given."""
        decided = (e for e in self.history.experiments.values() if e.status in ("keep", "discard") and not is_given(e))
        return sum(not (e.proposal and e.proposal.shorter) for e in decided)

    @property
    def false_keeps(self) -> float:
        """How many keeps are expected to be false at most: as if none of what was tested had an effect. What is shorter need not have."""
        return NULL_KEPT * self.tested

    def false_keeps_text(self) -> str:
        tested, confirmed = self.tested, sum(label.status == "confirmed" for label in self.labels.values())
        text = (
            f"Of {plural(tested, 'change')} that had to gain, at most about {_few(self.false_keeps)} keeps are expected to be "
            f"false: the search keeps no more than {100 * NULL_KEPT:.0f} % of the changes that do nothing."
        )
        share = f" Of the {confirmed} labelled confirmed, no more than {100 * RATE:.0f} % are expected to be (Benjamini and Hochberg)."
        return text + (share if confirmed else "")

    def during(self, drift: Drift) -> list[int]:
        """Experiments that were decided between the champion's last run as before and the drift's discovery."""
        decided = (e for e in self.history.experiments.values() if e.id and e.verdict and not is_given(e))
        return sorted(e.id for e in decided if drift.since < e.verdict.at <= drift.at)

    @cached_property
    def drifted(self) -> set[int]:
        return {id for drift in self.history.drifts for id in self.during(drift)}

    def number(self, experiment: Experiment) -> str:
        """`0007`, marked if it was decided during a drift."""
        return f"{experiment.id:04d}{MARK if experiment.id in self.drifted else ''}"


def _few(count: float) -> str:
    return f"{count:.1f}" if count >= 1 else f"{count:.2g}"
