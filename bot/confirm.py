"""Before the night ends: the kept changes one by one and in pieces, then all of them against the base (the plan is `bot.stack`).

Every step follows from the ledger, so a kill loses nothing; a part that is taken out again is a commit of its own on the branch.
"""

import math
import time
from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING

from . import parts
from .commits import prune_commit, sync_branch, variant_commit
from .decide import told
from .history import History
from .measuring import champion_role, measure_champion, take, watch
from .records import HUMAN, Experiment, Pruned, Reading, Variant
from .size import grown
from .stack import Stack, Step

if TYPE_CHECKING:
    from .loop import Night


def run(night: "Night", left: Callable[["Night"], float | None] | None = None) -> None:
    """Measures until the stack is proved, or `left` (runs that may be spent; by default the night's reserve) is."""
    left = left or reserve
    while not night.stop.soft:
        prepare(night)
        stack = Stack(night.history, night.settings.margin)
        step = stack.next_step(left(night), night.checkpoints.kept())
        if step.action == "done":
            return
        act(night, stack, step)


def act(night: "Night", stack: Stack, step: Step) -> None:
    match step.action:
        case "ablate":
            take(night, step.variant.id, "ablate", step.variant.sha)
        case "champion":
            take(night, champion_role(night)[1], "champion", stack.whole)
            watch(night)
        case "final":
            take(night, 0, "final", step.side, keep=True)
        case "sealed":
            night.record(Reading(time.time(), step.run.sha, step.run.seed))
            read = night.score(step.run)
            night.record(read)
            night.checkpoints.drop(step.run.sha, step.run.seed)
            night.observer.run_finished(read)
        case "prune":
            prune(night, stack, step.variant)
            measure_champion(night)  # what selected it is not where it stands


def prepare(night: "Night") -> None:
    """Commits of the stack without each change, and without each group of hunks that stands for itself."""
    history, whole = night.history, night.history.champion_sha
    if night.prepared == whole or not history.stack:
        return
    known = {(v.ids, v.hunks) for v in history.variants if v.stack == whole}
    for ids, hunks, texts in pieces(night):
        if (ids, hunks) not in known:
            sha, more = variant_commit(night, ids, hunks, texts), grown(files(night, whole), texts)
            night.record(Variant(time.time(), id=ids[0], stack=whole, sha=sha, ids=ids, hunks=hunks, statements=more))
    final = [m for sha in (history.base, whole) for m in Stack(history).final(sha)]
    night.checkpoints.keep_only([(m.sha, m.seed) for m in final])
    night.prepared = whole


def pieces(night: "Night") -> list[tuple[tuple[int, ...], tuple[int, ...], parts.Texts]]:
    """(ids, hunks, the files without them) of everything that can be left out. All changes together are not: that is the base. Nor are
    others' commits: they are not ours to take out."""
    history, stack = night.history, files(night, night.history.champion_sha)
    keeps = [e for e in history.stack if e.proposal]
    found = []
    for place, keep in enumerate(keeps):
        if keep.proposal.source == HUMAN:
            continue
        kept, parent = files(night, history.sha_of(keep)), files(night, keep.proposal.parent)
        if (whole := without_change(night, keeps[place:], stack)) and len(whole[0]) < len(keeps):
            found.append((whole[0], (), whole[1]))
        changed = parts.hunks(parent, kept)

        def build(chosen, kept=kept):
            return parts.without(stack, kept, parts.undone(kept, chosen), night.repo.merge)

        for group in parts.groups(changed, build, stack):
            found.append(((keep.id,), tuple(i + 1 for i in group), build([changed[i] for i in group])))
    return [(ids, hunks, texts) for ids, hunks, texts in found if texts and texts != stack]


def without_change(night: "Night", later: list[Experiment], stack: parts.Texts) -> tuple[tuple[int, ...], parts.Texts] | None:
    """(ids, files) of the stack without the first of `later`, and without as few of the others as it takes to do without it."""
    first, rest = later[0], later[1:]
    for companions in [[], *([other] for other in rest), rest]:
        if any(other.proposal.source == HUMAN for other in companions):
            continue
        texts: parts.Texts | None = stack
        for keep in reversed([first, *companions]):
            kept, parent = files(night, night.history.sha_of(keep)), files(night, keep.proposal.parent)
            texts = texts and parts.without(texts, kept, parent, night.repo.merge)
        if texts and parts.lost(stack, texts) == set():
            return tuple(keep.id for keep in [first, *companions]), texts
    return None


def files(night: "Night", sha: str) -> dict[str, str]:
    return {path: night.repo.read(sha, path) for path in night.settings.editable}


def prune(night: "Night", stack: Stack, variant: Variant) -> None:
    """Takes a part out of the stack: a commit on the branch, recorded first."""
    effect, out, pool = stack.effect(variant), stack.out(variant), stack.history.pool(stack.whole)
    reference = fmean(m.value for m in pool)
    shown = told(effect, (len(pool), len(out)), reference, stack.sign)
    limit = f"the margin of {stack.margin:.4g}"
    why = f"pruned: it brings {shown}, " + (f"and being shorter is worth {limit}" if variant.shortens else f"less than {limit}")
    delta, half = stack.sign * effect.delta, effect.half()
    sha = prune_commit(night, variant, why, out[-1].at)
    night.record(
        Pruned(time.time(), max(e.id for e in night.history.keeps), stack.whole, variant.sha, sha, variant.ids, variant.hunks, why,
               delta, delta - half, delta + half)
    )  # fmt: skip
    night.observer.note(f"{variant.ids[0]:04d} {why}")
    sync_branch(night)


# What may be spent


def time_for_search(night: "Night") -> float:
    """Seconds until the rest of the night belongs to confirming: only as much as this stack needs, at most the reserve; but the final
    comparison always, without which a short night would end late or with nothing proved."""
    limit, history = night.settings.stop_after_seconds, night.history
    if limit is None:
        return math.inf
    if not history.stack:
        return limit - night.elapsed
    stack, each = Stack(history, night.settings.margin), seconds_per_run(history)
    return limit - max(stack.final_needed * each, min(stack.needed * each, night.settings.reserve_share * limit)) - night.elapsed


def reserve(night: "Night") -> float:
    """Runs that are left for confirming: what is left of the night, but no more than the reserve where it ends early, the final
    comparison apart; without a clock the reserve's share of the runs so far."""
    limit, history, share = night.settings.stop_after_seconds, night.history, night.settings.reserve_share
    runs = [m for e in history.experiments.values() for m in e.measurements]
    if limit is not None:
        each, began = max(1e-9, seconds_per_run(history)), history.last_opened.at if history.last_opened else 0.0
        spent = sum(m.role in ("ablate", "final") and m.at >= began for m in runs)
        most = max(Stack(history, night.settings.margin).final_needed, share * limit / each - spent)
        return min(max(0.0, limit - night.elapsed) / each, most)
    spent = sum(m.role in ("ablate", "final") for m in runs)
    return share / (1 - share) * (len(runs) - spent) - spent


def seconds_per_run(history: History) -> float:
    """Mean wall time of a run that counts as evidence."""
    runs = [m for sha in history.champions for m in history.pool(sha)]
    return fmean(m.seconds for m in runs) if runs else 0.0
