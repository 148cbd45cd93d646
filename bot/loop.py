"""The loop. `run_loop` is the night, `run_experiment` one experiment; `Night` is what both act on.

Every step is recorded before the next begins and is decided from the record alone, so a kill at any instant loses nothing
and repeats nothing: what was measured is never measured again, what was decided is decided the same way.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from . import confirm, edit, kept, limits, noise, size, trust
from .checkpoints import Checkpoints
from .commits import keep_commit, message, restored, sync_branch
from .decide import Evidence, Step, next_step
from .early import Curves
from .errors import BaselineFailed
from .follow import Line
from .gitrepo import GitRepo
from .history import History
from .ledger import Ledger
from .live import Observer
from .measuring import measure_champion, take, watch
from .proposers import Answer, ProposalContext, Proposer
from .records import Event, Experiment, Measurement, Proposal, Rebased, Status, Verdict
from .recover import failed
from .references import References
from .settings import Settings
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
    started: float = field(default_factory=time.monotonic)
    more: int = 0  # experiments that were asked for beyond the limit
    prepared: str = ""  # the stack whose parts are known

    def __post_init__(self) -> None:
        self.tried_before = self.history.proposed

    @property
    def elapsed(self) -> float:
        """Seconds since this `run` began."""
        return time.monotonic() - self.started

    def record(self, event: Event) -> None:
        self.ledger.append(event)
        self.history.add(event)

    def hold(self, sha: str) -> str:
        """Writes a commit down before the record names it; returns it."""
        kept.hold(self.repo, self.settings, self.history, self.observer.note, sha)
        return sha

    def stop_reason(self) -> str | None:
        limit, left = self.settings.stop_after_seconds, confirm.time_for_search(self)
        if self.stop.soft:
            return f"stopped by {self.stop.soft}"
        done = self.history.proposed - self.tried_before
        if self.settings.max_experiments is not None and done >= self.settings.max_experiments + self.more:
            return f"{done} experiments done (max_experiments)"
        if limit and self.elapsed >= limit:
            return f"no new proposal after {self.settings.stop_after} (stop_after)"
        if left <= 0:
            return f"the rest of {self.settings.stop_after} (stop_after) is for confirming what was kept"
        return None


def run_loop(night: Night) -> str:
    """Runs until a limit, a signal or the proposer's end; returns the reason."""
    restore(night)
    while True:
        confirm.prepare(night)
        if not champion_runs(night):
            continue
        night.between()
        pending = night.history.pending
        if (reason := night.stop_reason()) and (night.stop.soft or not pending):
            break
        experiment = pending or propose(night)
        if not experiment:
            reason = "the proposer has nothing left to propose"
            break
        run_experiment(night, experiment)
    confirm.run(night)
    return reason


def champion_runs(night: Night) -> bool:
    """Measures the champion. False where it was carried to a new base and does not run there: then it is the base again."""
    try:
        measure_champion(night)
    except BaselineFailed as error:
        if not any(e.proposal and e.proposal.carries for e in night.history.keeps):
            raise
        reason = str(error).splitlines()[0]
        line_of(night).rebase(Rebased(time.time(), night.history.base, f"what was carried over does not run on the new base ({reason})"))
        sync_branch(night)
        return False
    return True


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
    while not (failure := failed(experiment)):
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
    conclude(night, experiment, failure.outcome, Step("discard", failure.reason))


def proved(night: Night, id: int, sha: str) -> bool:
    """Whether `sha` may count as tested for leaks. A command target has no second worker, which its report says."""
    return bool(night.settings.command or trust.proof(night.history, id, sha))


def evidence(night: Night, experiment: Experiment) -> Evidence:
    history, settings, proposal = night.history, night.settings, experiment.proposal
    pool, screens = history.pool(proposal.parent), history.compared(experiment, "screen")
    fresh, selected = history.compared(experiment, "confirm"), history.selected(proposal.parent)
    stopped = next(iter(history.good(experiment.measurements, "screen", outcome="stopped")), None)
    sign = 1 if settings.direction == "min" else -1
    return Evidence(
        champion=tuple(m.value for m in pool),
        screen=screens[-1].value if screens else None,
        fresh=tuple(m.value for m in fresh),
        partners=tuple(noise.partners(pool, fresh)),
        screen_partner=noise.partners(pool, screens[-1:])[0] if screens else None,
        selecting=tuple(m.value for m in selected),
        noise=noise.NightNoise(history).of_others(proposal.parent, experiment.id),
        sign=sign,
        proved=proved(night, experiment.id, proposal.sha),
        shorter=proposal.shorter,
        margin=settings.margin,
        spent=sum(max(0.0, sign * (e.verdict.delta or 0.0)) for e in history.stack if e.proposal and e.proposal.shorter),
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


def propose(night: Night) -> Experiment | None:
    """The next experiment, recorded with its diff and its commit before anything runs. None: nothing left to propose."""
    history, repo, parent = night.history, night.repo, night.history.champion_sha
    night.references.keep_only([parent])
    id = history.next_id
    files = {path: repo.read(parent, path) for path in night.settings.editable}
    answer = night.proposer.propose(
        ProposalContext(files, history, id, night.settings.device, night.settings.root, night.settings.direction, seed=0)
    )
    if answer is None:
        return None
    try:
        edits = edit.apply(files, answer, lambda patch: repo.apply_patch(parent, patch))
    except edit.EditRejected as error:
        return reject(night, id, answer, str(error))
    now = time.time()
    sha = repo.commit(parent, edits, message(id, answer.hypothesis), now)
    added, removed = repo.lines_changed(parent, sha)
    night.ledger.write_patch(id, repo.diff(parent, sha))
    grown = size.grown(files, edits)
    night.record(Proposal(now, id, parent, sha, answer.hypothesis, answer.source, added, removed, grown, answer.params))
    return history.experiments[id]


def reject(night: Night, id: int, answer: Answer, reason: str) -> Experiment:
    """An answer that cannot become a commit is recorded with its reason and costs no run."""
    night.ledger.write_patch(id, answer.patch or "")
    parent = night.history.champion_sha
    night.record(Proposal(time.time(), id, parent, "", answer.hypothesis, answer.source, params=answer.params, rejected=reason))
    return night.history.experiments[id]


def conclude(night: Night, experiment: Experiment, status: Status, step: Step) -> None:
    """Records the verdict, then moves the branch. Both are the same when done again after a kill in between."""
    decided = status in ("keep", "discard")  # a failure has no value, however well its other runs went
    fresh = [m for m in experiment.runs("confirm") if decided and m.outcome == "ok" and m.context == night.history.context]
    value = fmean(m.value for m in fresh) if fresh else None
    sha = keep_commit(night, experiment, step, value, len(fresh)) if status == "keep" else ""
    night.record(Verdict(time.time(), experiment.id, status, step.why, value, step.delta, step.low, step.high, len(fresh), sha))
    if sha:
        sync_branch(night)
    night.observer.verdict(experiment)
