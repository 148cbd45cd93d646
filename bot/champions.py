"""The line of champions: the base, each keep on it, what was taken out again, and where others moved it (`bot.follow`)."""

from bisect import insort

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
        self.left_out: dict[int, Pruned] = {}  # what people took out of this line by moving the branch
        self.wanted: set[int] = set()  # what people put back by it
        self.brought: set[str] = set()  # others' commits that came from the remote's branch
        self.count = 0  # events so far: the order of things, whatever a clock says
        self._trail: list[str] = []
        self._first = 1  # id of the first experiment of this line
        self._gone = 0  # how much was taken out before it
        self._moved = 0  # `count` at the last run that made the champion what it is
        self._ran: dict[str, int] = {}  # sha -> `count` at its last run that may decide
        self._finals: dict[tuple[int, str, str, int], int] = {}

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
        known = {*self.champions, *self.former, *self.trail, *map(self.sha_of, kept), *pruned, *parts}
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
    def trail(self) -> list[str]:
        """Where the record says that the branch was, one after the other, on any line; others' commits that it has read among them."""
        return [self.opened.base, *self._trail] if self.opened else self._trail

    def after(self, sha: str) -> list[str]:
        """Where the branch was since it was last at `sha`."""
        trail = self.trail
        return trail[len(trail) - trail[::-1].index(sha) :] if sha in trail else []

    @property
    def stack(self) -> list[Experiment]:
        """Kept experiments whose change is still in the champion, the oldest first."""
        gone = {id for p in self.prunes if not p.hunks for id in p.ids}
        return [e for e in self.keeps if e.id not in gone]

    @property
    def listed(self) -> list[Experiment]:
        """What was kept on this line, and what people took out of it by moving the branch."""
        out = [self.experiments[id] for id in self.left_out if id in self.experiments]
        return sorted({e.id: e for e in [*out, *self.keeps]}.values(), key=lambda e: e.id)

    @property
    def coming(self) -> tuple[list[int], list[tuple[str, int]], list[int]]:
        """What this line still has to take up, in this order: kept experiments of the line before to be applied, others' commits (see
        `Rebased.steps`), and again kept experiments."""
        if not self.rebases:
            return [], [], []
        line, mine = self.rebases[-1], [e.proposal for id, e in self.experiments.items() if id >= self._first and e.proposal]
        done, have = {p.carries for p in mine}, {*(p.sha for p in mine), *(p.sha for p in self.taken_out[self._gone :])}
        steps = line.steps or ([(line.tip, 0)] if line.tip else [])
        under, carry = ([id for id in ids if id not in done] for ids in (line.under, line.carry))
        return under, [step for step in steps if step[0] not in have], carry

    def is_since(self, final: Measurement) -> bool:
        """Whether a run of the final comparison was made since the champion is what it is."""
        return self._finals.get(_key(final), 0) > self._moved

    def _without(self, prune: Pruned) -> list[Measurement]:
        """Runs of the stack without what was then taken out."""
        runs = self.experiments[prune.ids[0]].runs("ablate") if prune.ids[0] in self.experiments else []
        return [m for m in runs if m.sha == prune.variant]

    @staticmethod
    def sha_of(experiment: Experiment) -> str:
        """The commit that holds the change: on the branch once it is kept."""
        kept = experiment.verdict.sha if experiment.verdict else ""
        return kept or (experiment.proposal.sha if experiment.proposal else "")

    def commit_of(self, experiment: Experiment) -> str:
        """The commit that people find the change in: below others' commits, which hold the same ones of the older base, that is theirs."""
        under = {id for move in self.rebases for id in move.under}
        while (proposal := experiment.proposal) and proposal.carries in under and proposal.carries in self.experiments:
            experiment = self.experiments[proposal.carries]
        return self.sha_of(experiment)

    def _seen(self, experiment: Experiment, run: Measurement) -> None:
        experiment.measurements.append(run)
        experiment.stopped = False
        if run.role == "final":
            self._finals[_key(run)] = self.count
        elif run.role in ("screen", "confirm", "ablate"):
            self._ran[run.sha] = self.count

    def _kept(self, keep: Experiment) -> None:
        insort(self.keeps, keep, key=lambda e: e.id)  # a verdict that was lost is recorded late
        self._trail.append(self.sha_of(keep))
        ran = 0 if not keep.proposal or keep.proposal.given else self._ran.get(keep.proposal.sha, 0)
        self._moved = max(self._moved, ran or self.count)

    def _prune(self, event: Pruned) -> None:
        self.prunes.append(event)
        self.taken_out.append(event)
        self._trail.append(event.sha)
        self._moved = max(self._moved, self._ran.get(event.variant, self.count))

    def _rebase(self, event: Rebased) -> None:
        theirs = {self.sha_of(e) for e in self.keeps if e.proposal and e.proposal.source == HUMAN}
        self.former |= set(self.champions) - theirs
        before, whole, newest = self.base, self.champion_sha, max((e.id for e in self.keeps), default=0)
        self.rebases.append(event)
        self.keeps = [e for e in self.keeps if self.sha_of(e) in event.commits]
        stay = [p for p in self.prunes if p.sha in event.commits]
        back = {id for p in self.prunes if p not in stay for id in p.ids}
        self.wanted, self.prunes = (self.wanted | back if event.base == before else set()), stay
        self._trail += [*filter(None, [event.replaces]), self.champion_sha]
        self.brought |= {sha for sha in (event.replaces, *(step for step, _ in event.steps)) if sha and event.there}
        again = {*event.under, *event.carry, *(id for _, id in event.steps)}
        self.left_out = {id: out for id, out in self.left_out.items() if event.base == before and id not in again}
        for id in event.out:
            why = f"pruned: {event.why.partition(';')[0]}"
            self.left_out[id] = Pruned(event.at, newest, whole, self.champion_sha, self.champion_sha, (id,), (), why)
            self.taken_out.append(self.left_out[id])
        self._first, self._gone, self._moved = max(self.experiments, default=0) + 1, len(self.taken_out), self.count


def _key(run: Measurement) -> tuple[int, str, str, int]:
    return run.index, run.split, run.sha, run.seed
