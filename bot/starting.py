"""Where a research starts, or goes on: checked before anything is measured. What it refuses is a UsageError, and nothing is touched."""

from .errors import UsageError
from .gitrepo import GitRepo
from .history import History
from .records import HUMAN
from .settings import Settings


def starting_point(repo: GitRepo, settings: Settings, history: History) -> tuple[str, str]:
    """(sha, branch) the research starts from: the ledger's when it has begun, else `base`. UsageError when it is not safe to begin."""
    if where := repo.checked_out(settings.branch):
        raise UsageError(f"branch {settings.branch} is checked out in {where}; switch to another branch first, the run moves it")
    head, current = repo.head()
    ours = history.base and repo.resolve(f"refs/heads/{settings.branch}") == history.base
    if history.begun or ours:
        return resume_point(repo, settings, history), history.opened.base_branch if history.opened else current or settings.base
    if settings.base == "HEAD" and not current:
        raise UsageError("HEAD is detached, so there is no branch to start from; check one out, or name it with `base:`")
    if repo.resolve(f"refs/heads/{settings.branch}"):
        raise UsageError(
            f"branch {settings.branch} exists already and this ledger did not make it; choose another `name:`, or delete it, here and on "
            f"GitHub: git branch -D {settings.branch}"
        )
    base = repo.resolve(settings.base)
    if not base:
        raise UsageError(f"base: {settings.base!r} is not a branch, tag or commit of this repository")
    check_files(repo, settings, base)
    if base == head and (changed := repo.dirty([*settings.editable, *settings.locked])):
        raise UsageError(f"{', '.join(changed)} has uncommitted changes, which would not be measured; commit or stash them first")
    return base, current if settings.base == "HEAD" else settings.base


def check_files(repo: GitRepo, settings: Settings, base: str) -> None:
    tree = repo.tree(base)
    for path in settings.locked:  # what is not there would be missing from every measurement, in silence
        if not any(name == path or name.startswith(f"{path}/") for name in tree):
            raise UsageError(f"locked: {path} is not committed in {settings.base}; run `git add {path}` and commit it, or remove it there")
    for path in settings.editable:
        if path not in tree:
            raise UsageError(f"editable: {path} is not committed in {settings.base}; run `git add {path}` and commit it")
        if tree[path][0] not in ("100644", "100755"):
            raise UsageError(f"editable: {path} is not a plain file in {settings.base}")
        try:
            repo.read(base, path)
        except UnicodeDecodeError as error:
            raise UsageError(f"editable: {path} is not UTF-8 text") from error


def resume_point(repo: GitRepo, settings: Settings, history: History) -> str:
    """The base of a research that has begun. What its stack needs is for `check_stack`, once it has followed its base branch."""
    for field in ("metric", "direction") if history.opened else ():
        now, then = getattr(settings, field), getattr(history.opened, field)
        if now != then:
            raise UsageError(f"{field}: this research began with {then!r}, not {now!r}; choose another `name:` for a new one")
    for sha in (history.base, history.champion_sha):
        if not repo.resolve(sha):
            raise UsageError(f"commit {sha[:12]} of the ledger is not in this repository; fetch it, or choose another `name:`")
    return history.base


def check_stack(repo: GitRepo, settings: Settings, history: History) -> None:
    """Whether the champion has the files that are named now, and has changed no others. UsageError names them."""
    check_files(repo, settings, history.champion_sha)
    pending = history.pending and repo.resolve(history.pending.proposal.sha or history.base)
    theirs = [(e.proposal.parent, history.sha_of(e)) for e in history.keeps if e.proposal and e.proposal.source == HUMAN]
    allowed = {*settings.editable}.union(*(repo.changed(*commits) for commits in theirs))  # `bot.follow` has looked at these
    for sha in filter(None, (history.champion_sha, pending)):
        if gone := sorted(repo.changed(history.base, sha) - allowed):
            raise UsageError(f"editable: this research has changed {', '.join(gone)}; keep it in the list, or choose another `name:`")
