"""What the kept changes are worth, by which evidence, and how each ends. Pure: a history in, comparisons and labels out.

A change is *confirmed* by the evidence of the search, where that would survive among all changes ever tried and leaving it out of this
stack does not contradict, or by leave-one-out; each half of the false-discovery rate is controlled by Benjamini-Hochberg. Whatever is
neither confirmed nor pruned is *unproven*.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.accounts import how_given, is_given
from bot.decide import MOST
from bot.history import History
from bot.noise import NightNoise, against
from bot.records import Experiment, Measurement, Pruned, Variant
from bot.stats import Comparison, discoveries

RATE = 0.05  # false discoveries among what is labelled confirmed, at most, on average
OUT = 3  # runs of the stack without a part before it is judged
REFUTED = 0.05  # p of leave-one-out above which a change that the search was sure of is no longer called confirmed


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


class Worths:
    """Of the stack that is there now. `bot.stack` plans with it."""

    def __init__(self, history: History):
        self.history, self.whole = history, history.champion_sha
        self.sign = 1 if history.direction == "min" else -1
        self.noise = NightNoise(history)
        self.tried, self.given = history.tried, sum(map(is_given, history.stack))

    def out(self, variant: Variant) -> list[Measurement]:
        """Good runs without the part."""
        runs = self.history.experiments[variant.id].measurements if variant.id in self.history.experiments else []
        return [m for m in self.history.good(runs, "ablate") if m.sha == variant.sha]

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
        return [m for m in runs if m.sha == sha and self.history.is_since(m)]

    def headline(self, split: str = "val") -> Comparison | None:
        """The final stack against the base."""
        return against(self.final(self.history.base, split), self.final(self.whole, split), self.noise.of_others().alike, self.sign)

    def sure(self, p: Mapping[int, float]) -> set[int]:
        """Those of the kept changes whose evidence from the search survives among everything that was tried or given."""
        ids = list(p)
        return {ids[i] for i in discoveries([p[id] for id in ids], self.tried + self.given, RATE / 2)}

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
        taken = [*self.history.prunes, *self.history.left_out.values()]
        return labels | {id: _pruned(prune) for prune in taken if not prune.hunks for id in prune.ids}

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
        status, keep = "confirmed" if id in found | proved else "unproven", self.history.experiments[id]
        decided = self.history.origin(keep).proposal
        shorter = "kept for being shorter; " if status == "unproven" and decided and decided.shorter else ""
        effect, among = self._comparison(keep), f"{self.tried} tried" + (f" and {self.given} given" if self.given else "")
        searched = f"by the search, p = {p[id]:.2g} among {among}" if effect else "too few runs to compare it with what is below it"
        if known:
            why = f"{known.words}, p = {known.effect.p():.2g}" + (f"; {searched}" if id in found else "")
            return Label(status, shorter + why, *self._interval(known.effect, known.effect.half()))
        given = f"{how_given(keep.proposal)}; " if is_given(keep) else ""
        why = given + shorter + searched
        if not effect:
            return Label(status, why)
        # selected: intervals for such must be wider (Benjamini and Yekutieli 2005); what is given was not, by these runs
        level = 1 - RATE * len(p) / max(len(p), self.tried + self.given)
        return Label(status, why, *self._interval(effect, effect.half() if given else effect.half(level)))

    def _interval(self, effect: Comparison, half: float) -> tuple[float, float, float]:
        delta = self.sign * effect.delta
        return delta, delta - half, delta + half


def _pruned(prune: Pruned) -> Label:
    return Label("pruned", prune.why, prune.effect, prune.low, prune.high)
