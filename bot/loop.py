"""The loop. `run_loop` is the night, `run_experiment` one experiment; `Night` is what both act on.

Every step is recorded before the next begins and is decided from the record alone, so a kill at any instant loses nothing
and repeats nothing: what was measured is never measured again, what was decided is decided the same way.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from statistics import fmean
from typing import Any

from . import confirm, kept, limits, mending, noise, proposing, scouts, spending, trust
from .ahead import Ahead
from .checkpoints import Checkpoints
from .commits import keep_commit, restored, sync_branch
from .decide import Evidence, Step, next_step
from .early import Curves
from .errors import BaselineFailed
from .follow import Line
from .gitrepo import GitRepo
from .history import History
from .ledger import Ledger
from .live import Observer
from .measuring import measure_champion, take, watch
from .proposers import Proposer
from .records import HUMAN, Call, Event, Experiment, Measurement, Rebased, Status, Verdict
from .recover import failed
from .references import References
from .scouts import Scouts
from .settings import Settings
from .siblings import Siblings
from .signals import Stop


@dataclass
class Night:
    """One `run`: the ledger is the state, everything else is a door to the outside."""

    settings: Settings
    repo: GitRepo
    ledger: Ledger
    history: History
    measure: Callable[..., Measurement]  # runner's: (id, role, index, sha, seed) -> Measurement
    score: Callable[[Measurement], Measurement]  # runner's: a final run's checkpoint on the sealed split
    proposer: Proposer
    observer: Observer
    stop: Stop
    references: References
    checkpoints: Checkpoints
    between: Callable[[], None] = lambda: None  # called before each experiment
    broken: str = ""  # why the champion cannot be measured, while `between` may help
    started: float = field(default_factory=time.monotonic)
    more: int = 0  # experiments that were asked for beyond the limit
    prepared: str = ""  # the stack whose parts are known
    bills: SimpleQueue[Call] = field(default_factory=SimpleQueue)  # of a proposer's thread, not yet in the history
    scouts: Scouts = field(default_factory=Scouts)

    def __post_init__(self) -> None:
        self.tried_before = self.history.tried
        self.ahead = Ahead(self.proposer)
        self.siblings = Siblings(self.settings)

    @property
    def elapsed(self) -> float:
        """Seconds since this `run` began."""
        return time.monotonic() - self.started

    def record(self, event: Event) -> None:
        self.ledger.append(event)
        self.settle_bills()
        self.history.add(event)

    def bill(self, call: Call) -> None:
        """What a request cost, written down at once, from whatever thread; the history takes it in with its next event."""
        self.ledger.append(call)
        self.bills.put(call)

    def settle_bills(self) -> None:
        while not self.bills.empty():
            self.history.add(self.bills.get())

    def hold(self, sha: str) -> str:
        """Writes a commit down before the record names it; returns it."""
        kept.hold(self.repo, self.settings, self.history, self.observer.note, sha)
        return sha

    @property
    def last_one(self) -> bool:
        """Whether the experiment that is measured now is the last that was asked for."""
        limit = self.settings.max_experiments
        return limit is not None and self.history.tried - self.tried_before + 1 >= limit + self.more

    def stop_reason(self, paid: bool = False) -> str | None:
        """Why there is no next experiment; None where there is. `paid`: asking for it has cost already what it costs."""
        self.settle_bills()
        limit, left = self.settings.stop_after_seconds, confirm.time_for_search(self)
        if self.stop.soft:
            return f"stopped by {self.stop.soft}"
        done = self.history.tried - self.tried_before
        if self.settings.max_experiments is not None and done >= self.settings.max_experiments + self.more:
            return f"{done} experiments done (max_experiments)"
        if limit and self.elapsed >= limit:
            return f"no new proposal after {self.settings.stop_after} (stop_after)"
        if spent := spending.reason(self.history, self.settings, paid):
            return spent
        if left <= 0:
            return f"the rest of {self.settings.stop_after} (stop_after) is for confirming what was kept"
        return None


def run_loop(night: Night) -> str:
    """Runs until a limit, a signal or the proposer's end; returns the reason."""
    restore(night)
    with scouts.beside(night):
        reason = search(night)
    if not night.siblings.place.number:  # a scout's stack is its lead's to prove, as far as that takes it up
        confirm.run(night)
    return reason


def search(night: Night) -> str:
    while True:
        confirm.prepare(night)
        if not champion_runs(night):
            continue
        night.between()
        night.scouts.look()
        pending = night.history.pending
        if (reason := night.stop_reason(proposing.paid(night))) and (night.stop.soft or not pending):
            return reason
        experiment = pending or proposing.propose(night)
        if experiment:
            run_experiment(night, experiment)
        elif not night.scouts.wait(night):
            return night.stop_reason() or "the proposer has nothing left to propose"


