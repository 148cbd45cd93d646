"""What is measured and on what; where the research stands; the newest experiments and the one that runs now."""

from collections import Counter
from statistics import fmean

from bot.prompting.tokens import count
from bot.prompting.trim import fill, middle
from bot.prompting.view import View
from bot.records import Experiment
from bot.report.machine import hardware, software

NEWEST = 12  # experiments with their verdict's sentence
RUNNING = 0.5  # share of the part for the diff of what runs now


def setting(view: View) -> str:
    """What seldom changes during a research."""
    settings, history = view.context.settings, view.history
    better = "lower" if view.sign == 1 else "higher"
    metric = settings.metric if settings else history.metric
    name = "validation bits per byte" if metric == "val_bpb" else "printed by the measured command"
    lines = [f"- Metric: `{metric}`, {name}; {better} is better."]
    opened = history.last_opened
    budget = settings.budget if settings and settings.budget != "auto" else opened.budget if opened else "not known before the first run"
    lines += [f"- Budget of one run: {budget}" + (" of CPU time" if " cpu" in budget else "") + "."]
    lines += [f"- Machine: {_machine(view)}."]
    if settings and not settings.command:
        corpus = settings.corpus.partition(":")[0]
        shown = {"vocabulary": settings.vocab_size, "sequence length": settings.sequence_length, "corpus": corpus}
        lines += [f"- {', '.join(f'{name} {value}' for name, value in shown.items() if value != 'auto')}."]
    if settings and settings.limits:
        bounds = ", ".join(f"{view.quoter.line(name, 60)} {view.quoter.line(bound, 30)}" for name, bound in sorted(settings.limits.items()))
        lines += [f"- Limits that a kept change must respect (a share is of the baseline's): {bounds}."]
    return "\n".join(lines)


def _machine(view: View) -> str:
    known = view.history.last_opened.machine if view.history.last_opened else {}
    text = "; ".join(filter(None, (hardware(known), software(known)))) if known else ""
    return view.quoter.line(text, 240) if text else f"device {view.quoter.line(view.context.device, 20)}"


def standing(view: View) -> str:
    """Champion, noise and what a gain must exceed, counts."""
    history, settings = view.history, view.context.settings
    if not history.begun:
        return "- Nothing has been measured yet: the first runs will be of the files as they are."
    runs = len(history.champion_runs(history.champion_sha, history.context))
    how = f"mean of {runs} runs" if runs else "as it was kept"
    best = "not measured yet" if history.best is None else f"{history.best:.6g} ({how})"
    base = [m.value for m in history.reference_runs]
    lines = [f"- Champion: {best}" + (f"; base: {fmean(base):.6g} ({len(base)} runs)." if base else ".")]
    noise = f"{view.sigma:.2g}" if view.sigma else "not known yet"
    margin = settings.margin if settings and settings.margin is not None else view.sigma
    lines += [f"- Noise: one run's standard deviation is {noise}. Two means count as equal within {margin:.2g}."]
    counts = Counter("rejected before running" if e.proposal.rejected else e.status for e in view.tried)
    told = ", ".join(f"{times:,} {status}" for status, times in sorted(counts.items()))
    return "\n".join([*lines, f"- Experiments so far: {told or 'none'}."])


def newest(view: View, tokens: int) -> str:
    """What is measured now, with its diff, for it must not be proposed again; then the newest verdicts."""
    running = view.history.pending
    lines = _running(view, running, int(tokens * RUNNING)) if running else []
    room = tokens - sum(count(line + "\n") for line in lines)
    last = view.tried[: -NEWEST - 1 : -1]
    return "\n".join([*lines, *fill((_row(view, e) for e in last), room, lambda n: f"({n:,} left out)", len(last))])


def _running(view: View, experiment: Experiment, tokens: int) -> list[str]:
    head = f"#{experiment.id} is being measured now, outcome open: {view.idea(experiment)}"
    diff = middle(view.diff(experiment.id), max(0, tokens - count(head)), "of the diff")
    return [head, diff] if diff else [head]


def _row(view: View, experiment: Experiment) -> str:
    verdict = experiment.verdict
    effect = "" if verdict.delta is None else f" {view.number(verdict.delta)}"
    return f"#{experiment.id} {experiment.status}{effect}; {view.idea(experiment, 140)}; why: {view.quoter.line(verdict.why, 140)}"
