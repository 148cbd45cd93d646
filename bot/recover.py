"""What a lost ledger line leaves open, settled from what the other lines and the commits say."""

import time

from .gitrepo import GitRepo
from .history import History
from .records import Experiment, Measurement, Verdict

MAX_INVALID = 3  # times the machine may be at fault in one place before the loop gives up on it


def lost_verdicts(history: History, repo: GitRepo) -> list[Verdict]:
    """Verdicts of the experiments that were decided, for later ones were proposed, but whose verdict is gone from the ledger.

    Kept, if a later proposal builds on the commit whose trailer names it. Deciding them anew could end differently: the noise
    is known better by now, and the commit would be another one."""
    newest = max((e.id for e in history.experiments.values() if e.proposal), default=0)
    open_ones = [e for e in history.experiments.values() if 0 < e.id < newest and e.proposal and not e.verdict]
    parents = {e.proposal.parent for e in history.experiments.values() if open_ones and e.proposal}
    kept = {measured: sha for sha in parents if (measured := repo.trailer(sha, "Measured-Commit"))}
    return [_verdict(e, kept.get(e.proposal.sha, "")) for e in open_ones]


def _verdict(experiment: Experiment, sha: str) -> Verdict:
    why = "the ledger lost this verdict; later experiments show that it was "
    if sha:
        return Verdict(time.time(), experiment.id, "keep", f"{why}kept", sha=sha)
    failure = failed(experiment)
    status = failure.outcome if failure else "crash" if experiment.proposal.rejected else "discard"
    return Verdict(time.time(), experiment.id, status, f"{why}not kept")


def failed(experiment: Experiment) -> Measurement | None:
    """The run that ends an experiment as crash, timeout, oom, violation or (the third time) invalid."""
    runs = experiment.runs("screen", "confirm")
    invalid = [m for m in runs if m.outcome == "invalid"]
    bad = [m for m in runs if m.outcome not in ("ok", "invalid")] + invalid[MAX_INVALID - 1 :]
    return bad[0] if bad else None
