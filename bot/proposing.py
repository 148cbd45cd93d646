"""The next change: asked for, checked, committed, recorded."""

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from . import duplicates, edit, elsewhere, migration, plateau, size
from .ahead import LOOK
from .commits import message
from .history import History
from .ledger import Ledger
from .profiling import records as profiles
from .proposers import Answer, ProposalContext, Unavailable
from .proposers.constants import Constants
from .proposers.moves import tunables
from .records import Experiment, Learned, Proposal, Switched
from .report.text import plain
from .spending import LimitReached

if TYPE_CHECKING:
    from .loop import Night

RESTED = 60.0  # seconds before a proposer that could not be reached is asked again, where nothing else can propose


def propose(night: "Night") -> Experiment | None:
    """The next experiment, recorded with its diff and its commit before anything runs. None: nothing left to propose."""
    night.references.keep_only([night.history.champion_sha])
    switch(night)
    found = migration.waiting(night)
    answer = found or think(night)
    if answer is None:
        return None
    with night.siblings.turn():
        answer = found or migration.settled(night, answer, lambda: think(night))
        return write(night, answer) if answer else None


def write(night: "Night", answer: Answer) -> Experiment:
    known = {note.text for note in night.history.learned}  # a kill may have left it there without its proposal
    for text in dict.fromkeys(answer.learned):
        if text in known:
            continue
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


def context(night: "Night") -> ProposalContext:
    history, settings = night.history, night.settings
    night.siblings.refresh()
    files = champion_files(night)
    current = {t.name: t.value for t in tunables(files, settings.device)} if night.siblings.known else {}
    return ProposalContext(
        files, history, history.next_id, settings.device, settings.root, settings.direction, seed=0, settings=settings,
        patch=night.ledger.read_patch, profile=partial(profiles.load, settings), mode=mode(history), billed=night.bill,
        beside=night.siblings.proposals(), results=night.siblings.results(current, settings.direction),
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
    here = context(night)
    if not night.proposer.slow(here):
        return night.proposer.propose(here)
    if found := night.ahead.thought:
        fits = (found.files, found.next_id) == (here.files, here.next_id)
        try:
            answer = wait(night)
        except Unavailable:
            if found.next_id == here.next_id:
                raise
            answer = None  # that was long ago
        if fits or ending(night) or answer and not outdated(night, answer):
            return answer
    ahead(night, here)
    return wait(night)


def outdated(night: "Night", answer: Answer) -> str:
    """Why an answer that was found before other experiments came, or for another champion, cannot be measured any more; else empty."""
    from .proposers import cheap

    if answer.rejected:
        return ""
    files, repo, parent = champion_files(night), night.repo, night.history.champion_sha
    try:
        edits = edit.apply(files, answer, lambda patch: repo.apply_patch(parent, patch))
        after = {**files, **edits}
        why = cheap.refusal(files, edits, night.settings) or duplicates.Seen(night.history, night.ledger.read_patch, files).refusal(
            after, repo.diff(parent, repo.commit(parent, edits, "", 0)), duplicates.moved(files, after)
        )
    except edit.EditRejected as error:
        why = str(error)
    if why:
        night.observer.note(f"what was thought of meanwhile does not fit any more ({plain(why, 200)})")
    return why


def paid(night: "Night") -> bool:
    """Whether the next answer needs no further request."""
    return bool(migration.waiting(night)) or bool(night.ahead.thought) and night.proposer.slow(context(night))


def ending(night: "Night") -> bool:
    """Whether the night is to end though an answer may be on its way, for which there is money."""
    return bool(night.stop_reason(paid=True))


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
        return night.ahead.take(champion_files(night), night.repo.merge, lambda: ending(night))
    finally:
        night.stop.preparing = False


def ahead(night: "Night", here: ProposalContext) -> None:
    """Begins to think about the next change."""
    night.ahead.begin(lambda: own(night, here), here.files, here.next_id)


def own(night: "Night", here: ProposalContext) -> ProposalContext:
    """`here` with its own copy of the record, for a thread."""
    events = Ledger(night.ledger.folder, night.ledger.path.stem).events()
    history = elsewhere.lend(History.fold(events, curves=True), here.settings)
    return replace(here, history=history, next_id=history.next_id)


def ahead_of(night: "Night") -> None:
    """The same while an experiment is measured, if there will be a next one and its proposer takes long. It is asked in the way that the
    search will go if this one is discarded."""
    here = context(night)
    if night.ahead.thought or night.last_one or not night.proposer.slow(here) or night.stop_reason():
        return
    here = replace(here, mode=plateau.coming(night.history, night.settings).mode)
    if here.mode != "stop" and night.proposer.slow(here):
        ahead(night, here)
