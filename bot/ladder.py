"""The ways of searching that a stalled search goes through, in their order, and what each of them asks for. `bot.plateau` says when. Pure.

A mode is its name and, after a colon, its data: `combine:12,17` (experiments), `category:systems`, `revisit:<sha>`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from bot.history import History
from bot.records import Experiment

LADDER = (
    ("combine", 3),
    ("ablate", 4),
    ("category", 3),
    ("category", 3),
    ("bold", 4),
    ("revisit", 3),
    ("constants", 8),
)  # experiments each
WHOLE = sum(quota for _, quota in LADDER)  # experiments
NEAR, RECENT = 4, 100  # near misses that are named, among so many experiments
WORDS = {
    "ablate": "leaving something out, or saying it in less code", "bold": "one larger change of the structure",
    "constants": "tuning the constants",
}  # fmt: skip


def split(mode: str) -> tuple[str, str]:
    """(`combine`, `12,17`) of `combine:12,17`."""
    name, _, data = mode.partition(":")
    return name, data


def near_misses(mode: str) -> tuple[int, ...]:
    """The experiments that `combine:12,17` names; none in any other mode."""
    name, data = split(mode)
    return tuple(map(int, data.split(","))) if name == "combine" and data else ()


def climb() -> Iterator[tuple[str, int]]:
    """(name, experiments) of each step; after the last one comes the first again."""
    while True:
        yield from LADDER


class Ways:
    """What each step asks for: it follows from the experiments before it, and from what was asked for before in this stall.

    `every`: the search's experiments in order. Steps are entered in order, too."""

    def __init__(self, history: History, every: Sequence[Experiment]):
        self.history, self.every = history, every
        self.tried: Counter[str] = Counter()  # categories
        self.counted = 0
        self.offered: set[int] = set()  # near misses
        self.asked: list[str] = []  # categories, and champions

    def enter(self, name: str, at: int) -> tuple[str, str] | None:
        """(mode, what it is in words) of a step that begins after `at` experiments; None where there is nothing for it."""
        found = {"combine": self._combine, "category": self._category, "revisit": self._revisit}.get(name)
        return found(at) if found else (name, WORDS[name])

    def _combine(self, at: int) -> tuple[str, str] | None:
        found = [e for e in self.every[max(0, at - RECENT) : at] if self._missed(e)]
        found.sort(key=lambda e: (not e.verdict.seeds, -abs(e.verdict.delta)))  # what fresh seeds say, before what one run says
        ids = sorted(e.id for e in found[:NEAR])
        if len(ids) < 2:
            return None
        self.offered.update(ids)
        return f"combine:{','.join(map(str, ids))}", f"combining the near misses {', '.join(f'{id:04d}' for id in ids)}"

    def _missed(self, e: Experiment) -> bool:
        """Whether it measured better than its champion, and not by enough."""
        delta = e.verdict.delta
        better = e.status == "discard" and delta is not None and self.history.improves(delta, 0.0)
        return better and e.id not in self.offered and not self.history.older(e)

    def _category(self, at: int) -> tuple[str, str]:
        from bot.proposers.answer import CATEGORIES

        self.tried.update(e.proposal.category for e in self.every[self.counted : at])
        self.counted = at
        known = [name for name in CATEGORIES if name != "simplification"]  # which `ablate` asks for
        chosen = min(self._new(known), key=lambda name: self.tried[name])
        self.asked.append(chosen)
        count = self.tried[chosen]
        return f"category:{chosen}", f"trying {chosen}, which was tried {f'{count} times' if count else 'never'} so far"

    def _revisit(self, at: int) -> tuple[str, str] | None:
        last = self.every[at - 1].id
        keeps = [e for e in self.history.keeps if e.id <= last]
        line = [self.history.base, *map(self.history.sha_of, keeps)]
        older = {sha: keep.id for sha, keep in zip(line, keeps, strict=False)}  # champion -> the keep that followed it
        if not older:
            return None
        chosen = self._new([*older])[-1]
        self.asked.append(chosen)
        return f"revisit:{chosen}", f"looking again at {chosen[:7]}, the champion before {older[chosen]:04d}"

    def _new(self, choices: Sequence[str]) -> list[str]:
        """Those that were not asked for yet; all of them again once all were."""
        known = [name for name in self.asked if name in choices]
        again = known[len(known) - len(known) % len(choices) :]
        return [name for name in choices if name not in again]
