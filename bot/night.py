"""Opens one `run`: checks that it is safe to begin, then builds the doors. What it refuses is a UsageError; until the checks
pass nothing but the state folder is touched."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eval.sandbox import Sandbox

from .checkpoints import Checkpoints
from .context import Context, for_command, for_model
from .errors import AutoresearchError, UsageError
from .gitrepo import GitRepo
from .history import History
from .live import Observer
from .loop import Night
from .proposers import make_proposer
from .records import Opened
from .references import References
from .report import files
from .runner import Runner
from .settings import Settings
from .signals import Stop


@contextmanager
def open_night(settings: Settings, config: Path, observer: Observer, stop: Stop) -> Iterator[Night]:
    """A `Night` ready for `run_loop`, with the state folder locked against a second run. The lock dies with the process."""
    repo, state, ledger = GitRepo(settings.root), files.state(settings), files.ledger(settings)
    prepare_state(repo, state, settings)
    with exclusive(state / "lock"):
        ledger.repair()
        history = History.fold(ledger.events())
        for problem in [*ledger.problems, *history.oddities]:
            observer.note(f"ledger: {problem}")
        base, branch = starting_point(repo, settings, history)
        scratch = state / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        observer.note("looking at the machine")
        opened = for_command(settings, repo, base, state) if settings.command else for_model(settings, base, state, observer)
        settings, context = opened
        observer.note(isolation_note(context.sandbox))
        references = References(state / "bits" / settings.name, repo, context.digest)
        checkpoints = Checkpoints(state / "checkpoints" / settings.name)
        runner = Runner(settings, repo, context, scratch, observer, stop, references, checkpoints)
        proposer = make_proposer(settings)
        night = Night(
            settings, repo, ledger, history, runner.measure, runner.score, proposer, observer, stop, references, checkpoints
        )  # fmt: skip
        night.record(opening(settings, context, config, base, branch))
        try:
            yield night
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def isolation_note(sandbox: Sandbox) -> str:
    if sandbox.level == "none":
        why = f" ({sandbox.note})" if sandbox.note else ""
        return f"WARNING: no sandbox{why}: candidates can read what your user can read and use the network; see `autoresearch doctor`"
    return f"isolation: {sandbox.level}" + (f" ({sandbox.note})" if sandbox.note else "")


def prepare_state(repo: GitRepo, state: Path, settings: Settings) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"state_dir: cannot create {state}: {error.strerror}") from error
    if not os.access(state, os.W_OK):
        raise UsageError(f"state_dir: no permission to write to {state}; make it writable or set `state_dir:`")
    if not settings.state_dir.is_absolute():
        repo.ignore(str(settings.state_dir))


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
            f"branch {settings.branch} exists already and this ledger did not make it; choose another `name:`, or delete it: "
            f"git branch -D {settings.branch}"
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
    for field in ("metric", "direction") if history.opened else ():
        now, then = getattr(settings, field), getattr(history.opened, field)
        if now != then:
            raise UsageError(f"{field}: this research began with {then!r}, not {now!r}; choose another `name:` for a new one")
    for sha in (history.base, history.champion_sha):
        if not repo.resolve(sha):
            raise UsageError(f"commit {sha[:12]} of the ledger is not in this repository; fetch it, or choose another `name:`")
    check_files(repo, settings, history.champion_sha)
    pending = history.pending and repo.resolve(history.pending.proposal.sha or history.base)
    for sha in filter(None, (history.champion_sha, pending)):
        if gone := sorted(repo.changed(history.base, sha) - {*settings.editable}):
            raise UsageError(f"editable: this research has changed {', '.join(gone)}; keep it in the list, or choose another `name:`")
    return history.base


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            text = f"another run is using {path.parent}; wait for it or stop it (`autoresearch status` shows it)"
            raise AutoresearchError(text) from error
        yield


def opening(settings: Settings, context: Context, config: Path, base: str, branch: str) -> Opened:
    digests = [hashlib.sha256(p.read_bytes()).hexdigest()[:16] if p.exists() else "" for p in (config, settings.root / settings.program)]
    return Opened(
        at=time.time(), branch=settings.branch, base=base, base_branch=branch, metric=settings.metric, direction=settings.direction,
        budget=settings.budget, context=context.digest, proposer=settings.proposer, config=digests[0], program=digests[1],
    )  # fmt: skip
