"""The ledger's events folded into what is known: experiments, the champion, and which runs may be compared with which."""

import gc
import math
from collections.abc import Iterable
from statistics import fmean

from msgspec.structs import force_setattr, replace

from bot.beside import Beside
from bot.openings import Openings
from bot.records import (
    Asked,
    Call,
    Drift,
    Event,
    Experiment,
    Imported,
    Learned,
    Measurement,
    Opened,
    Proposal,
    Pruned,
    Reading,
    Rebased,
    Repaired,
    Role,
    Stopped,
    Switched,
    Variant,
    Verdict,
)

BEGINNINGS = (Opened, Rebased, Repaired)  # what a run writes first, after a time in which none was open


class History(Openings):
    """All state of one research branch. `fold` reads a ledger; `add` follows a running one. Nothing raises: see `oddities`."""

    def __init__(self):
        super().__init__()
        self.readings: list[Reading] = []
        self.drifts: list[Drift] = []
        self.calls: list[Call] = []
        self.learned: list[Learned] = []
        self.imported: list[Imported] = []
        self.switches: list[Switched] = []
        self.asked: dict[int, Asked] = {}  # by the comment's id
        self.oddities: list[str] = []  # what could not be placed: kept, and told
        self.last_at = 0.0
        self.wall_seconds = 0.0  # time in which some run was open
        self.beside: Beside | None = None  # what scouts did in the runs that ended
        self._runs: dict[tuple[str, str], list[Measurement]] = {}  # (sha, context) -> good baseline and champion runs
        self._contexts: dict[str, list[str]] = {}
        self._last_context = ""
        self._add = {
            Opened: self._open, Proposal: self._propose, Measurement: self._measure, Verdict: self._decide, Stopped: self._stop,
            Drift: self.drifts.append, Variant: self.variants.append, Pruned: self._prune,
            Reading: self.readings.append, Rebased: self._rebase, Repaired: self._repair, Call: self.calls.append,
            Learned: self.learned.append, Imported: self.imported.append, Switched: self.switches.append,
            Asked: lambda event: self.asked.setdefault(event.comment, event),
        }  # fmt: skip

    @classmethod
    def fold(cls, events: Iterable[Event], curves: bool = True) -> "History":
        """`curves=False` forgets the loss curves, most of a long ledger's memory. No garbage arises, so none is looked for."""
        history, collecting = cls(), gc.isenabled()
        gc.disable()
        try:
            for event in events:
                if not curves and type(event) is Measurement:
                    force_setattr(event, "curve", ())
                history.add(event)
        finally:
            if collecting:
                gc.enable()
        return history

    def add(self, event: Event) -> None:
        handler = self._add.get(type(event))
        if handler is None:
            self.oddities.append(f"an event of unknown type {type(event).__name__}")
            return
        if type(event) is not Imported:  # which comes from elsewhere, and while no run is open
            if self.last_opened and not self.last_stopped and type(event) not in BEGINNINGS and event.at > self.last_at:
                self.wall_seconds += event.at - self.last_at
            self.last_at = event.at
        self.count += 1
        handler(event)

    @property
    def direction(self) -> str:
        return self.opened.direction if self.opened else "min"

    @property
    def metric(self) -> str:
        return self.opened.metric if self.opened else "val_bpb"

    @property
    def begun(self) -> bool:
        """Whether anything rests on the base; comparisons of two commits do not."""
        return any(id or e.runs("baseline") for id, e in self.experiments.items())

    @property
    def context(self) -> str:
        return self.last_opened.context if self.last_opened else self._last_context

    @property
    def reference_runs(self) -> list[Measurement]:
        """Good runs, in the current context, of the base; where it has none, of the earliest champion that has."""
        return next((runs for sha in self.champions if (runs := self.champion_runs(sha, self.context))), [])

    @property
    def sealed_reads(self) -> set[tuple[str, int]]:
        """(sha, seed) of every checkpoint that the sealed split was read with."""
        scored = {(m.sha, m.seed) for e in self.experiments.values() for m in e.measurements if m.split == "sealed"}
        return scored | {(r.sha, r.seed) for r in self.readings}

    @property
    def pending(self) -> Experiment | None:
        """What a kill or a stop interrupted. One whose proposal was lost cannot be continued and is left as it is."""
        return next((e for e in self.experiments.values() if e.id and e.proposal and not e.verdict), None)

    @property
    def best(self) -> float | None:
        """The champion's mean over its own runs of this context; until there are any, what it was kept with."""
        runs = self.champion_runs(self.champion_sha, self.context)
        if runs:
            return fmean(m.value for m in runs)
        last = self.keeps[-1] if self.keeps else None
        return last.verdict.value if last and self.context in {m.context for m in last.measurements} else None

    @property
    def next_id(self) -> int:
        return max(self.experiments, default=0) + 1

    def champion_runs(self, sha: str, context: str) -> list[Measurement]:
        """Good runs of `sha` that no keep was decided on: the baseline's, and the champion's re-measurements."""
        return self._runs.get((sha, context), [])

    def pool(self, sha: str) -> list[Measurement]:
        """Those of them that a candidate is tested against: none from before a drift."""
        return self.good(self.champion_runs(sha, self.context), "baseline", "champion")

    def selected(self, sha: str) -> list[Measurement]:
        """Runs of the same files that made `sha` the champion, as far as they may be compared: they say where it stands, but they won."""
        for experiment in self.keeps:
            if self.sha_of(experiment) == sha:
                return self.compared(experiment, "confirm")
        prune = next((p for p in self.prunes if p.sha == sha), None)
        return self.good(self._without(prune), "ablate") if prune else []

    def compared(self, experiment: Experiment, *roles: Role) -> list[Measurement]:
        """Good runs of these roles that may be compared with what is measured now, in order."""
        runs = experiment.measurements
        if experiment.repairs:  # not those of what it was before it was mended
            runs = [m for m in runs if m.sha in (experiment.proposal.sha, experiment.proposal.parent)]
        return self.good(runs, *roles)

    def good(self, runs: Iterable[Measurement], *roles: Role, split: str = "val", outcome: str = "ok") -> list[Measurement]:
        since = self.drifts[-1].at if self.drifts else -math.inf
        found = (m for m in runs if m.role in roles and m.outcome == outcome and m.context == self.context)
        return [m for m in found if m.at > since and m.split == split]

    def runs_since(self, at: float) -> int:
        """Runs that ended after `at`."""
        count = 0
        for experiment in reversed(self.experiments.values()):
            newer = sum(m.at > at for m in experiment.measurements)
            count += newer
            if experiment.measurements and not newer:
                break
        return count

    def runs_of(self, sha: str, id: int) -> list[Measurement]:
        """What experiment `id` measured of `sha`, failures included, and the good champion runs of it: oldest first."""
        own = [m for m in self.experiments[id].measurements if m.sha == sha] if id in self.experiments else []
        others = [m for where in self.contexts(sha) for m in self.champion_runs(sha, where) if m.id != id]
        return sorted([*own, *others], key=lambda m: m.at)

    def contexts(self, sha: str) -> list[str]:
        """Where `sha` has such runs, oldest first."""
        return self._contexts.get(sha, [])

    def samples(self, context: str) -> list[list[float]]:
        """The values of `context`, one list for each commit: what the noise is estimated from."""
        return [[m.value for m in runs] for (_, where), runs in self._runs.items() if where == context]

    def improves(self, value: float, reference: float) -> bool:
        return value < reference if self.direction == "min" else value > reference

    def _experiment(self, id: int, what: str) -> Experiment:
        experiment = self.experiments.get(id)
        if experiment is None:
            experiment = self.experiments[id] = Experiment(id)
            if id and what != "proposal":
                self.oddities.append(f"experiment {id}: a {what} without a proposal")
        return experiment

    def _propose(self, event: Proposal) -> None:
        experiment = self._experiment(event.id, "proposal")
        if experiment.proposal and experiment.proposal != event:
            self.oddities.append(f"experiment {event.id}: proposed twice, the first one counts")
        experiment.proposal = experiment.proposal or event
        self._by(event)

    def _repair(self, event: Repaired) -> None:
        experiment = self._experiment(event.id, "repair")
        if not experiment.proposal or experiment.verdict:
            self.oddities.append(f"experiment {event.id}: a repair of nothing that was open")
            return
        same = ("sha", "added", "removed", "statements", "fingerprint", "moved")
        experiment.proposal = replace(experiment.proposal, **{name: getattr(event, name) for name in same})
        experiment.repairs.append(event)

    def _measure(self, event: Measurement) -> None:
        experiment = self._experiment(event.id, "measurement")
        self._seen(experiment, event)
        self._last_context = event.context
        if event.role in ("baseline", "champion") and event.outcome == "ok" and event.value is not None and event.split != "sealed":
            self._run(event)

    def _run(self, event: Measurement) -> None:
        key = (event.sha, event.context)
        if key not in self._runs:
            self._runs[key] = []
            self._contexts.setdefault(event.sha, []).append(event.context)
        self._runs[key].append(event)

    def _decide(self, event: Verdict) -> None:
        experiment = self._experiment(event.id, "verdict")
        if experiment.verdict and (event.id or event.sha == experiment.verdict.sha):  # a new base is a new baseline
            self.oddities.append(f"experiment {event.id}: decided twice, the first verdict counts")
            return
        experiment.verdict = event
        if event.status == "keep":
            self._kept(experiment)

    def _stop(self, event: Stopped) -> None:
        self.last_stopped = event
        if event.beside:
            self.beside = self.beside + event.beside if self.beside else event.beside
        if event.id is not None:
            self._experiment(event.id, "stop").stopped = True
