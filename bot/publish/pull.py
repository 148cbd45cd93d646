"""The one rolling pull request: opened, updated, closed, or left alone where a human said no."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from bot.action.log import LOG
from bot.errors import AutoresearchError
from bot.forge.records import Pull
from bot.history import History
from bot.publish.doors import Doors
from bot.report import pull as text
from bot.report.pull import Links

if TYPE_CHECKING:
    from bot.action.inputs import Inputs
    from bot.settings import Settings

NOTHING_LEFT = "Nothing that was kept is left on the branch: it is in the base by now, or it was taken out again. The ledger has all of it."


@dataclass(frozen=True)
class Shown:
    """What was done with the pull request: created, updated, closed or none."""

    operation: str
    pull: Pull | None = None


def marker(settings: "Settings") -> str:
    """Hidden, by which our one comment on a pull request is found again."""
    return f"<!-- autoresearch:summary:{settings.name} -->"


def show(doors: Doors, inputs: "Inputs", settings: "Settings", history: History, problems: Sequence[str], links: Links) -> Shown:
    """Brings the pull request to what the history says. ForgeError for what GitHub does not do."""
    forge, branch = doors.forge, settings.branch
    found = forge.pulls(branch)
    current = next((pull for pull in found if pull.state == "open"), None)
    if not history.stack:
        return close(doors, current, marker(settings)) if current else Shown("none")
    if not current and found and refused(found[0], history):
        LOG.warning(f"pull request #{found[0].number} was closed without merging, and nothing was kept since: none is opened")
        return Shown("none", found[0])
    base = current.base if current else history.opened.base_branch or forge.default_branch()
    draft = inputs.draft and not text.proved(history, settings)
    title, links = text.title(history, settings), replace(links, pull_number=current.number if current else None)
    body = text.body(history, problems, settings, links)
    pull = current or forge.open_pull(branch, base, title, body, draft, inputs.labels)
    if current and (current.title, current.body) != (title, body):
        pull = forge.update_pull(current.number, title, body)
    if inputs.draft and pull.draft != draft:
        forge.set_draft(pull.number, draft)
    if inputs.comment:
        comment(doors, settings, history, replace(links, pull_number=pull.number))
    return Shown("updated" if current else "created", pull)


def refused(newest: Pull, history: History) -> bool:
    """Whether a human closed the last pull request unmerged, and it would show nothing new."""
    if newest.merged or not newest.closed_at:
        return False
    closed = datetime.fromisoformat(newest.closed_at).timestamp()
    return all(e.verdict.at <= closed for e in history.stack)


def close(doors: Doors, current: Pull, mark: str) -> Shown:
    found = doors.forge.find_comment(current.number, mark)
    doors.forge.write_comment(current.number, f"{NOTHING_LEFT}\n\n{mark}", found.id if found else None)
    doors.forge.close_pull(current.number)
    return Shown("closed", current)


def comment(doors: Doors, settings: "Settings", history: History, links: Links) -> None:
    """Our one comment, written once and edited from then on."""
    mark = marker(settings)
    body, found = text.comment(history, settings, links, mark), doors.forge.find_comment(links.pull_number, mark)
    if not found or found.body != body:
        doors.forge.write_comment(links.pull_number, body, found.id if found else None)


def check(doors: Doors, settings: "Settings", history: History, problems: Sequence[str], links: Links) -> None:
    """A neutral check run on the champion with the same evidence. Without the permission for it the rest still counts."""
    try:
        title, report = text.title(history, settings), text.summary(history, problems, settings, links)
        doors.forge.check(history.champion_sha, settings.branch, title, report)
    except AutoresearchError as error:
        LOG.warning(f"the check run was not written: {error}")
