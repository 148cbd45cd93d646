"""What siblings on other devices kept is proposed here too, and what they tried is not.

A keep of a sibling is an ordinary proposal here: the same change of this worker's champion, measured from the first run on by this
worker's device, decided by its own record. One that touches the same lines as something that was kept here is passed over, but for
constants: those get the sibling's values, whatever theirs are here.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from . import edit
from .errors import AutoresearchError
from .fingerprints import fingerprint
from .proposers import Answer
from .proposers.source import find
from .proposers.source import replace as written
from .records import Experiment
from .report.text import plain
from .siblings import Sibling

if TYPE_CHECKING:
    from .loop import Night


def waiting(night: "Night") -> Answer | None:
    """The oldest keep of a sibling that was not tried here, as a change of the champion."""
    siblings, history = night.siblings, night.history
    siblings.refresh()
    tell(night)
    tried = {e.proposal.source for e in history.experiments.values() if e.proposal} | siblings.passed
    for source, sibling, keep in siblings.keeps():
        if source in tried:
            continue
        if edits := applied(night, sibling, keep):
            delta = f" ({keep.verdict.delta:+.4g} there)" if keep.verdict.delta is not None else ""
            note = f"{sibling.name} kept it as its experiment {keep.id}{delta}"
            told = {"category": keep.proposal.category, "expected": keep.proposal.expected}
            return Answer(keep.proposal.hypothesis, source, edits=edits, note=note, **told)
        siblings.passed.add(source)
    return None


def applied(night: "Night", sibling: Sibling, keep: Experiment) -> dict[str, str]:
    """path -> new text; empty where the champion has the change, the result was measured here already, or it does not fit any more."""
    files = {path: night.repo.read(night.history.champion_sha, path) for path in night.settings.editable}
    found = {}
    try:
        for path, ours in files.items():
            before, after = (night.repo.read(sha, path) for sha in (keep.proposal.parent, sibling.history.sha_of(keep)))
            merged = night.repo.merge(before, ours, after)
            merged = moved(before, ours, after, night.settings.device) if merged is None else merged
            if merged is None:
                raise AutoresearchError(f"it touches the same lines of {path} as what was kept here")
            found[path] = merged
    except AutoresearchError as error:
        night.observer.note(f"{sibling.name}'s experiment {keep.id} is passed over: {plain(str(error), 200)}")
        return {}
    same = fingerprint(found)
    if same == fingerprint(files) or any(e.proposal.fingerprint == same for e in night.history.experiments.values() if measured(e)):
        return {}
    return {path: text for path, text in found.items() if text != files[path]}


def moved(before: str, ours: str, after: str, device: str) -> str | None:
    """`ours` with the constants that differ between `before` and `after` as they are in `after`; None where more than those differ."""
    old, mine, new = ({constant.name: constant for constant in find(text, device)} for text in (before, ours, after))
    changed = {name: new[name].text for name in old.keys() & new.keys() if old[name].text != new[name].text}
    if written(before, {old[name]: text for name, text in changed.items()}) != after or not changed.keys() <= mine.keys():
        return None
    return written(ours, {mine[name]: text for name, text in changed.items()})


def tell(night: "Night") -> None:
    """A line for each keep of a sibling, once."""
    for source, sibling, keep in night.siblings.keeps():
        if source not in night.siblings.told:
            night.siblings.told.add(source)
            night.observer.note(f"{sibling.name} kept {plain(keep.proposal.hypothesis, 100)} ({plain(keep.verdict.why, 200)})")


def settled(night: "Night", answer: Answer, again: Callable[[], Answer | None]) -> Answer | None:
    """`answer`, if no sibling has tried the same program meanwhile. A proposer that takes no time is asked `again`, once; what is still a
    repeat is recorded as one and costs no run."""
    from . import proposing

    why = repeats(night, answer)
    if why and not night.proposer.slow(proposing.context(night)):
        answer = again()
        why = answer and repeats(night, answer)
    return replace(answer, rejected=why) if why else answer


def repeats(night: "Night", answer: Answer) -> str:
    """Which experiment of a sibling makes the same program under the same budget; empty where there is none."""
    if answer.rejected or not night.siblings.known:
        return ""
    files = {path: night.repo.read(night.history.champion_sha, path) for path in night.settings.editable}
    try:
        edits = edit.apply(files, answer, lambda patch: night.repo.apply_patch(night.history.champion_sha, patch))
    except edit.EditRejected:  # recorded as that
        return ""
    same = fingerprint({**files, **edits})
    for sibling in night.siblings.known.values():
        for e in sibling.history.experiments.values():
            if measured(e) and e.proposal.fingerprint == same and budget(sibling, e) in ("", night.settings.budget):
                return f'{sibling.name} tries the same program as its experiment {e.id}, "{plain(e.proposal.hypothesis, 100)}"'
    return ""


def measured(experiment: Experiment) -> bool:
    """Whether its program was tried, or is being tried now."""
    return bool(experiment.id and experiment.proposal and experiment.proposal.fingerprint and experiment.status != "invalid")


def budget(sibling: Sibling, experiment: Experiment) -> str:
    run = experiment.measurements[-1] if experiment.measurements else None
    opened = sibling.history.openings.get(run.context) if run else None
    return opened.budget if opened else ""
