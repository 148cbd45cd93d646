"""The one rolling pull request: opened, updated, closed, or left alone where a human said no."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.action.log import LOG
from bot.errors import AutoresearchError
from bot.forge.errors import ForgeError
from bot.forge.records import Pull
from bot.history import History
from bot.publish.doors import Doors
from bot.records import HUMAN, Experiment
from bot.remote import RemoteError
from bot.report import pull as text
from bot.report.pull import Links

if TYPE_CHECKING:
    from bot.action.inputs import Inputs
    from bot.settings import Settings

WAITING = (
    "the checks of #{number} wait until someone approves them, because it was opened with a job's own token; "
    "with a GitHub App (app-id, app-private-key) they start by themselves"
)
NOTHING_LEFT = "Nothing that was kept is left on the branch: it is in the base by now, or it was taken out again. The ledger has all of it."


@dataclass(frozen=True)
class Shown:
    """What was done with the pull request: created, updated, closed or none."""

    operation: str
    pull: Pull | None = None


def marker(settings: "Settings") -> str:
    """Hidden, by which our one comment on a pull request is found again."""
    return f"<!-- autoresearch:summary:{settings.name} -->"


def newest(doors: Doors, settings: "Settings") -> Pull | None:
    """The open pull request, else the one that was closed last."""
    found = doors.forge.pulls(settings.branch)
    return next((pull for pull in found if pull.state == "open"), found[0] if found else None)


def settled(doors: Doors, newest: Pull, history: History) -> str:
    """Why nothing is pushed and no pull request opened, in one sentence: it is merged, or a human said no, and nothing was kept since."""
    if newest.state == "open" or not history.stack:
        return ""
    if newest.merged:
        head = brought(doors, newest)
        has = head and doors.repo.ancestor(history.champion_sha, head)
        return f"pull request #{newest.number} was merged, and has all of it: the next run goes on from there" if has else ""
    if not newest.closed_at or any(first_kept(e, history) > datetime.fromisoformat(newest.closed_at).timestamp() for e in history.stack):
        return ""
    return f"pull request #{newest.number} was closed without merging, and nothing was kept since: none is opened"


def brought(doors: Doors, pull: Pull) -> str | None:
    """The commit that a pull request is at, fetched; None where that cannot be. GitHub keeps it when the branch is gone, and what people
    put on it with it."""
    repo, head = doors.repo, pull.head_sha
    if not repo.resolve(head):
        try:
            doors.remote.fetch({f"refs/pull/{pull.number}/head": "refs/autoresearch/pull"})
        except RemoteError as error:
            LOG.warning(f"commit {head[:12]} of #{pull.number} is not known here: {error}")
    return repo.resolve(head)


def heads(doors: Doors, settings: "Settings") -> list[str]:
    """Where the newest pull request's branch is or was, if that can be had."""
    try:
        last = newest(doors, settings)
    except ForgeError as error:
        LOG.warning(f"the pull request could not be looked up: {error}")
        return []
    return [*filter(None, [last and brought(doors, last)])]


def first_kept(experiment: Experiment, history: History) -> float:
    """When a change was kept, on whatever base; nothing that is a human's own commit is news to humans."""
    while experiment.proposal and experiment.proposal.carries and experiment.proposal.carries in history.experiments:
        experiment = history.experiments[experiment.proposal.carries]
    return 0.0 if experiment.proposal and experiment.proposal.source == HUMAN else experiment.verdict.at


def show(
    doors: Doors, inputs: "Inputs", settings: "Settings", history: History, problems: Sequence[str], links: Links, last: Pull | None
) -> Shown:
    """Brings the pull request to what the history says; `last`: the `newest`. ForgeError for what GitHub does not do."""
    forge, branch, current = doors.forge, settings.branch, last if last and last.state == "open" else None
    if not history.stack:
        return close(doors, current, marker(settings)) if current else Shown("none")
    base = current.base if current else history.opened.base_branch or forge.default_branch()
    draft = inputs.draft and not text.proved(history, settings)
    title, links = text.title(history, settings), replace(links, pull_number=current.number if current else None)
    body = text.body(history, problems, settings, links)
    try:
        pull = current or forge.open_pull(branch, base, title, body, draft, inputs.labels)
    except ForgeError as error:
        if error.kind == "empty":  # the base has it already
            return Shown("none")
        raise
    if not current and checked(settings.root) and forge.is_a_job:
        LOG.warning(WAITING.format(number=pull.number))
    if current and (current.title, current.body) != (title, body):
        pull = forge.update_pull(current.number, title, body)
    if inputs.draft and pull.draft != draft and not (current and said_proved(current) != draft):
        forge.set_draft(pull.number, draft)
    if inputs.comment:
        comment(doors, settings, history, replace(links, pull_number=pull.number))
    return Shown("updated" if current else "created", pull)


def checked(root: Path) -> bool:
    """Whether a workflow of the repository runs on pull requests."""
    files = [path for path in (root / ".github/workflows").glob("*.y*ml") if path.is_file()]
    return any("pull_request" in path.read_text(encoding="utf-8", errors="replace") for path in files)


def said_proved(pull: Pull) -> bool:
    """Whether it said so already: then whether it is a draft is what a human made of it."""
    return pull.title.endswith(", proved)")


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
