"""The next change: asked for, checked, committed, recorded. And one that failed in its real run, mended by who proposed it."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import duplicates, edit, elsewhere, plateau, size
from .ahead import LOOK
from .commits import message
from .history import History
from .ledger import Ledger
from .proposers import Answer, ProposalContext, Unavailable
from .proposers.constants import Constants
from .records import Experiment, Learned, Measurement, Proposal, Repaired, Switched
from .report.text import plain
from .spending import LimitReached

if TYPE_CHECKING:
    from .loop import Night

MENDED = ("crash", "oom", "timeout")  # outcomes of a real run that a repair may answer
RESTED = 60.0  # seconds before a proposer that could not be reached is asked again, where nothing else can propose


def propose(night: "Night") -> Experiment | None:
    """The next experiment, recorded with its diff and its commit before anything runs. None: nothing left to propose."""
    night.references.keep_only([night.history.champion_sha])
    switch(night)
    answer = think(night)
    if answer is None:
        return None
    for text in answer.learned:
        night.record(Learned(time.time(), night.history.next_id, text, answer.model))
    return record(night, answer)


def record(night: "Night", answer: Answer) -> Experiment:
    history, repo, parent, id = night.history, night.repo, night.history.champion_sha, night.history.next_id
    files = champion_files(night)
    try:
        if answer.rejected:
            raise edit.EditRejected(answer.rejected)
        edits = edit.apply(files, answer, lambda patch: repo.apply_patch(parent, patch))
    except edit.EditRejected as error:
        return reject(night, id, answer, str(error))
    now = time.time()
    sha = repo.commit(parent, edits, message(id, answer.hypothesis), now)
    added, removed = repo.lines_changed(parent, sha)
    night.ledger.write_patch(id, repo.diff(parent, sha))
    told = facts(answer) | seen(files, {**files, **edits})
    night.record(Proposal(now, id, parent, sha, answer.hypothesis, answer.source, added, removed, size.grown(files, edits), **told))
    return history.experiments[id]


def seen(old: dict[str, str], new: dict[str, str]) -> dict[str, Any]:
    """What repeats are recognised by."""
    return {"fingerprint": duplicates.fingerprint(new), "moved": duplicates.moved(old, new)}


def facts(answer: Answer) -> dict[str, Any]:
    return {"params": answer.params, "model": answer.model, "category": answer.category, "expected": answer.expected, "note": answer.note}


def reject(night: "Night", id: int, answer: Answer, reason: str) -> Experiment:
    """An answer that cannot become a commit is recorded with its reason and costs no run."""
    night.ledger.write_patch(id, answer.patch or "")
    parent = night.history.champion_sha
    night.record(Proposal(time.time(), id, parent, "", answer.hypothesis, answer.source, rejected=reason, **facts(answer)))
    return night.history.experiments[id]


def champion_files(night: "Night") -> dict[str, str]:
    return {path: night.repo.read(night.history.champion_sha, path) for path in night.settings.editable}


def context(night: "Night", history: History | None = None) -> ProposalContext:
    history, settings = history or night.history, night.settings
    return ProposalContext(
        champion_files(night), history, history.next_id, settings.device, settings.root, settings.direction, seed=0, settings=settings,
        patch=night.ledger.read_patch, mode=mode(history), billed=night.bill,
    )  # fmt: skip


def mode(history: History) -> str:
    return history.switches[-1].mode if history.switches else ""


def switch(night: "Night") -> None:
    """Records when the search begins to go another way."""
    now = plateau.state(night.history, night.settings)
    if now.mode != mode(night.history):
        night.record(Switched(time.time(), now.mode, now.why))
        night.observer.note(f"search: {now.mode or 'as usual'} ({now.why})")


# Thinking


def think(night: "Night") -> Answer | None:
    """The proposer's next answer. One that cannot be reached is stood in for by constants; where they have none, the night waits."""
    while True:
        try:
            return thought(night)
        except LimitReached:  # `stop_reason` finds the same
            return None
        except Unavailable as error:
            night.observer.note(f"WARNING: the proposer could not be reached ({plain(str(error), 300)}); constants are tuned meanwhile")
            answer = Constants().propose(replace(context(night), mode="constants"))
            if answer or not rest(night):
                return answer


def thought(night: "Night") -> Answer | None:
    """What was thought of meanwhile, if it fits; else a new answer."""
    if not night.proposer.slow(context(night)):
        return night.proposer.propose(context(night))
    if night.ahead.thought:
        fits = night.ahead.thought.files == champion_files(night)
        answer = wait(night)
        if answer or fits or night.stop.soft:
            return answer
    ahead(night)
    return wait(night)


def rest(night: "Night") -> bool:
    """Waits before the next try; False where the night is to end first."""
    until = time.monotonic() + RESTED
    while time.monotonic() < until and not night.stop_reason():
        time.sleep(LOOK)
    return not night.stop_reason()


def wait(night: "Night") -> Answer | None:
    """None too where the night is to end."""
    night.stop.preparing = True  # nothing is measured now: a signal ends this at once
    try:
        return night.ahead.take(champion_files(night), night.repo.merge, lambda: bool(night.stop.soft))
    finally:
        night.stop.preparing = False


def ahead(night: "Night") -> None:
    """Begins to think about the next change, in a thread that has its own copy of the record."""
    here, path, worker = context(night), night.ledger.folder, night.ledger.path.stem

    def own() -> ProposalContext:
        history = elsewhere.lend(History.fold(Ledger(path, worker).events(), curves=True), here.settings)
        return replace(here, history=history, next_id=history.next_id)

    night.ahead.begin(own, here.files)


def ahead_of(night: "Night") -> None:
    """The same while an experiment is measured, if there will be a next one and its proposer takes long."""
    if not night.ahead.thought and not night.last_one and night.proposer.slow(context(night)):
        ahead(night)


# Repair


def mend(night: "Night", experiment: Experiment, failure: Measurement) -> bool:
    """Whether the experiment goes on with another commit, because its proposer found out what was wrong."""
    repair = getattr(night.proposer, "repair", None)
    if not repair or failure.outcome not in MENDED or len(experiment.repairs) >= night.settings.repairs or night.stop_reason():
        return False
    proposal, repo = experiment.proposal, night.repo
    files = {path: repo.read(proposal.parent, path) for path in night.settings.editable}
    broken = {path: repo.read(proposal.sha, path) for path in night.settings.editable}
    try:
        answer = repair(replace(context(night), files=files), proposal, broken, failure)
        edits = edit.apply(files, answer, lambda patch: repo.apply_patch(proposal.parent, patch)) if answer else {}
    except (Unavailable, LimitReached, edit.EditRejected) as error:
        night.observer.note(f"{experiment.id:04d} could not be mended: {plain(str(error), 200)}")
        return False
    if not edits or {**files, **edits} == broken:
        return False
    sha = repo.commit(proposal.parent, edits, message(proposal.id, proposal.hypothesis), proposal.at)
    added, removed = repo.lines_changed(proposal.parent, sha)
    night.ledger.write_patch(proposal.id, repo.diff(proposal.parent, sha))
    whole, why = {**files, **edits}, f"{failure.outcome}: {plain(failure.reason, 200)}"
    night.record(Repaired(time.time(), proposal.id, sha, why, added, removed, size.grown(files, edits), **seen(files, whole)))
    night.observer.note(f"{experiment.id:04d} mended after it ended as {why}")
    return True
