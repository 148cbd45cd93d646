"""A change that failed in its real run, mended by who proposed it: the experiment goes on with another commit."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from . import edit, size
from .ahead import Thought
from .commits import message
from .proposers import Answer, Unavailable
from .proposing import context, ending, own, seen
from .records import Experiment, Measurement, Proposal, Repaired
from .report.text import plain
from .spending import LimitReached

if TYPE_CHECKING:
    from .loop import Night

MENDED = ("crash", "oom", "timeout")  # outcomes of a real run that a repair may answer


def mendable(night: "Night", experiment: Experiment, failure: Measurement) -> bool:
    """Whether its proposer may be asked what was wrong."""
    tries = night.settings.repairs if hasattr(night.proposer, "repair") else 0
    return failure.outcome in MENDED and len(experiment.repairs) < tries


def mend(night: "Night", experiment: Experiment, failure: Measurement) -> bool:
    """Whether the experiment goes on with another commit, because its proposer found out what was wrong."""
    if not mendable(night, experiment, failure) or night.stop_reason():
        return False
    proposal, repo = experiment.proposal, night.repo
    night.ledger.write_patch(proposal.id, repo.diff(proposal.parent, proposal.sha))  # a kill may have left a repair's, not recorded
    files = {path: repo.read(proposal.parent, path) for path in night.settings.editable}
    try:
        answer = asked_to_mend(night, proposal, files, failure)
        edits = edit.apply(files, answer, lambda patch: repo.apply_patch(proposal.parent, patch)) if answer else {}
    except (Unavailable, LimitReached, edit.EditRejected) as error:
        night.observer.note(f"{experiment.id:04d} could not be mended: {plain(str(error), 200)}")
        return False
    if not edits or {**files, **edits} == {path: repo.read(proposal.sha, path) for path in files}:
        return False
    sha = repo.commit(proposal.parent, edits, message(proposal.id, proposal.hypothesis), proposal.at)
    added, removed = repo.lines_changed(proposal.parent, sha)
    night.ledger.write_patch(proposal.id, repo.diff(proposal.parent, sha))
    whole, why = {**files, **edits}, f"{failure.outcome}: {plain(failure.reason, 200)}"
    night.record(Repaired(time.time(), proposal.id, sha, why, added, removed, size.grown(files, edits), **seen(files, whole)))
    night.observer.note(f"{experiment.id:04d} mended after it ended as {why}")
    return True


def asked_to_mend(night: "Night", proposal: Proposal, files: dict[str, str], failure: Measurement) -> Answer | None:
    """The proposer's answer; None too where the night is to end first."""
    here, found = replace(context(night), files=files), Thought(files)
    broken = {path: night.repo.read(proposal.sha, path) for path in files}
    found.begin(lambda: night.proposer.repair(own(night, here), proposal, broken, failure))
    return found.answer if found.ended(lambda: ending(night)) else None
