"""The report on the kept changes: what each is worth, how sure that is, and what a drift leaves in doubt."""

from datetime import UTC, datetime
from statistics import fmean

from bot.records import Experiment
from bot.report import facts, shown
from bot.report.decisions import MARK, MARKED, Decisions
from bot.report.text import Scale, md, plain
from bot.worth import Label

HEAD = "| # | Change | Δ (95 % interval) | Seeds | Re-measured | Effect (95 %) | Status | Lines | Commit |"
NOTE = """Δ is against the champion of that moment, on fresh seeds; the screening run never counts. A value that won is on average a \
little too good. *Re-measured* is the same commit on seeds drawn after it was kept: it carries no such luck. *Effect* is what the \
change is worth: to the final stack, where that was run without it; else by all runs of the search, with an interval that is wider \
because it was selected. *Confirmed*: the evidence survives among everything that was tried. *Unproven*: it does not, and nothing \
shows either that the change is worth nothing. *Pruned*: it was taken out again."""


def section(known: Decisions) -> str:
    history = known.history
    if not history.listed:
        return ""
    rows = [HEAD, "|---" * (HEAD.count("|") - 1) + "|", *(_row(known, e) for e in history.listed)]
    marked = ["", MARKED] if known.drifted.intersection(e.id for e in history.listed) else []
    return "\n".join(["## What was kept", "", *rows, *marked, "", NOTE, "", known.false_keeps_text()])


def _row(known: Decisions, experiment: Experiment) -> str:
    history, verdict, proposal = known.history, experiment.verdict, experiment.proposal
    label = known.labels.get(experiment.id)
    again = facts.remeasured(history, experiment)
    scale = Scale(verdict.value if verdict.value is not None or not again else fmean(again))
    spread = scale.spread(verdict.low, verdict.high)
    cells = [
        known.number(experiment),
        _change(experiment),
        scale.delta(verdict.delta) + (f" ({spread})" if spread else ""),
        str(verdict.seeds or "–"),
        f"{scale.value(fmean(again))} ({len(again)})" if again else "not yet",
        effect(label, scale) or "–",
        _status(label, known.partly.get(experiment.id)),
        f"+{proposal.added} −{proposal.removed}" if proposal else "–",
        f"`{plain(history.sha_of(experiment))[:7]}`",
    ]
    return f"| {' | '.join(cells)} |"


def _change(experiment: Experiment) -> str:
    given = md(shown.origin(experiment), 60)
    return md(shown.name(experiment), 160) + (f" ({given})" if given else "")


def effect(label: Label | None, scale: Scale) -> str:
    """`−0.0119 ± 0.0012`; empty where nothing is known."""
    if not label or label.effect is None:
        return ""
    return scale.delta(label.effect) + (f" ± {scale.value((label.high - label.low) / 2)}" if label.low is not None else "")


def told(label: Label) -> str:
    """`confirmed: 4 v 3 seeds without it, p = 0.002`."""
    return label.why if label.why.startswith(f"{label.status}:") else f"{label.status}: {label.why}"


def _status(label: Label | None, hunks: tuple[int, ...] | None) -> str:
    if not label:
        return "–"
    word, _, why = told(label).partition(":")
    return f"**{word}**: {md(why, 200)}" + (f"; hunks {', '.join(map(str, hunks))} taken out again" if hunks else "")


def drifts(known: Decisions) -> str:
    history = known.history
    if not history.drifts:
        return ""
    lines = []
    for drift in history.drifts:
        when = datetime.fromtimestamp(drift.at, UTC)
        decided = ", ".join(f"{id:04d}" for id in known.during(drift))
        lines.append(f"- {when:%Y-%m-%d %H:%M} UTC: {md(drift.why, 240)}. Decided in between: {decided or 'nothing'}.")
    note = f"Runs of before and after are never compared. {MARK} marks what was decided before a drift was noticed."
    return "\n".join(["## The machine drifted", "", *lines, "", note])