def champion_runs(night: Night) -> bool:
    """Measures the champion. False where it does not run and is another one now: what people took a part out of, or the base again, where
    it was carried to a new one."""
    try:
        measure_champion(night)
    except BaselineFailed as error:
        reason = str(error).splitlines()[0]
        if helped(night, reason):
            return False
        given = [e.proposal for e in night.history.stack if e.proposal and e.proposal.given]
        if not any(proposal.carries for proposal in given) or any(proposal.source == HUMAN for proposal in given):
            raise  # what people put there is not ours to drop
        line_of(night).rebase(Rebased(time.time(), night.history.base, f"what was carried over does not run on the new base ({reason})"))
        sync_branch(night)
        return False
    return True


def helped(night: Night, reason: str) -> bool:
    """Whether people have asked for what makes it another champion."""
    champion, night.broken = night.history.champion_sha, reason
    try:
        night.between()
    finally:
        night.broken = ""
    return night.history.champion_sha != champion


def line_of(night: Night) -> Line:
    return Line(night.settings, night.repo, night.ledger, night.history, night.observer.note)


def restore(night: Night) -> None:
    """Closes the ledger's gaps and brings the branch to its champion, before anything is measured."""
    line_of(night).close_gaps()
    line_of(night).adopt()
    sync_branch(night)


def run_experiment(night: Night, experiment: Experiment) -> None:
    """Measures until the evidence decides; leaves at once, to be continued, when a soft stop came."""
    proposal = experiment.proposal
    night.observer.experiment(experiment.id, proposal.hypothesis, proposal.source)
    if proposal.rejected:
        return conclude(night, experiment, "crash", Step("discard", f"rejected before running: {proposal.rejected}"))
    if not restored(night, proposal):
        return conclude(night, experiment, "invalid", Step("discard", "git has pruned its commit, and its patch is gone"))
    proposing.ahead_of(night)
    while not (failure := failed(experiment)) or mending.mend(night, experiment, failure):
        proposal = experiment.proposal
        step = next_step(evidence(night, experiment))
        if step.action in ("keep", "discard"):
            return conclude(night, experiment, step.action, step)
        if night.stop.soft:
            return
        if step.action == "champion":
            take(night, experiment.id, "champion", proposal.parent)
            watch(night)
        else:
            how = bounds(night, experiment) if step.action == "screen" else {}
            take(night, experiment.id, step.action, proposal.sha, **how)
    if night.stop.soft and mending.mendable(night, experiment, failure):
        return
    conclude(night, experiment, failure.outcome, Step("discard", failure.reason))


def proved(night: Night, id: int, sha: str) -> bool:
    """Whether `sha` may count as tested for leaks. A command target has no second worker, which its report says."""
    return bool(night.settings.command or trust.proof(night.history, id, sha))


def evidence(night: Night, experiment: Experiment) -> Evidence:
    history, settings, proposal = night.history, night.settings, experiment.proposal
    pool, screens = history.pool(proposal.parent), history.compared(experiment, "screen")
    fresh, selected = history.compared(experiment, "confirm"), history.selected(proposal.parent)
    stopped = next(iter(history.good(experiment.runs("screen", sha=proposal.sha), "screen", outcome="stopped")), None)
    return Evidence(
        champion=tuple(m.value for m in pool),
        screen=screens[-1].value if screens else None,
        fresh=tuple(m.value for m in fresh),
        partners=tuple(noise.partners(pool, fresh)),
        screen_partner=noise.partners(pool, screens[-1:])[0] if screens else None,
        selecting=tuple(m.value for m in selected),
        noise=noise.NightNoise(history).of_others(proposal.parent, experiment.id),
        sign=1 if settings.direction == "min" else -1,
        proved=proved(night, experiment.id, proposal.sha),
        shorter=proposal.shorter,
        margin=settings.margin,
        spent=history.conceded,
        broken=limits.broken(settings.limits, history.reference_runs, [*screens, *fresh]) if screens else "",
        ended=stopped.reason if stopped else "",
        heading=Curves(history).predicted(stopped, proposal.parent) if stopped else None,
    )


def bounds(night: Night, experiment: Experiment) -> dict[str, Any]:
    """From which loss on the screening run need not go on, where that is known."""
    if night.settings.command or not night.settings.early_stopping:
        return {}
    found = Curves(night.history).bounds(evidence(night, experiment).threshold, experiment.id)
    return {"stop_above": found} if found else {}


def conclude(night: Night, experiment: Experiment, status: Status, step: Step) -> None:
    """Records the verdict, then moves the branch. Both are the same when done again after a kill in between."""
    decided = status in ("keep", "discard")  # a failure has no value, however well its other runs went
    runs = experiment.runs("confirm", sha=experiment.proposal.sha)
    fresh = [m for m in runs if decided and m.outcome == "ok" and m.context == night.history.context]
    value = fmean(m.value for m in fresh) if fresh else None
    sha = keep_commit(night, experiment, step, value, len(fresh)) if status == "keep" else ""
    night.record(Verdict(time.time(), experiment.id, status, step.why, value, step.delta, step.low, step.high, len(fresh), sha))
    if sha:
        sync_branch(night)
    night.observer.verdict(experiment)
