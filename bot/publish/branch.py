"""The code branch `autoresearch/<name>`: pushed with a lease, and never over anything that we did not put there.

With it goes a log of what was pushed (`bot.marks`), so that every clone knows whether people moved the branch since.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.errors import AutoresearchError
from bot.gitobjects import Objects
from bot.gitrepo import GitRepo
from bot.history import History
from bot.marks import Marks
from bot.publish.vet import check_branch
from bot.remote import Remote, RemoteError
from bot.written import Written

if TYPE_CHECKING:
    from bot.settings import Settings

ROUNDS = 3  # times that the remote's branch may move under our hands


@dataclass(frozen=True)
class Pushed:
    """`pushed`; `same`: it was there already; `nothing`: no change is kept; `foreign`: the remote's branch is where we did not put it.

    `sha` is the champion, `remote_sha` what the remote had before. `foreign`: its commits that are not ours, the oldest first; none where
    someone only moved the branch back."""

    status: Literal["pushed", "same", "nothing", "foreign"]
    sha: str
    remote_sha: str | None = None
    foreign: tuple[str, ...] = ()


def remote_tip(remote: Remote, repo: GitRepo, settings: "Settings", patience: float = 0.0) -> str | None:
    """Where the remote's branch is, its commits fetched, and its log with it (`bot.marks`); None where there is none."""
    marks = Marks(repo, settings)
    found = remote.refs(f"refs/*autoresearch/*{settings.name}", patience)
    here = {f"refs/heads/{settings.branch}": marks.there_ref, marks.ref: marks.ref}
    if wanted := {theirs: ours for theirs, ours in here.items() if theirs in found and not repo.resolve(found[theirs])}:
        remote.fetch(wanted, patience)
    for theirs in here.keys() - wanted:
        marks.take(here[theirs], found.get(theirs))
    return marks.there


def base_tip(remote: Remote, marks: Marks, name: str, patience: float = 0.0) -> str | None:
    """Where the remote's base branch is, fetched: it may have moved since the checkout. None where no branch has that name."""
    ref = f"refs/heads/{name}"
    if not name or not remote.refs(ref, patience):
        return None
    remote.fetch({ref: marks.base_ref}, patience)
    return marks.repo.resolve(marks.base_ref)


def known_there(repo: GitRepo, settings: "Settings", there: str | None) -> list[str]:
    """Commits with all below them that the remote has: its branch, and what was pushed to it before."""
    return [sha for sha in (there, Marks(repo, settings).log) if sha]


def bring_branch(remote: Remote, repo: GitRepo, settings: "Settings", history: History, patience: float = 0.0) -> None:
    """What others made of the remote's branch, on to ours, for `bot.follow` to read. AutoresearchError where people changed both."""
    tip, marks, local = remote_tip(remote, repo, settings, patience), Marks(repo, settings), repo.resolve(f"refs/heads/{settings.branch}")
    if not tip or tip == local:
        return
    moved_on = marks.since(history, tip) if tip in history.trail else None
    if not moved_on and (tip in history.trail or local and repo.ancestor(tip, local)):
        return  # we have all of it, if not on the branch yet
    written = Written(repo)
    known = [tip, *history.trail, *filter(None, [marks.brought])]
    if local and not all(map(written.bot, written.unknown(local, known))):
        raise AutoresearchError(f"{settings.branch} was changed here and on the remote ({local[:12]}, {tip[:12]}); put the two together")
    if moved_on:
        marks.leave(moved_on)
    base_tip(remote, marks, history.opened.base_branch if history.opened else "", patience)
    marks.take(marks.brought_ref, tip)
    repo.move_branch(settings.branch, tip, local)


def push_code(remote: Remote, repo: GitRepo, settings: "Settings", history: History, patience: float = 0.0) -> Pushed:
    """Brings the remote's branch to the champion.

    AutoresearchError for commits that may not be pushed (`check_branch`), RemoteError for a remote that does not take them."""
    for round in range(ROUNDS):
        there = remote_tip(remote, repo, settings, patience)
        try:
            return _push(remote, repo, settings, history, there, patience)
        except RemoteError as error:
            if error.kind != "moved" or round == ROUNDS - 1:
                raise
    raise AssertionError("unreachable")


def _push(remote: Remote, repo: GitRepo, settings: "Settings", history: History, there: str | None, patience: float) -> Pushed:
    head, marks = history.champion_sha, Marks(repo, settings)
    intent = f"refs/autoresearch/pushing/{settings.name}"
    ours = [repo.resolve(marks.pushed_ref), repo.resolve(intent)]
    if there and there != head and not is_ours(there, history, marks, ours):
        return Pushed("foreign", head, there, foreign(repo, history, head, there, ours))
    if there and (there == head or head == history.base):
        _note(remote, marks, there, patience)
    if there != head and head == history.base:  # pushing the base itself would make an open pull request look merged
        return Pushed("nothing", head, there)
    known = [*known_there(repo, settings, there), *Objects(repo).commits(history.brought)]
    check_branch(repo, settings, history.base, head, known)
    if there != head:
        repo._git("update-ref", intent, head)  # before the push: a kill after it, and the remote is where we said
        _together(remote, marks, head, f"refs/heads/{settings.branch}", there, patience)
    repo._git("update-ref", marks.pushed_ref, head)
    repo._try("update-ref", "-d", intent)
    return Pushed("same" if there == head else "pushed", head, there)


def _together(remote: Remote, marks: Marks, head: str, branch: str, there: str | None, patience: float) -> None:
    """The branch and its log. A server that takes no such log gets the branch alone."""
    entry = marks.entry(head)
    try:
        remote.push(head, branch, there, patience, {marks.ref: (entry, marks.log)})
    except RemoteError as error:
        if error.kind not in ("refused", "other"):
            raise
        return remote.push(head, branch, there, patience)
    return marks.take(marks.ref, entry)


def _note(remote: Remote, marks: Marks, there: str, patience: float) -> None:
    """Writes down that the record has what others put there."""
    if marks.last == there:
        return
    entry = marks.entry(there)
    try:
        remote.push(entry, marks.ref, marks.log, patience)
    except RemoteError as error:
        if error.kind not in ("refused", "other"):
            raise
        return
    marks.take(marks.ref, entry)


def is_ours(there: str, history: History, marks: Marks, ours: list[str | None]) -> bool:
    """Whether nobody else put the remote's branch at `there`: it is where the record says that it was, and people did not move it back.
    `ours`: what this clone pushed last or was about to push, of which the record may have lost the line."""
    if there in history.trail:
        return not marks.since(history, there)
    return there in ours and marks.last in (None, *ours)


def foreign(repo: GitRepo, history: History, head: str, there: str, ours: list[str | None]) -> tuple[str, ...]:
    known = {head, history.base, *history.trail, *filter(None, ours)} - {there}
    return tuple(Written(repo).unknown(there, known))
