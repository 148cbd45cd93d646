"""Takes a kept change out of the stack because a human says so: a commit of its own on the branch, and no measurement decides it."""

import time
from typing import TYPE_CHECKING

from . import confirm
from .commits import prune_commit, sync_branch, variant_commit
from .errors import UsageError
from .measuring import measure_champion, take
from .records import HUMAN, Pruned, Variant
from .report.text import plain
from .size import grown

if TYPE_CHECKING:
    from .loop import Night


def run(night: "Night", id: int, by: str) -> str:
    """What was done, in one sentence. UsageError where it cannot be taken out."""
    history, why = night.history, f"pruned: {by} asked for it to be taken out"
    if any(prune.ids == (id,) and prune.why == why for prune in history.taken_out):
        return f"{id:04d} is taken out of the stack"
    place = next((i for i, e in enumerate(history.stack) if e.id == id), None)
    if place is None:
        kept = ", ".join(str(e.id) for e in history.stack) or "none"
        raise UsageError(f"experiment {id} is not among the changes that are kept now ({kept})")
    later = [e for e in history.stack[place:] if e.proposal]
    if later[0].proposal.source == HUMAN:
        raise UsageError(f"experiment {id} is a human's commit; revert it on the branch")
    stack = confirm.files(night, history.champion_sha)
    found = confirm.without_change(night, later, stack)
    if not found or len(found[0]) > 1:
        needed = f"together with {', '.join(map(str, found[0][1:]))}, which build on it; drop these first" if found else "by itself"
        raise UsageError(f"experiment {id} cannot be taken out {needed}")
    whole = history.champion_sha
    sha = variant_commit(night, found[0], (), found[1])
    variant = Variant(time.time(), id, whole, sha, found[0], (), grown(stack, found[1]))
    if not any(v.sha == sha for v in history.variants):
        night.record(variant)
    tried = take(night, id, "ablate", sha)
    if tried.outcome not in ("ok", "invalid"):
        raise UsageError(f"without experiment {id} the rest does not run ({tried.outcome}: {plain(tried.reason, 120)})")
    commit = prune_commit(night, variant, why, tried.at)
    night.record(Pruned(time.time(), max(e.id for e in history.keeps), whole, sha, commit, found[0], (), why))
    night.observer.note(f"{id:04d} {why}")
    sync_branch(night)
    measure_champion(night)
    return f"{id:04d} is taken out of the stack"
