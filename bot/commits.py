"""The commits of the loop: what is measured, and what is kept. The same arguments give the same sha, also after a kill."""

from typing import TYPE_CHECKING

from . import trust
from .decide import Step, signed
from .records import Experiment, Proposal

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
    return night.repo.commit_tree(night.repo.tree_of(proposal.sha), proposal.parent, text, last.at)


def subject(hypothesis: str) -> str:
    line = " ".join(hypothesis.split()) or "experiment"
    return line if len(line) <= 72 else line[:71] + "…"
