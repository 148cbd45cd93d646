"""What a lost ledger line leaves open, settled from what the other lines and the commits say."""

import time

from .gitrepo import GitRepo
from .history import History
from .records import Experiment, Measurement, Pruned, Verdict

MAX_INVALID = 3  # times the machine may be at fault in one place before the loop gives up on it


def lost_verdicts(history: History, repo: GitRepo) -> list[Verdict]:
    """Verdicts of the experiments that were decided, for later ones were proposed, but whose verdict is gone from the ledger.

    Kept, if a later proposal builds on the commit whose trailer names it. Deciding them anew could end differently: the noise
    is known better by now, and the commit would be another one."""
    newest = max((e.id for e in history.experiments.values() if e.proposal), default=0)
    decided = (e for e in history.experiments.values() if 0 < e.id < newest and e.proposal and not e.proposal.given)
    open_ones = [e for e in decided if not e.verdict]
    parents = {e.proposal.parent for e in history.experiments.values() if open_ones and e.proposal}
    kept = {measured: sha for sha in parents if (measured := repo.trailer(sha, "Measured-Commit"))}
    return [_verdict(e, kept.get(e.proposal.sha, "")) for e in open_ones]


def lost_prunes(history: History, repo: GitRepo, branch: str) -> list[Pruned]:
    """What commits say was taken out of the stack, and the ledger does not any more."""
    newest = max((e.id for e in history.keeps), default=0)
    built_on = {e.proposal.parent: e.id - 1 for e in reversed(history.experiments.values()) if e.proposal}
    tip, champions, found = repo.resolve(f"refs/heads/{branch}"), {*history.champions, *history.former}, []
    recorded = {prune.variant for prune in history.taken_out}
    for sha, last in (built_on | ({tip: newest} if tip else {})).items():
        measured = "" if sha in champions else repo.trailer(sha, "Measured-Variant")
        variant = next((v for v in history.variants if v.sha == measured), None)
        lost = variant and variant.sha not in recorded and repo.resolve(f"{sha}^") == variant.stack  # not one that others put elsewhere
        if lost and (not repo.resolve(measured) or repo.tree_of(sha) == repo.tree_of(measured)):  # nor one that they amended
            id = max((e.id for e in history.keeps if e.id <= last), default=last)
            why = "the ledger lost this line; a commit shows that it was taken out"
            found.append(Pruned(time.time(), id, variant.stack, variant.sha, sha, variant.ids, variant.hunks, why))
    return found


def _verdict(experiment: Experiment, sha: str) -> Verdict:
    why = "the ledger lost this verdict; later experiments show that it was "
    if sha:
        return Verdict(time.time(), experiment.id, "keep", f"{why}kept", sha=sha)
    failure = failed(experiment)
    status = failure.outcome if failure else "crash" if experiment.proposal.rejected else "discard"
    return Verdict(time.time(), experiment.id, status, f"{why}not kept")


def failed(experiment: Experiment) -> Measurement | None:
    """The run that ends an experiment as crash, timeout, oom, violation or (the third time) invalid."""
    runs = experiment.runs("screen", "confirm", sha=experiment.proposal.sha if experiment.proposal else "")
    invalid = [m for m in runs if m.outcome == "invalid"]
    bad = [m for m in runs if m.outcome not in ("ok", "invalid", "stopped")] + invalid[MAX_INVALID - 1 :]
    return bad[0] if bad else None
