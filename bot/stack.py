"""What the stack of kept changes is worth, and what to measure next to prove it. Pure: a history in, a step or labels out.

1. Leave one out, the weakest evidence first: runs of the stack without that part against the stack's own. What is surely worth less
   than the margin is pruned, one part at a time, since two parts may each be spare only while the other is there. A part that makes the
   files shorter was kept for that: it is pruned only where it surely loses more than the margin.
2. The same by hunk, where a change has several that do not depend on each other.
3. The final stack against the base, interleaved, on seeds and in runs that selected nothing, until p < LOOK. The headline.
4. Their checkpoints once on the sealed split.

A change is *confirmed* by the evidence of the search, where that would survive among all changes ever tried and leaving it out of this
stack does not contradict, or by leave-one-out; each half of the false-discovery rate is controlled by Benjamini-Hochberg. Whatever is
neither confirmed nor pruned is *unproven*.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bot.decide import EQUAL, MARGIN, MOST
from bot.history import History
from bot.noise import NightNoise, against
from bot.records import Experiment, Measurement, Pruned, Variant
from bot.stats import Comparison, discoveries

RATE = 0.05  # false discoveries among what is labelled confirmed, at most, on average
PROVED = 0.001  # chance that the final comparison proves a gain that is none
LOOK = 0.00015  # p that it takes at one look; there is one after every run from FINAL to MOST_FINAL (tests/bot/test_stack.py)
FINAL, MOST_FINAL = 3, 12  # runs of each side
MAX_FAILED = 3  # failed runs of one thing in one `run` before it is left alone
OUT, MOST_OUT = 3, 6  # runs of the stack without a part: before it is judged, and at most
REFUTED = 0.05  # p of leave-one-out above which a change that the search was sure of is no longer called confirmed
CLEAR = 0.01  # p at which a part needs no more runs
SPARE = 0.05  # p of "it is worth what it must be" below which it is pruned


@dataclass(frozen=True)
class Step:
    """What to do next. `variant`: what is measured or pruned; `side`: sha that a final run is of; `run`: whose checkpoint is scored."""

    action: Literal["ablate", "champion", "prune", "final", "sealed", "done"]
    variant: Variant | None = None
    side: str = ""
    run: Measurement | None = None


@dataclass(frozen=True)
class Worth:
    """Of a kept change, by runs that did not select it. `here`: to the stack as it is now."""

    effect: Comparison
    words: str
    here: bool


@dataclass(frozen=True)
class Label:
    """How a kept change ends. `effect` with its 95 % interval in the metric's unit, None where nothing but what selected it is known."""

    status: Literal["confirmed", "unproven", "pruned"]
    why: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None


