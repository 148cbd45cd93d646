"""The commits of the loop: what is measured, and what is kept. The same arguments give the same sha, also after a kill."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import trust
from .decide import Step, signed
from .marks import Marks
from .records import Experiment, Proposal, Variant

if TYPE_CHECKING:
    from .loop import Night


def restored(night: "Night", proposal: Proposal) -> bool:
    """Whether the measured commit is there; made again from its patch, with the same sha, if git has pruned it since."""
    if night.repo.resolve(proposal.sha):
        return True
    try:
        edits = night.repo.apply_patch(proposal.parent, night.ledger.read_patch(proposal.id))
    except ValueError:
        return False
    return night.repo.commit(proposal.parent, edits, message(proposal.id, proposal.hypothesis), proposal.at) == proposal.sha


def message(id: int, hypothesis: str) -> str:
    return f"experiment {id:04d}: {hypothesis}\n"


def keep_commit(night: "Night", experiment: Experiment, step: Step, value: float, seeds: int) -> str:
    """The kept change as a commit whose trailers carry the evidence; dated by its last run, so that it is the same after a kill."""
    proposal = experiment.proposal
    last = [m for m in experiment.measurements if m.sha in (proposal.sha, proposal.parent)][-1]
    proof = trust.proof(night.history, experiment.id, proposal.sha)
    metric = "-".join(word.capitalize() for word in night.settings.metric.replace("-", "_").split("_"))
    trailers = {
        metric: f"{signed(value, value).removeprefix('+')} ({signed(step.delta, value)})",
        "Interval": f"{signed(step.low, value)} .. {signed(step.high, value)} (95 %)",
        "Seeds": seeds,
        "Experiment": f"{experiment.id:04d}",
        "Measured-Commit": proposal.sha,
        "Metric-Version": last.metric_version,
        "Machine": last.machine,
        "Isolation": ", ".join(dict.fromkeys(m.isolation for m in experiment.runs("screen", "confirm") if m.isolation)),
        "Leak-Bound": proof and proof.leak_bound is not None and f"{proof.leak_bound:.6f} bpb",
    }
    body = "\n".join(f"{key}: {text}" for key, text in trailers.items() if text)
    text = f"{subject(proposal.hypothesis)}\n\n{step.why}\n\n{body}\n"
    return night.hold(night.repo.commit_tree(night.repo.tree_of(proposal.sha), proposal.parent, text, last.at))


def variant_commit(night: "Night", ids: tuple[int, ...], hunks: tuple[int, ...], texts: Mapping[str, str]) -> str:
    """The stack without a part, to be measured; on no branch."""
    whole = night.history.champion_sha
    return night.hold(night.repo.commit(whole, texts, f"without {part(ids, hunks)}\n", night.history.moved_at))


def prune_commit(night: "Night", variant: Variant, why: str, at: float) -> str:
    """A part taken out of the stack again, with the evidence; dated by the last run behind it."""
    names = ", ".join(f"{id:04d} {subject(night.history.experiments[id].proposal.hypothesis)}" for id in variant.ids)
    trailers = {"Prunes": part(variant.ids, variant.hunks), "Measured-Variant": variant.sha}
    body = "\n".join(f"{key}: {text}" for key, text in trailers.items())
    text = f"{subject(f'take out {names}')}\n\n{why}\n\n{body}\n"
    return night.hold(night.repo.commit_tree(night.repo.tree_of(variant.sha), variant.stack, text, at))


def sync_branch(night: "Night") -> None:
    """Brings the branch to the champion that the ledger names; a branch that someone else moved is an error, never overwritten."""
    history, repo, branch, marks = night.history, night.repo, night.settings.branch, Marks(night.repo, night.settings)
    tip, sha, pending = repo.resolve(f"refs/heads/{branch}"), history.champion_sha, history.pending
    if tip == sha:
        return marks.leave(sha)
    if tip and pending and repo.resolve(f"{tip}^") == sha and repo.tree_of(tip) == repo.tree_of(pending.proposal.sha):
        return  # kept already, but the verdict's line was lost: the same evidence decides the same way again
    ours = tip in history.trail and marks.left not in history.after(tip)  # else people moved it back meanwhile
    repo.move_branch(branch, sha, tip if not tip or ours else sha)
    marks.leave(sha)


def part(ids: tuple[int, ...], hunks: tuple[int, ...]) -> str:
    """`0007`, `0007 hunks 1 2`, `0007 0009`: as people and trailers name a part of the stack."""
    return " ".join([*(f"{id:04d}" for id in ids), *(["hunks", *map(str, hunks)] if hunks else [])])


def subject(hypothesis: str) -> str:
    line = " ".join(hypothesis.split()) or "experiment"
    return line if len(line) <= 72 else line[:71] + "…"
