"""The code branch `autoresearch/<name>`: pushed with a lease, and never over anything that we did not put there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.gitobjects import Objects
from bot.gitrepo import GitRepo
from bot.history import History
from bot.publish.vet import check_branch
from bot.remote import Remote, RemoteError

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
    """Where the remote's branch is, its commits fetched (`refs/autoresearch/remote/<name>`); None where there is none."""
    ref = f"refs/heads/{settings.branch}"
    sha = remote.refs(ref, patience).get(ref)
    if not sha or repo.resolve(sha):
        return sha
    kept = f"refs/autoresearch/remote/{settings.name}"
    remote.fetch({ref: kept}, patience)
    return repo.resolve(kept)


def push_code(remote: Remote, repo: GitRepo, settings: "Settings", history: History, recorded: str | None, patience: float = 0.0) -> Pushed:
    """Brings the remote's branch to the champion. `recorded`: the sha that the record says we pushed last, for a clone that never did.

    AutoresearchError for commits that may not be pushed (`check_branch`), RemoteError for a remote that does not take them."""
    for round in range(ROUNDS):
        there = remote_tip(remote, repo, settings, patience)
        try:
            return _push(remote, repo, settings, history, recorded, there, patience)
        except RemoteError as error:
            if error.kind != "moved" or round == ROUNDS - 1:
                raise
    raise AssertionError("unreachable")


def _push(
    remote: Remote, repo: GitRepo, settings: "Settings", history: History, recorded: str | None, there: str | None, patience: float
) -> Pushed:
    head, objects = history.champion_sha, Objects(repo)
    last, intent = (f"refs/autoresearch/{what}/{settings.name}" for what in ("pushed", "pushing"))
    ours = [repo.resolve(last), repo.resolve(intent), recorded]
    if there and there != head and not is_ours(there, history, ours):
        return Pushed("foreign", head, there, foreign(objects, history, head, there, ours))
    if head == history.base:  # pushing the base itself would make an open pull request look merged
        return Pushed("nothing", head, there)
    check_branch(repo, settings, history.base, head, [there] if there else [])
    if there != head:
        repo._git("update-ref", intent, head)  # before the push: a kill after it, and the remote is where we said
        remote.push(head, f"refs/heads/{settings.branch}", there, patience)
    repo._git("update-ref", last, head)
    repo._try("update-ref", "-d", intent)
    return Pushed("same" if there == head else "pushed", head, there)


def is_ours(there: str, history: History, ours: list[str | None]) -> bool:
    """Whether we put the remote's branch at `there`: the last push, or a champion since. Back at an older one it was someone else."""
    if there in ours or there in history.former:
        return True
    known = max((history.champions.index(sha) for sha in ours if sha in history.champions), default=-1)
    return there in history.champions and history.champions.index(there) >= known


def foreign(objects: Objects, history: History, head: str, there: str, ours: list[str | None]) -> tuple[str, ...]:
    known = [sha for sha in {head, history.base, *history.former, *filter(None, ours)} if objects.repo.resolve(sha)]
    return tuple(sha for sha, _ in objects.parents(there, *known))
