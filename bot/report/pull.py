"""The summary pull request as text: title, body, the job's summary, the comment of a night. Pure: the same input, the same bytes."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.accounts import is_given
from bot.history import History
from bot.records import Experiment
from bot.report import facts, pull_changes, pull_claim, pull_facts, pull_progress, pull_tried, reproduce
from bot.report.markdown import ESCAPED, SOURCES
from bot.report.pull_evidence import Evidence, Standing, delta
from bot.report.pull_text import CAP, TITLE, Links, cell, table, units, whole

if TYPE_CHECKING:
    from bot.settings import Settings

ROWS = ((40, 60), (40, 40), (30, 24), (24, 16), (16, 10), (12, 6), (6, 3))  # of what is in it, of each list of what is not
COMMENT_ROWS = 10
STANDING: dict[Standing, str] = {
    "proved": "proved",
    "open": "not proved yet",
    "noise": "within the noise",
    "sealed": "not on the sealed split",
    "worse": "worse",
    "silent": "no number claimed",
    "nothing": "nothing kept",
}


def proved(history: History, settings: "Settings") -> bool:
    """Whether the pull request may leave the draft: the final comparison proves the gain, and the sealed split does not take it back."""
    return Evidence(history, settings, NOWHERE).standing == "proved"


def title(history: History, settings: "Settings") -> str:
    """At most 120 characters, ASCII but for `±`: it becomes the subject of a squashed commit."""
    case = Evidence(history, settings, NOWHERE)
    found, scale, words = case.change, case.scale, STANDING[case.standing]
    if case.standing in ("nothing", "silent") or not found:
        rest = f": {words} ({history.tried} tried)"
    else:
        gain = delta(found, scale)
        rest = f": {case.metric} {scale.value(found.start)} -> {scale.value(found.now)} ({gain}, {words})".replace("−", "-")
    room = TITLE - len(rest)
    return (settings.branch if len(settings.branch) <= room else settings.branch[: room - 3] + "...") + rest


def body(history: History, problems: Sequence[str], settings: "Settings", links: Links) -> str:
    """At most 60,000 UTF-16 units for any ledger: long tables lose their middle and say so."""
    return _fit(Evidence(history, settings, links, problems), _sections)


def summary(history: History, problems: Sequence[str], settings: "Settings", links: Links) -> str:
    """The same for the summary of a job and the text of a check run, which stand alone: with the title, and a link to the pull request."""
    case = Evidence(history, settings, links, problems)
    head = [f"## {cell(title(history, settings), TITLE)}"] + [f"The pull request: [#{links.pull_number}]({links.pull})"] * bool(links.pull)
    return _fit(case, lambda case, rows: [*head, *_sections(case, rows)])


def comment(history: History, settings: "Settings", links: Links, marker: str) -> str:
    """What the newest night brought, below `marker` (a whole hidden comment), by which the bot finds it again."""
    case = Evidence(history, settings, links)
    began = history.last_opened.at if history.last_opened else 0.0
    decided = [e for e in history.experiments.values() if e.id and e.verdict and e.verdict.at >= began and not is_given(e)]
    new = [e for e in decided if e.status == "keep"]
    day = f"{datetime.fromtimestamp(began, UTC):%Y-%m-%d %H:%M} UTC"
    gone, ended = len(new) - sum(e in history.stack for e in new), history.last_stopped
    out = f" ({gone} of them taken out again)" if gone else ""
    parts = [
        f"**The night of {day}: {len(decided)} tried, {len(new)} kept{out}.**",
        cell(facts.headline(history, case.known), 400),
        pull_facts.news(case, history.closed_at),
        "\n".join(table(("Change", whole("Worth (95 %)"), "Evidence", "Commit"), new, lambda e: _kept(case, e), COMMENT_ROWS))
        if new
        else "",
        f"Ended: {cell(ended.reason, 160)}." if ended else "",
        " · ".join([f"[workflow run]({links.run_url})"] * bool(links.run_url) + _report(case)),
    ]
    return "\n\n".join([marker, *filter(None, parts)]) + "\n"


def _kept(case: Evidence, experiment: Experiment) -> list[str]:
    """A row of `pull_changes.changes`, without lines and memory."""
    change, worth, evidence, *_, commit = pull_changes.row(case, experiment)
    return [change, worth, evidence, commit]


def _report(case: Evidence) -> list[str]:
    return [f"[report]({case.links.ledger(f'{case.settings.name}/report.md')})"] if case.links.has_ledger else []


def _sections(case: Evidence, rows: tuple[int, int]) -> list[str]:
    kept, tried = rows
    return [
        pull_claim.headline(case),
        pull_changes.changes(case, kept),
        pull_changes.checks(case, kept),
        pull_progress.section(case),
        pull_tried.section(case, tried),
        pull_facts.cost(case),
        pull_facts.events(case),
        pull_facts.reproducing(case),
        pull_facts.taking(case),
        pull_facts.weaker(case),
        pull_facts.provenance(case),
        f"<sub>{ESCAPED.format(SOURCES[reproduce.is_command(case.history)])}</sub>",
    ]


def _fit(case: Evidence, sections: Callable[[Evidence, tuple[int, int]], list[str]]) -> str:
    text = ""
    for rows in ROWS:
        text = "\n\n".join(s for s in sections(case, rows) if s) + "\n"
        if units(text) <= CAP:
            break
    return text


NOWHERE = Links("", "", "")  # what needs no links
