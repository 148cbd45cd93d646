"""The loop. `run_loop` is the night, `run_experiment` one experiment; `Night` is what both act on.

Every step is recorded before the next begins and is decided from the record alone, so a kill at any instant loses nothing
and repeats nothing: what was measured is never measured again, what was decided is decided the same way.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean

from . import edit, trust
from .commits import keep_commit, message, restored
from .decide import Evidence, Step, next_step, squares
from .errors import AutoresearchError, BaselineFailed
from .gitrepo import GitRepo
from .history import History
from .ledger import Ledger
from .live import Observer
from .proposers import Answer, ProposalContext, Proposer
from .records import Event, Experiment, Measurement, Proposal, Role, Status, Verdict
from .recover import MAX_INVALID, failed, lost_verdicts
from .references import References
from .report.text import plain
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
    proposer: Proposer
    observer: Observer
    stop: Stop
    references: References
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.tried_before = self.history.tried

    def record(self, event: Event) -> None:
        self.ledger.append(event)
        self.history.add(event)

    def stop_reason(self) -> str | None:
        limit = self.settings.stop_after_seconds
        if self.stop.soft:
            return f"stopped by {self.stop.soft}"
        done = self.history.tried - self.tried_before
        if self.settings.max_experiments is not None and done >= self.settings.max_experiments:
            return f"{done} experiments done (max_experiments)"
        if limit and time.monotonic() - self.started >= limit:
            return f"no new proposal after {self.settings.stop_after} (stop_after)"
        return None


def run_loop(night: Night) -> str:
    """Runs until a limit, a signal or the proposer's end; returns the reason."""
    for verdict in lost_verdicts(night.history, night.repo):
        night.record(verdict)
    sync_branch(night)
    while True:
        measure_champion(night)
        pending = night.history.pending
        if (reason := night.stop_reason()) and (night.stop.soft or not pending):
            return reason
        experiment = pending or propose(night)
        if not experiment:
            return "the proposer has nothing left to propose"
        run_experiment(night, experiment)


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
        sha = proposal.parent if step.action == "champion" else proposal.sha
        take(night, experiment.id, step.action, sha)
    conclude(night, experiment, failure.outcome, Step("discard", failure.reason))


def measure_champion(night: Night) -> None:
    """Fills the champion's pool of fresh seeds: the baseline at first, again after each keep and on a changed machine or budget."""
    history = night.history
    sha = history.champion_sha
    role: Role = "champion" if history.keeps else "baseline"
    id = history.keeps[-1].id if history.keeps else 0
    while len(history.champion_runs(sha, history.context)) < night.settings.baseline_seeds:
        if night.stop.soft:
            return
        take(night, id, role, sha)
    first = history.experiments.get(0)
    if first and not first.verdict and (contexts := history.contexts(history.base)):
        runs = [m for m in history.champion_runs(history.base, contexts[-1]) if m.role == "baseline"]
        mean = fmean(m.value for m in runs)
        night.record(Verdict(time.time(), 0, "baseline", f"mean of {len(runs)} seeds", value=mean, seeds=len(runs), sha=history.base))
        night.observer.verdict(first)


def take(night: Night, id: int, role: Role, sha: str) -> Measurement:
    """One measurement, recorded. A champion that fails ends the night: there is nothing to compare with."""
    known = night.history.experiments.get(id)
    earlier = known.runs(role) if known else []
    index = max((m.index for m in earlier), default=-1) + 1  # not their count: a line may be lost, and its seed is used up
    # An invalid run is repeated with its own seed: whoever could end a run as invalid would otherwise draw again until it likes the draw.
    seed = seed_for(night.settings.name, id, role, index - sum(m.outcome == "invalid" for m in earlier))
    night.observer.run_started(role, index, seed)
    champion = known.proposal.parent if known and known.proposal and not known.verdict else night.history.champion_sha
    dose = "light" if role == "screen" else "heavy"  # all that counts as evidence; a candidate can work out its role from its seed
    measurement = night.measure(id=id, role=role, index=index, sha=sha, seed=seed, dose=dose, champion=champion)
    others = night.history.champion_runs(champion, measurement.context)
    measurement = trust.clean(measurement, night.history.runs_of(sha, id), others, night.settings.limit.clock)
    night.record(measurement)
    night.observer.run_finished(measurement)
    if role in ("baseline", "champion") and measurement.outcome != "ok":
        reason = f"the {role} run ended as {measurement.outcome}: {plain(measurement.reason)}"
        if measurement.outcome != "invalid":
            raise BaselineFailed("\n".join([reason, *trust.told(measurement)]))
        if [m.outcome for m in [*earlier, measurement]][-MAX_INVALID:] == ["invalid"] * MAX_INVALID:
            raise AutoresearchError(f"{reason} ({MAX_INVALID} times in a row; is this machine fit to measure, and the same as before?)")
    return measurement


def proved(night: Night, id: int, sha: str) -> bool:
    """Whether `sha` may count as tested for leaks. A command target has no second worker, which its report says."""
    return bool(night.settings.command or trust.proof(night.history, id, sha))


def seed_for(name: str, id: int, role: str, index: int) -> int:
    """The harness owns the seeds: each run has its own, known before and after a kill, and never used twice."""
    return int.from_bytes(hashlib.blake2b(f"{name}/{id}/{role}/{index}".encode(), digest_size=4).digest()) & 0x7FFFFFFF


def evidence(night: Night, experiment: Experiment) -> Evidence:
    history, parent = night.history, experiment.proposal.parent
    now = [m for m in experiment.measurements if m.outcome == "ok" and m.context == history.context]
    screens = [m.value for m in now if m.role == "screen"]
    groups = [squares(tuple(m.value for m in history.champion_runs(sha, history.context))) for sha in history.champions if sha != parent]
    return Evidence(
        champion=tuple(m.value for m in history.champion_runs(parent, history.context)),
        screen=screens[0] if screens else None,
        fresh=tuple(m.value for m in now if m.role == "confirm"),
        interleaved=sum(m.role == "champion" and m.sha == parent for m in now),
        noise=(sum(g[0] for g in groups), sum(g[1] for g in groups)),
        sign=1 if night.settings.direction == "min" else -1,
        proved=proved(night, experiment.id, experiment.proposal.sha),
    )


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
    night.record(Proposal(now, id, parent, sha, answer.hypothesis, answer.source, added, removed, answer.params))
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


def sync_branch(night: Night) -> None:
    """Brings the branch to the champion that the ledger names; a branch that someone else moved is an error, never overwritten."""
    history, repo, branch = night.history, night.repo, night.settings.branch
    tip, sha, pending = repo.resolve(f"refs/heads/{branch}"), history.champion_sha, history.pending
    if tip == sha:
        return
    if tip and pending and repo.resolve(f"{tip}^") == sha and repo.tree_of(tip) == repo.tree_of(pending.proposal.sha):
        return  # kept already, but the verdict's line was lost: the same evidence decides the same way again
    repo.move_branch(branch, sha, tip if tip in (None, *history.champions) else sha)
