"""What is in the pull request: what each change is worth, why that is believed, and what the referee checked of it. Pure."""

from bot.records import Experiment
from bot.report import kept, proof, shown
from bot.report.decisions import MARKED
from bot.report.pull_evidence import Evidence
from bot.report.pull_text import cell, details, share, table, whole
from bot.report.text import Scale

HEAD = ("Change", whole("Worth (95 %)"), "Evidence", "Lines", "Memory", "Commit")
NOTE = """*Worth*: the whole stack with and without the change, on seeds that did not select it, where that was run; else all runs of the \
search, with an interval that is wider because it was selected. *Confirmed*: the evidence survives among everything that was tried. \
*Unproven*: it does not, and nothing shows either that the change is worth nothing. *Memory*: the peak, and against the base."""


def changes(case: Evidence, most: int) -> str:
    stack, known = case.history.stack, case.known
    if not stack:
        return ""
    memory = shown.peak(case.history, case.history.experiments.get(0))
    columns = [i for i in range(len(HEAD)) if HEAD[i] != "Memory" or any(shown.peak(case.history, e) for e in stack)]
    rows = table([HEAD[i] for i in columns], stack, lambda e: [row(case, e, memory)[i] for i in columns], most)
    marked = [MARKED, ""] if known.drifted.intersection(e.id for e in stack) else []
    return "\n".join(["### What is in it", "", *rows, "", *marked, whole(known.false_keeps_text()), "", f"<sub>{NOTE}</sub>"])


def row(case: Evidence, experiment: Experiment, base_memory: int = 0) -> list[str]:
    """Cells of HEAD; memory against `base_memory` bytes, if that is known."""
    proposal, label = experiment.proposal, case.known.labels.get(experiment.id)
    worth = kept.effect(label, case.scale)
    if not worth and experiment.verdict.delta is not None:
        worth = f"{case.scale.delta(experiment.verdict.delta)} when it was kept"
    peak = shown.peak(case.history, experiment)
    memory = f"{peak / 1e9:.2f} GB" + (f" ({share(peak / base_memory - 1)})" if base_memory else "") if peak else "–"
    given = f" *({cell(shown.origin(experiment), 60)})*" if shown.origin(experiment) else ""
    return [
        f"**{case.known.number(experiment)}** {idea(experiment)}{given}",
        f"{whole(worth or '–')} **{label.status}**" if label else worth,
        evidence(case, experiment),
        whole(f"+{proposal.added} −{proposal.removed}") if proposal else "–",
        whole(memory),
        case.links.commit(case.history.commit_of(experiment)),
    ]


def evidence(case: Evidence, experiment: Experiment) -> str:
    """Why its label is what it is."""
    label, hunks = case.known.labels.get(experiment.id), case.known.partly.get(experiment.id)
    out = f"; hunks {', '.join(map(str, hunks[:20]))} taken out again" if hunks else ""
    return whole(cell(kept.told(label).partition(": ")[2], 160)) + out if label else "–"


def idea(experiment: Experiment, limit: int = 140) -> str:
    return cell(shown.name(experiment), limit) or "(no words)"


def checks(case: Evidence, most: int) -> str:
    """What the referee checked of each change in the stack, beside the number."""
    found = [e for e in case.history.stack if proof.heavy(e)]
    if not found:
        return ""
    rows = table(("#", "Isolation", ">Looking ahead, at most", ">Gap on unseen text"), found, _checked, most)
    return details("What the referee checked of each change: isolation, leaks, unseen text", [*rows, "", proof.NOTE])


def _checked(experiment: Experiment) -> list[str]:
    run = proof.heavy(experiment)
    bound = "–" if run.leak_bound is None else f"{run.leak_bound:.6f} bpb" + (", **not less than its gain**" if _owes(experiment) else "")
    gap = "not measured"
    if run.audit_gap is not None:
        gap = Scale(1.0).delta(run.audit_gap) + (f" ± {run.audit_error:.4f}" if run.audit_error else "")
    return [f"{experiment.id:04d}", cell(run.isolation or "none", 20), bound, gap]


def leaks(case: Evidence) -> str:
    """Kept changes whose whole gain may be a look at the text that they are scored on."""
    found = [f"{e.id:04d}" for e in case.history.stack if _owes(e)][:20]
    if not found:
        return ""
    return (
        f"> [!WARNING]\n> **The gain of {', '.join(found)} is not larger than what looking ahead can have brought.** "
        "Read the change before you believe it."
    )


def _owes(experiment: Experiment) -> bool:
    run, gain = proof.heavy(experiment), experiment.verdict.delta
    return bool(run) and run.leak_bound is not None and gain is not None and run.leak_bound >= abs(gain)
