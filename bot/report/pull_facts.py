"""The pull request's small print: cost, provenance, how to check it, how to take it, what went wrong on the way. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from shlex import quote
from typing import TypeVar

from bot.accounts import is_given
from bot.report import cost as cost_of
from bot.report import facts, machine, moves, proof, repeats, reproduce, shown, tally
from bot.report.allocation import allocation
from bot.report.pull_evidence import Evidence
from bot.report.pull_text import COMMIT, cell, code, details, table, units, word
from bot.report.text import duration, md, plural
from bot.siblings import text

T = TypeVar("T")
FREE = {"constants", "replay", "scout", "lead"}  # sources; what another worker found is in its bill
LISTED = 5  # of drifts, moves of the base and problems: the newest
LONGEST = 6000  # units of a block of commands; a longer one stays in report.md
BUDGET = re.compile(r"[0-9.]{1,10} ?(ms|s|m|h)( cpu)?")


def cost(case: Evidence) -> str:
    history, time = case.history, allocation(case.history)
    total, runs = sum(time.seconds.values()), sum(time.runs.values())
    if not runs:
        return ""
    ran = machine.opening(history)
    device = ran.machine.get("device", "") if ran else case.settings.device
    kind = "machine" if device == "cpu" or _budget(case).endswith("cpu") or device == "auto" and case.settings.command else "GPU"
    spent = f"{total / 3600:,.1f} {kind} hours" if total >= 3600 else f"{duration(total)} of {kind} time"
    lines = time.section().splitlines()[2:]
    text = f"**{spent}** in {plural(runs, 'run')}, {duration(history.wall_seconds)} by the clock. {_asked(case)}{_beside(case)}"
    return "\n\n".join(["### What it cost", text, details("Where the machine time went", lines)] if lines else ["### What it cost", text])


def _sources(case: Evidence) -> Counter[str]:
    """Who proposed what: the kind of source without what follows a colon."""
    found = (e.proposal.source.partition(":")[0] for e in case.history.experiments.values() if e.proposal and not is_given(e))
    return Counter(word(source) or "unknown" for source in found)


def _asked(case: Evidence) -> str:
    """What the proposals cost."""
    if found := cost_of.text(case.known):
        return f"{md(found)}."
    paid = sorted(set(_sources(case)) - FREE)
    if paid:
        return f"What {', '.join(paid[:5])} cost is not in the ledger."
    beside = case.history.beside
    return "Nobody was asked here." if beside and beside.requests else "Proposals cost nothing: no language model was asked."


def _beside(case: Evidence) -> str:
    """What the scouts did in the runs that ended. Their records are not here, so it is not in the numbers above."""
    found = text(case.history.beside)
    return f" Not counted in that: {md(found)}." if found else ""


def provenance(case: Evidence) -> str:
    history, links, run, opened = case.history, case.links, facts.last_run(case.history), case.history.last_opened
    rows = [("Base", links.commit(history.base) + (f" of {cell(opened.base_branch, 60)}" if opened else ""))]
    rows.append(("Branch", f"{links.commit(history.champion_sha)}, the head that was measured"))
    if run:
        rows += [(name, cell(text, 200)) for name, text in machine.rows(history)]
        digest = f"{code(run.machine, 60)}, equal in all runs that are compared" if run.machine else "not recorded"
        rows.append(("Fingerprint", digest))
        referee = f"the referee, version {code(run.metric_version, 40)}" if run.metric_version else "the target's own command"
        rows.append(("Metric", f"{case.metric}, measured by {referee}"))
        rows += [("Corpus", code(run.corpus, 80))] if run.corpus else []
        rows += repeats.row(history)
        rows.append(("Isolation", cell(proof.isolation(history), 160)))
    if opened:
        rows.append(("Budget", f"{cell(opened.budget, 20)} a run"))
        rows += [("Settings", f"sha256 {code(opened.config[:16], 20)}")] if opened.config else []
        rows += [("Brief", f"sha256 {code(opened.program[:16], 20)}")] if opened.program else []
    rows.append(("Proposers", ", ".join(f"{name} ({count})" for name, count in _sources(case).most_common(8)) or "none yet"))
    models = Counter(e.proposal.model for e in history.experiments.values() if e.proposal and e.proposal.model)
    rows += [("Models", cell(", ".join(f"{name} ({count})" for name, count in models.most_common(8)), 300))] if models else []
    rows += [("Not tried here", given)] if (given := tally.given(history)) else []
    if links.has_ledger:
        every, report = links.ledger(case.settings.name, "tree"), links.ledger(f"{case.settings.name}/report.md")
        rows.append(("Ledger", f"[every run]({every}), [report]({report})"))
    rows += [("Workflow", f"[this run]({links.run_url})")] if links.run_url else []
    lines = table(("What", "Which"), rows, lambda row: row, len(rows))
    return details("Where the numbers come from: commits, machine, metric, corpus, isolation", lines)


def reproducing(case: Evidence) -> str:
    """One command measures the claim anew; the steps of a single number are collapsed."""
    history, run = case.history, facts.last_run(case.history)
    parts = []
    if history.stack and COMMIT.fullmatch(history.base) and COMMIT.fullmatch(history.champion_sha):
        budget = f" --budget {quote(_budget(case))}" if _budget(case) else ""
        lines = ["```sh", f"autoresearch compare --name check{budget} {history.base[:12]} {history.champion_sha[:12]}", "```"]
        fetch = (
            f"In a clone, after `git fetch origin {case.links.branch}`: both commits, in turn, on the same fresh seeds. Another machine "
            "gives other numbers."
        )
        parts += [fetch, "\n".join(lines)]
    if run and COMMIT.fullmatch(run.sha) and run.split in ("val", "sealed") and _budget(case):
        lines = reproduce.section(history, case.settings).splitlines()[2:]
        parts += [details("Measure one number again, step by step", lines)] if units("\n".join(lines)) <= LONGEST else []
    return "\n\n".join(["### Check it yourself", *parts]) if parts else ""


def _budget(case: Evidence) -> str:
    opened = case.history.last_opened
    return opened.budget if opened and BUDGET.fullmatch(opened.budget) else ""


def taking(case: Evidence) -> str:
    stack = [e for e in case.history.stack if COMMIT.fullmatch(case.history.sha_of(e))]
    if len(stack) < 2:
        return ""
    label = case.known.labels
    best = max(stack, key=lambda e: abs((label[e.id].effect if label[e.id].effect is not None else e.verdict.delta) or 0.0))
    text = (
        "Merging takes all of it. Every row of the table is one commit and can be taken alone; what it is worth without the others, or "
        "on another base, has to be measured there."
    )
    pick = f"git cherry-pick {case.history.commit_of(best)[:12]}  # {best.id:04d}, the largest gain"
    return "\n".join(["### Take one change alone", "", text, "", "```sh", f"git fetch origin {quote(case.links.branch)}", pick, "```"])


def events(case: Evidence) -> str:
    """What happened to the base, the machine and the ledger: the newest few of each."""
    history = case.history
    apart = "Runs of before and after are never compared."
    lines = [
        *_newest(moves.events(history), _told),
        *_newest(history.drifts, lambda drift: f"{_day(drift.at)}: the machine drifted, {cell(drift.why, 200)}. {apart}"),
        *_newest([*case.problems, *history.oddities], lambda problem: cell(problem, 240)),
    ]
    return "\n".join(["### What happened on the way", "", *(f"- {line}" for line in lines)]) if lines else ""


def _newest(found: Sequence[T], line: Callable[[T], str]) -> list[str]:
    gone = len(found) - LISTED
    return [f"{plural(gone, 'earlier one')}: see report.md"] * (gone > 0) + [line(one) for one in found[-LISTED:]]


def _told(event: tuple[float, str]) -> str:
    return f"{_day(event[0])}: {cell(event[1], 320)}."


def news(case: Evidence, since: float) -> str:
    """What came from outside since then, and what became of the changes that were kept before; empty where nothing came."""
    found = [event for event in moves.events(case.history) if event[0] > since]
    later = [e for e in case.history.given if e.proposal.at > since and e.verdict]
    lines = [_told(event) for event in found[-LISTED:]]
    lines += [f"{case.known.number(e)} {cell(shown.name(e), 80)}: {cell(e.verdict.why, 160)}." for e in later[-LISTED:]]
    return "\n".join(f"- {line}" for line in lines)


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def weaker(case: Evidence) -> str:
    """What a command target does not promise."""
    text = reproduce.weaker(case.history)
    return text.replace("## ", "### ", 1)
