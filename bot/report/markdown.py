"""report.md: the night as one would show it to a colleague."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import TYPE_CHECKING

from bot import siblings
from bot.accounts import is_given
from bot.history import History
from bot.records import Experiment, Measurement
from bot.report import cost, facts, kept, machine, moves, proof, repeats, reproduce, shown, tally
from bot.report.allocation import FAILURES, Allocation, allocation, spent
from bot.report.decisions import MARKED, Decisions
from bot.report.text import Scale, fence, md, plural

if TYPE_CHECKING:
    from bot.settings import Settings

ESCAPED = "Candidate text is escaped; numbers come from {}."
SOURCES = {False: "the referee, never from a candidate's output", True: "the target's own command"}
LISTED = 200  # per group: the ledger has all of them


def render(history: History, problems: Sequence[str] = (), settings: "Settings | None" = None, picture: str = "progress.png") -> str:
    name = history.opened.branch if history.opened else "autoresearch"
    known, time = Decisions(history), allocation(history)
    sections = [
        f"# {md(name)}",
        f"**{md(facts.headline(history, known))}**",
        md(facts.sealed(known, proof.sealed_reads(history))),
        proof.warning(history),
        repeats.warning(history),
        f"![Every experiment and the champion's {md(history.metric)}]({picture})" if history.experiments else "",
        _glance(known, time, siblings.text(siblings.beside(settings)) if settings else ""),
        kept.section(known),
        proof.section(history),
        kept.drifts(known),
        moves.section(history),
        _rejected(known),
        _failed(known),
        time.section(),
        _problems(history, problems),
        reproduce.section(history, settings),
        reproduce.taking(known),
        reproduce.weaker(history),
        f"<sub>{ESCAPED.format(SOURCES[reproduce.is_command(history)])}</sub>",
    ]
    return "\n\n".join(s for s in sections if s) + "\n"


def _glance(known: Decisions, time: Allocation, beside: str) -> str:
    history = known.history
    run, opened = facts.last_run(history), history.last_opened
    rows = [("Experiments", tally.tried(history))]
    rows += [("Not tried here", given)] if (given := tally.given(history)) else []
    rows += [("Early stopping", time.stopping)] if time.stopped else []
    rows.append(("Time", spent(history).text()))
    rows += [("Beside", beside)] if beside else []
    rows += [("Proposals", md(asked))] if (asked := cost.text(known)) else []
    if start := facts.baseline(history):
        scale, sd = Scale(fmean(start)), facts.noise(history)
        noise = f", noise sd {scale.value(sd)} between seeds" if sd is not None else ""
        rows.append(("Baseline", f"{scale.value(fmean(start))} {md(history.metric)} ({plural(len(start), 'seed')}{noise})"))
    if opened:
        goal = "lower is better" if history.direction == "min" else "higher is better"
        version = f", version {md(run.metric_version)}" if run and run.metric_version else ""
        rows.append(("Metric", f"{md(history.metric)}, {goal}{version}"))
        rows.append(("Budget", f"{md(opened.budget)} a run, proposer {md(opened.proposer)}"))
    if run:
        rows += [(name, md(text)) for name, text in machine.rows(history)]
        rows.append(("Fingerprint", md(run.machine) or "not recorded"))
        rows += [("Corpus", md(run.corpus))] if run.corpus else []
        rows += repeats.row(history)
        rows.append(("Isolation", md(proof.isolation(history))))
        rows += [("Sealed split", f"read {plural(proof.sealed_reads(history), 'time')}")] if run.metric_version else []
    if history.last_stopped:
        ended = datetime.fromtimestamp(history.last_stopped.at, UTC)
        rows.append(("Ended", f"{md(history.last_stopped.reason)}, {ended:%Y-%m-%d %H:%M} UTC"))
    return "\n".join(["## At a glance", "", "| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows)])


def _rejected(known: Decisions) -> str:
    history = known.history
    found = [e for e in history.experiments.values() if e.status == "discard" and not is_given(e)]
    if not found:
        return ""
    rows = ["| # | Change | Value | Why |", "|---|---|---|---|"]
    context = facts.shown_context(history)
    for experiment in found[-LISTED:]:
        value = _value(shown.value(history, experiment, context), history.older(experiment))
        rows.append(f"| {known.number(experiment)} | {_idea(experiment)} | {value} | {md(experiment.verdict.why, 200)} |")
    rows += ["", MARKED] if known.drifted.intersection(e.id for e in found) else []
    return "\n".join(["## What did not work", "", *_details("discard", len(found), rows)])


def _value(found: shown.Shown, older: bool) -> str:
    """A value that was measured before the base moved has no place beside those of this base, but is told."""
    notes = ["one run"] * (found.value is not None and not found.fresh) + [shown.OLDER] * older
    return Scale(found.value).value(found.value) + (f" ({', '.join(notes)})" if notes else "")


def _failed(known: Decisions) -> str:
    history = known.history
    out: list[str] = []
    for status in FAILURES:
        found = [e for e in history.experiments.values() if e.status == status]
        if not found:
            continue
        rows = ["| # | Change | Why | Last line |", "|---|---|---|---|"]
        for experiment in found[-LISTED:]:
            run = shown.failure(experiment)
            last = next((line for line in reversed(run.log_tail.splitlines()) if line.strip()), "") if run else ""
            why = experiment.verdict.why or (run.reason if run else "")
            rows.append(f"| {known.number(experiment)} | {_idea(experiment)} | {md(why, 160)} | {md(last, 160) or '–'} |")
        rows += _newest_failure([run for e in found if (run := shown.failure(e))])
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
    return md(shown.name(experiment), 160)


def _problems(history: History, problems: Sequence[str]) -> str:
    found = [*problems, *history.oddities]
    if not found:
        return ""
    more = [f"- and {len(found) - LISTED} more"] if len(found) > LISTED else []
    return "\n".join(["## Recovered from", "", *(f"- {md(p, 240)}" for p in found[:LISTED]), *more])
