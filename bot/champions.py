"""The line of champions: the base, each keep on it, what was taken out again, and where others moved it (`bot.follow`)."""

from bot.records import HUMAN, Experiment, Measurement, Opened, Pruned, Rebased, Variant


class Champions:
    """The part of a `History` that says which commit stands on which. Filled by it, event by event."""

    def __init__(self):
        self.experiments: dict[int, Experiment] = {}
        self.opened: Opened | None = None
        self.keeps: list[Experiment] = []
        self.prunes: list[Pruned] = []
        self.rebases: list[Rebased] = []
        self.variants: list[Variant] = []
        self.former: set[str] = set()  # champions of lines that were left
        self.taken_out: list[Pruned] = []  # on any line

    @property
    def base(self) -> str:
        """The commit that research builds on; where the line that opened it is lost, what its first runs measured."""
        if self.rebases:
            return self.rebases[-1].base
        first = self.experiments[0].runs("baseline") if 0 in self.experiments else []
        return self.opened.base if self.opened else first[0].sha if first else ""

    @property
    def champion_sha(self) -> str:
        return self.champions[-1]

    @property
    def named(self) -> list[str]:
        """Commits beside the base that the record may have to read again: every champion of any line, what is kept or not decided, and
        what is or was measured of the stack without a part."""
        kept = [e for e in self.experiments.values() if e.proposal and (not e.verdict or e.verdict.status == "keep")]
        pruned = [sha for prune in self.taken_out for sha in (prune.stack, prune.variant, prune.sha)]
        parts = [v.sha for v in self.variants if v.stack == self.champion_sha]
        known = {*self.champions, *self.former, *map(self.sha_of, kept), *pruned, *parts}
        return sorted(known - {"", self.base})

    @property
    def moved_at(self) -> float:
        """When the last run ended that made the champion what it is."""
        kept = [m.at for e in self.keeps[-1:] for m in e.runs("screen", "confirm")]
        pruned = [m.at for p in self.prunes[-1:] for m in self._without(p)]
        given = [e.verdict.at for e in self.keeps[-1:] if e.proposal and e.proposal.given]
        return max([*kept, *pruned, *given, *(r.at for r in self.rebases[-1:])], default=0.0)

    @property
    def champions(self) -> list[str]:
        """Every champion so far, the base first: each keep, and after it what was taken out again."""
        moves = [(e.id, 0, self.sha_of(e)) for e in self.keeps] + [(p.id, i, p.sha) for i, p in enumerate(self.prunes, 1)]
        return [self.base, *(sha for _, _, sha in sorted(moves, key=lambda move: move[:2]))]

    @property
    def stack(self) -> list[Experiment]:
        """Kept experiments whose change is still in the champion, the oldest first."""
        gone = {id for p in self.prunes if not p.hunks for id in p.ids}
        return [e for e in self.keeps if e.id not in gone]

    @property
    def to_carry(self) -> list[int]:
        """Kept experiments of the line before that still have to be applied to this one."""
        if not self.rebases:
            return []
        done = {e.proposal.carries for e in self.experiments.values() if e.proposal and e.proposal.at >= self.rebases[-1].at}
        return [id for id in self.rebases[-1].carry if id not in done]

    def _without(self, prune: Pruned) -> list[Measurement]:
        """Runs of the stack without what was then taken out."""
        runs = self.experiments[prune.ids[0]].runs("ablate") if prune.ids[0] in self.experiments else []
        return [m for m in runs if m.sha == prune.variant]

    @staticmethod
    def sha_of(experiment: Experiment) -> str:
        """The commit that holds the change: on the branch once it is kept."""
        kept = experiment.verdict.sha if experiment.verdict else ""
        return kept or (experiment.proposal.sha if experiment.proposal else "")

    def _prune(self, event: Pruned) -> None:
        self.prunes.append(event)
        self.taken_out.append(event)

    def _rebase(self, event: Rebased) -> None:
        theirs = {self.sha_of(e) for e in self.keeps if e.proposal and e.proposal.source == HUMAN}
        self.former |= set(self.champions) - theirs
        self.rebases.append(event)
        self.keeps = [e for e in self.keeps if self.sha_of(e) in event.commits]
        self.prunes = [p for p in self.prunes if p.sha in event.commits]