class Stack:
    def __init__(self, history: History, margin: float | None = None):
        self.history, self.whole = history, history.champion_sha
        self.sign = 1 if history.direction == "min" else -1
        self.noise = NightNoise(history)
        self.margin = MARGIN * self.noise.sigma if margin is None else margin
        self.variants = [v for v in history.variants if v.stack == self.whole]

    # Evidence

    def out(self, variant: Variant) -> list[Measurement]:
        """Good runs without the part."""
        runs = self.history.experiments[variant.id].measurements if variant.id in self.history.experiments else []
        return [m for m in self.history.good(runs, "ablate") if m.sha == variant.sha]

    def broken(self, variant: Variant) -> bool:
        """Whether it does not run without the part, or cannot be measured here now."""
        runs = self.history.experiments[variant.id].runs("ablate") if variant.id in self.history.experiments else []
        mine = [m for m in runs if m.sha == variant.sha]
        return any(m.outcome not in ("ok", "invalid") for m in mine) or self._failures(mine) >= MAX_FAILED

    def effect(self, variant: Variant) -> Comparison | None:
        """The stack against the stack without the part, in a metric of which less is better: negative where the part helps."""
        return against(self.history.pool(variant.stack), self.out(variant), self.noise.of_others(variant.stack).alike, -self.sign)

    def searched(self, keep: Experiment) -> float:
        """p of all that the search knows of a kept change, for as many looks as there may have been; 1 where nothing may be compared."""
        effect = self._comparison(keep)
        return min(1.0, (MOST - 1) * effect.p()) if effect else 1.0

    def _comparison(self, keep: Experiment) -> Comparison | None:
        """The runs that decided a keep and the champion's after it, against its parent's. No retest: that was somebody's second look."""
        if not keep.proposal:
            return None
        parent = self.history.pool(keep.proposal.parent)
        runs = [*self.history.compared(keep, "confirm"), *self.history.pool(self.history.sha_of(keep))]
        return against(parent, runs, self.noise.of_others(keep.proposal.parent, self.history.sha_of(keep), keep.id).alike, self.sign)

    def final(self, sha: str, split: str = "val") -> list[Measurement]:
        """Good runs of one side of the final comparison, made since the stack is what it is: base and stack in turn."""
        base = self.history.experiments.get(0)
        runs = self.history.good(base.measurements if base else [], "final", split=split)
        return [m for m in runs if m.sha == sha and m.at > self.history.moved_at]

    def headline(self, split: str = "val") -> Comparison | None:
        """The final stack against the base."""
        return against(self.final(self.history.base, split), self.final(self.whole, split), self.noise.of_others().alike, self.sign)

    # What next

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

    def sure(self, p: Mapping[int, float]) -> set[int]:
        """Those of the kept changes whose evidence from the search survives among everything that was tried."""
        ids = list(p)
        return {ids[i] for i in discoveries([p[id] for id in ids], self.history.tried, RATE / 2)}

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

    # How it ends

    def labels(self) -> dict[int, Label]:
        """id -> how each kept change ends, the pruned ones included."""
        p = {e.id: self.searched(e) for e in self.history.stack}
        found = self.sure(p)
        worth, rounds = self._worth(), self._rounds()
        chances = [min(1.0, rounds[id] * known.effect.p()) for id, known in worth.items()]
        accepted = discoveries(chances, len(rounds), RATE / 2)  # what was pruned was tested too
        proved = {id for i, id in enumerate(worth) if i in accepted}
        worth = {id: known for id, known in worth.items() if known.here or id in proved}
        found -= {id for id, known in worth.items() if known.effect.p() > REFUTED}
        labels = {id: self._label(id, p, found, proved, worth.get(id)) for id in p}
        return labels | {id: _pruned(prune) for prune in self.history.prunes if not prune.hunks for id in prune.ids}

    def _rounds(self) -> Counter[int]:
        """id -> how often it was tried to show that a change is worth something: once for each stack, for pruning leaves those that look
        good; and by the final comparison where it is alone."""
        return Counter([*(v.id for v in self._judged), *([self.alone] if self.alone else [])])

    @property
    def _judged(self) -> list[Variant]:
        """Stacks without one whole change that ran often enough to say something."""
        return [v for v in self.history.variants if len(v.ids) == 1 and not v.hunks and len(self.out(v)) >= OUT]

    @property
    def alone(self) -> int | None:
        """The only change in the stack: the stack without it is the base."""
        ids = [e.id for e in self.history.stack]
        return ids[0] if len(ids) == 1 else None

    def _worth(self) -> dict[int, Worth]:
        """id -> what each change is worth to this stack, or to it before something else was pruned. A single one: the final comparison."""
        found: dict[int, Worth] = {}
        stacks = {self.whole}
        for prune in reversed(self.history.prunes):
            stacks |= {prune.stack} if prune.sha in stacks else set()
        for variant in self._judged:
            if variant.stack in stacks and (effect := self.effect(variant)):
                runs = len(self.history.pool(variant.stack)), len(self.out(variant))
                found[variant.id] = Worth(effect, f"{runs[0]} v {runs[1]} seeds without it", variant.stack == self.whole)
        if self.alone and (final := self.headline()):
            found[self.alone] = Worth(final, f"{len(self.final(self.whole))} v {len(self.final(self.history.base))} fresh seeds", True)
        return found

    def _label(self, id: int, p: Mapping[int, float], found: set[int], proved: set[int], known: Worth | None) -> Label:
        status, proposal = "confirmed" if id in found | proved else "unproven", self.history.experiments[id].proposal
        shorter = "kept for being shorter; " if status == "unproven" and proposal and proposal.shorter else ""
        searched = f"by the search, p = {p[id]:.2g} among {self.history.tried} tried"
        if known:
            why = f"{known.words}, p = {known.effect.p():.2g}" + (f"; {searched}" if id in found else "")
            return Label(status, shorter + why, *self._interval(known.effect, known.effect.half()))
        if proposal and proposal.given:
            given = f"carried over from {proposal.carries:04d}" if proposal.carries else "others' commit"
            return Label(status, f"{given}; {searched}")
        effect, why = self._comparison(self.history.experiments[id]), shorter + searched
        if not effect:
            return Label(status, why)
        # selected: intervals for such must be wider (Benjamini and Yekutieli 2005)
        return Label(status, why, *self._interval(effect, effect.half(1 - RATE * len(p) / max(len(p), self.history.tried))))

    def _interval(self, effect: Comparison, half: float) -> tuple[float, float, float]:
        delta = self.sign * effect.delta
        return delta, delta - half, delta + half


def _pruned(prune: Pruned) -> Label:
    return Label("pruned", prune.why, prune.effect, prune.low, prune.high)
