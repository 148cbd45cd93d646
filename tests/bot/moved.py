"""A research whose base moved, and what was given to it: a change carried over, one that could not be, a human's commit."""

from msgspec.structs import replace

from bot.records import HUMAN, Opened, Proposal, Rebased, Verdict

from .builders import BASE, Night, sha

NEW = "e" * 40
LEVEL = 1.60  # of the new base; the old one's is 1.7312


class Moved(Night):
    def moves(self, carry: tuple[int, ...] = (), merged: tuple[int, ...] = (), base: str = NEW, **fields) -> "Moved":
        self._add(Rebased, base=base, why=f"main moved from {BASE[:12]} to {base[:12]}", carry=carry, merged=merged, **fields)
        self.champion = base
        return self

    def given(self, carries: int = 0, rejected: str = "", source: str = HUMAN, hypothesis: str = "by hand") -> int:
        id, self.next_id = self.next_id, self.next_id + 1
        commit = "" if rejected else sha(id)
        self._add(Proposal, id=id, parent=self.champion, sha=commit, hypothesis=hypothesis, source=source, given=True, carries=carries,
                  rejected=rejected, added=1, removed=1)  # fmt: skip
        if rejected:
            self._add(Verdict, id=id, status="discard", why=f"discarded: not carried over from {carries:04d}: {rejected}")
        else:
            self._add(Verdict, id=id, status="keep", why="kept: measured as part of the stack, not apart", sha=commit)
            self.champion = commit
        return id

    def measures(self, id: int, commit: str, role: str, first: int = 4, count: int = 4, **fields) -> "Moved":
        for index in range(first, first + count):
            self.run(id, role, index, commit, **fields)
        return self

    def rebased(self, seeds: int = 4) -> "Moved":
        """The new base's baseline, as the next run measures it."""
        self.level = LEVEL
        self.opened().measures(0, NEW, "baseline", count=seeds)
        self._add(Verdict, id=0, status="baseline", why=f"mean of {seeds} seeds", value=LEVEL, seeds=seeds, sha=NEW)
        return self


def moved_night() -> Moved:
    """0001 and 0003 are kept, and main moves: 0001 is carried over as 0005, 0003 is not; 0007 is tried on the new base."""
    night = Moved().baseline()
    night.kept(-0.02, hypothesis="SOFTCAP 15 → 30")
    night.screened(0.01)
    night.kept(-0.01, hypothesis="DEPTH 4 → 5")
    night.failed()
    night.stopped().moves(carry=(1, 3))
    carried = night.given(carries=1, source="constants", hypothesis="SOFTCAP 15 → 30")
    night.given(carries=3, source="constants", hypothesis="DEPTH 4 → 5", rejected="it is in conflict with what others changed")
    night.rebased()
    night.level -= 0.02
    night.measures(carried, sha(carried), "champion")
    night.screened(0.01)
    return night.stopped()


def before_it_is_measured() -> Moved:
    """The base has moved, and nothing of the new one is known yet."""
    night = moved_night()
    at = next(i for i, event in enumerate(night.events) if isinstance(event, Opened) and i)
    night.events = night.events[:at]
    return night.opened()


def shorter(night: Night, id: int) -> Night:
    """As if that experiment had made the files shorter."""
    night.events = [replace(e, statements=-3) if isinstance(e, Proposal) and e.id == id else e for e in night.events]
    return night
