"""report.md: the night as one would show it to a colleague."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import TYPE_CHECKING

from bot.history import History
from bot.records import Experiment, Measurement
from bot.report import facts, proof, reproduce
from bot.report.text import Scale, fence, md, plain

if TYPE_CHECKING:
    from bot.settings import Settings

ESCAPED = "Candidate text is escaped; numbers come from {}."
SOURCES = {False: "the referee, never from a candidate's output", True: "the target's own command"}
LISTED = 200  # per group: the ledger has all of them


def render(history: History, problems: Sequence[str] = (), settings: "Settings | None" = None, picture: str = "progress.png") -> str:
    name = history.opened.branch if history.opened else "autoresearch"
    sections = [
        f"# {md(name)}",
        f"**{md(facts.headline(history))}**",
        proof.warning(history),
        f"![Every experiment and the champion's {md(history.metric)}]({picture})" if history.experiments else "",
        _glance(history),
        _kept(history),
        proof.section(history),
        _rejected(history),
        _failed(history),
        _problems(history, problems),
        reproduce.section(history, settings),
        reproduce.taking(history),
        reproduce.weaker(history),
        f"<sub>{ESCAPED.format(SOURCES[reproduce.is_command(history)])}</sub>",
    ]
    return "\n\n".join(s for s in sections if s) + "\n"


def _glance(history: History) -> str:
    counts, run, opened = history.counts(), facts.last_run(history), history.last_opened
    rows = [("Experiments", ", ".join(f"{counts[s]} {s}" for s in facts.STATUSES if counts.get(s)) or "none yet")]
    rows.append(("Time", facts.spent(history).text()))
    if start := facts.baseline(history):
        scale, sd = Scale(fmean(start)), facts.noise(history)
        noise = f", noise sd {scale.value(sd)} between seeds" if sd is not None else ""
        rows.append(("Baseline", f"{scale.value(fmean(start))} {md(history.metric)} ({len(start)} seeds{noise})"))
    if opened:
        goal = "lower is better" if history.direction == "min" else "higher is better"
        version = f", version {md(run.metric_version)}" if run and run.metric_version else ""
        rows.append(("Metric", f"{md(history.metric)}, {goal}{version}"))
        rows.append(("Budget", f"{md(opened.budget)} a run, proposer {md(opened.proposer)}"))
    if run:
        rows.append(("Machine", md(run.machine) or "not recorded"))
        rows.append(("Corpus", md(run.corpus))) if run.corpus else None
        rows.append(("Isolation", md(proof.isolation(history))))
        rows.append(("Sealed split", f"read {proof.sealed_reads(history)} times")) if run.metric_version else None
    if history.last_stopped:
        ended = datetime.fromtimestamp(history.last_stopped.at, UTC)
        rows.append(("Ended", f"{md(history.last_stopped.reason)}, {ended:%Y-%m-%d %H:%M} UTC"))
    return "\n".join(["## At a glance", "", "| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows)])


def _kept(history: History) -> str:
    if not history.keeps:
        return ""
    rows = ["| # | Change | Δ (95 % interval) | Seeds | Re-measured | Lines | Commit |", "|---|---|---|---|---|---|---|"]
    rows += [_kept_row(history, e) for e in history.keeps]
    note = (
        "Δ is against the champion of that moment, on fresh seeds; the screening run never counts. A value that won is on average a little "
        "too good. *Re-measured* is the same commit on seeds drawn after it was kept: it carries no such luck."
    )
    return "\n".join(["## What was kept", "", *rows, "", note])


def _kept_row(history: History, experiment: Experiment) -> str:
    verdict, proposal = experiment.verdict, experiment.proposal
    again, scale = facts.remeasured(history, experiment), Scale(verdict.value)
    spread = scale.spread(verdict.low, verdict.high)
    cells = [
        f"{experiment.id:04d}",
        md(proposal.hypothesis, 160) if proposal else "(proposal lost)",
        scale.delta(verdict.delta) + (f" ({spread})" if spread else ""),
        str(verdict.seeds),
        f"{scale.value(fmean(again))} ({len(again)})" if again else "not yet",
        f"+{proposal.added} −{proposal.removed}" if proposal else "–",
        f"`{plain(history.sha_of(experiment))[:7]}`",
    ]
    return f"| {' | '.join(cells)} |"


def _rejected(history: History) -> str:
    found = [e for e in history.experiments.values() if e.status == "discard"]
    if not found:
        return ""
    rows = ["| # | Change | Value | Why |", "|---|---|---|---|"]
    context = facts.shown_context(history)
    for experiment in found[-LISTED:]:
        value, fresh = facts.shown_value(experiment, context)
        shown = Scale(value).value(value) + ("" if fresh or value is None else " (one run)")
        rows.append(f"| {experiment.id:04d} | {_idea(experiment)} | {shown} | {md(experiment.verdict.why, 200)} |")
    return "\n".join(["## What did not work", "", *_details("discard", len(found), rows)])


def _failed(history: History) -> str:
    out: list[str] = []
    for status in facts.FAILURES:
        found = [e for e in history.experiments.values() if e.status == status]
        if not found:
            continue
        rows = ["| # | Change | Why | Last line |", "|---|---|---|---|"]
        for experiment in found[-LISTED:]:
            run = facts.failure(experiment)
            last = next((line for line in reversed(run.log_tail.splitlines()) if line.strip()), "") if run else ""
            why = experiment.verdict.why or (run.reason if run else "")
            rows.append(f"| {experiment.id:04d} | {_idea(experiment)} | {md(why, 160)} | {md(last, 160) or '–'} |")
        rows += _newest_failure([run for e in found if (run := facts.failure(e))])
        out += [*_details(status, len(found), rows), ""]
    return "\n".join(["## Failures", "", *out]).rstrip() if out else ""


def _newest_failure(runs: list[Measurement]) -> list[str]:
    """The newest breach with its reproduction, and the newest log that says anything."""
    breach = next((lines for run in reversed(runs) if (lines := proof.breach(run))), [])
    tail = next((run.log_tail for run in reversed(runs) if run.log_tail), "")
    return ["", *breach] * bool(breach) + (["", "The end of the newest log:", "", fence(tail[-2000:])] if tail else [])


def _details(status: str, count: int, rows: list[str]) -> list[str]:
    kept = f", the last {LISTED} listed" if count > LISTED else ""
    return ["<details>", f"<summary>{status}: {count}{kept}</summary>", "", *rows, "", "</details>"]


def _idea(experiment: Experiment) -> str:
    return md(experiment.proposal.hypothesis, 160) if experiment.proposal else "(proposal lost)"


def _problems(history: History, problems: Sequence[str]) -> str:
    found = [*problems, *history.oddities]
    if not found:
        return ""
    more = [f"- and {len(found) - LISTED} more"] if len(found) > LISTED else []
    return "\n".join(["## Recovered from", "", *(f"- {md(p, 240)}" for p in found[:LISTED]), *more])
