"""What to measure next to prove the stack of kept changes. Pure: a history in, a step out; `bot.worth` says what the runs show.

1. Leave one out, the weakest evidence first: runs of the stack without that part against the stack's own. What is surely worth less
   than the margin is pruned, one part at a time, since two parts may each be spare only while the other is there. A part that makes the
   files shorter was kept for that: it is pruned only where it surely loses more than the margin.
2. The same by hunk, where a change has several that do not depend on each other.
3. The final stack against the base, interleaved, on seeds and in runs that selected nothing, until p < LOOK. The headline.
4. Their checkpoints once on the sealed split.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from bot.decide import EQUAL, MARGIN
from bot.history import History
from bot.records import Measurement, Variant
from bot.worth import OUT, Worths

PROVED = 0.001  # chance that the final comparison proves a gain that is none
LOOK = 0.00015  # p that it takes at one look; there is one after every run from FINAL to MOST_FINAL (tests/bot/test_stack.py)
FINAL, MOST_FINAL = 3, 12  # runs of each side
MAX_FAILED = 3  # failed runs of one thing in one `run` before it is left alone
MOST_OUT = 6  # runs of the stack without a part, at most
CLEAR = 0.01  # p at which a part needs no more runs
SPARE = 0.05  # p of "it is worth what it must be" below which it is pruned


@dataclass(frozen=True)
class Step:
    """What to do next. `variant`: what is measured or pruned; `side`: sha that a final run is of; `run`: whose checkpoint is scored."""

    action: Literal["ablate", "champion", "prune", "final", "sealed", "done"]
    variant: Variant | None = None
    side: str = ""
    run: Measurement | None = None


class Stack(Worths):
    def __init__(self, history: History, margin: float | None = None):
        super().__init__(history)
        self.margin = MARGIN * self.noise.sigma if margin is None else margin
        self.variants = [v for v in history.variants if v.stack == self.whole and history.wanted.isdisjoint(v.ids)]

    def next_step(self, left: float | None = None, kept: Collection[tuple[str, int]] = ()) -> Step:
        """`left`: runs that may still be spent; None for no limit, and then what is sure already is left out too. Of a limit, what the
        final comparison needs is kept back. `kept`: (sha, seed) of final runs whose checkpoint is there for the sealed split."""
        if not self.history.stack:
            return Step("done")
        left = math.inf if left is None else left
        spare = left - self.final_needed
        return self._leave_out(spare) or self._final(left) or self._sealed(kept, left)

    @property
    def final_needed(self) -> int:
        return sum(max(0, FINAL - len(self.final(sha))) for sha in (self.history.base, self.whole))

    @property
    def needed(self) -> int:
        """Runs that proving this stack will take: the final comparison, and OUT for each weak change or hunk."""
        return self.final_needed + sum(max(0, OUT - len(self.out(v))) for v in self.order() if not self.broken(v))

    def order(self, everything: bool = False) -> list[Variant]:
        """Parts worth leaving out: weak changes, the weakest first, then hunks; `everything`: then the changes that are sure already."""
        p = {e.id: self.searched(e) for e in self.history.stack}
        whole = sorted((v for v in self.variants if not v.hunks), key=lambda v: -max(p.get(id, 1.0) for id in v.ids))
        weak = [v for v in whole if not self.sure(p).issuperset(v.ids)]
        hunks = sorted((v for v in self.variants if v.hunks), key=lambda v: -p.get(v.id, 1.0))
        return weak + hunks + ([v for v in whole if v not in weak] if everything else [])

    def broken(self, variant: Variant) -> bool:
        """Whether it does not run without the part, or cannot be measured here now."""
        runs = self.history.experiments[variant.id].runs("ablate") if variant.id in self.history.experiments else []
        mine = [m for m in runs if m.sha == variant.sha]
        return any(m.outcome not in ("ok", "invalid") for m in mine) or self._failures(mine) >= MAX_FAILED

    def spare(self, variant: Variant) -> bool:
        """Whether the part is surely worth less than the margin, or, where it makes the files shorter, surely loses more than that."""
        effect = self.effect(variant)
        return bool(effect) and len(self.out(variant)) >= OUT and 1 - effect.p(self.least(variant)) < SPARE

    def least(self, variant: Variant) -> float:
        """What the part must bring to stay, in a metric of which less is better: the search kept what is shorter for less."""
        return self.margin if variant.shortens else -self.margin

    @property
    def proved(self) -> bool:
        headline = self.headline()
        return bool(headline) and not self.final_needed and headline.p() < LOOK

    def _leave_out(self, spare: float) -> Step | None:
        parts = [v for v in self.order(everything=math.isinf(spare)) if not self.broken(v)]
        for enough in (OUT, MOST_OUT):
            for variant in parts:
                count = len(self.out(variant))
                if count < enough and not self._settled(variant) and spare >= max(1, OUT - count):
                    short = len(self.history.pool(self.whole)) <= max(1, count / 2)
                    return Step("champion") if short else Step("ablate", variant)
            if useless := [v for v in parts if self.spare(v)]:
                return Step("prune", max(useless, key=lambda v: self.effect(v).delta))
        return None

    def _settled(self, variant: Variant) -> bool:
        effect = self.effect(variant)
        if not effect or len(self.out(variant)) < OUT:
            return False
        stays = effect.p(self.margin) < EQUAL if variant.shortens else effect.p() < CLEAR
        return stays or self.spare(variant)

    def _final(self, left: float) -> Step | None:
        side, fewest = self._next_side()
        if self.proved or fewest >= MOST_FINAL or left < 1 and fewest >= FINAL or self._gave_up("val"):
            return None
        return Step("final", side=side)

    def _failures(self, runs: Iterable[Measurement]) -> int:
        """How many of them failed in this `run`; another one may find the machine in better shape."""
        began = self.history.last_opened.at if self.history.last_opened else 0.0
        return sum(m.outcome != "ok" and m.at >= began for m in runs)

    def _gave_up(self, split: str) -> bool:
        """Whether so many final runs failed that more of them would only burn the machine."""
        base = self.history.experiments.get(0)
        return self._failures(m for m in (base.runs("final") if base else []) if m.split == split) >= MAX_FAILED

    def _next_side(self) -> tuple[str, int]:
        counts = {sha: len(self.final(sha)) for sha in (self.history.base, self.whole)}
        side = min(counts, key=lambda sha: counts[sha])
        return side, counts[side]

    def _sealed(self, kept: Collection[tuple[str, int]], left: float) -> Step:
        """Once the gain is proved: every final run whose checkpoint is there, once. Without any, one more pair."""
        runs = [m for sha in (self.history.base, self.whole) for m in self.final(sha)]
        if not self.proved or not runs[0].metric_version:
            return Step("done")
        read = self.history.sealed_reads
        if unread := [m for m in runs if (m.sha, m.seed) in kept and (m.sha, m.seed) not in read]:
            return Step("sealed", run=unread[0])
        side, fewest = self._next_side()
        enough = self.headline("sealed") or fewest >= MOST_FINAL or left < 1 or self._gave_up("sealed") or self._gave_up("val")
        return Step("done") if enough else Step("final", side=side)
