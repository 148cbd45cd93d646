"""Opens one `run`: checks that it is safe to begin, then builds the doors. What it refuses is a UsageError; until the checks
pass nothing but the state folder is touched."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from eval.sandbox import Sandbox

from . import cores, devices, kept, spending, split
from .caches import Caches
from .checkpoints import Checkpoints
from .context import Context, for_command, for_model
from .errors import AutoresearchError, UsageError
from .follow import Line
from .gitrepo import GitRepo
from .history import History
from .live import Observer
from .loop import Night
from .proposers import make_proposer
from .records import Opened
from .references import References
from .report import files, machine
from .runner import Runner
from .settings import Settings
from .signals import Stop
from .starting import check_stack, starting_point


@contextmanager
def open_night(settings: Settings, config: Path, observer: Observer, stop: Stop, follow: bool = False) -> Iterator[Night]:
    """A `Night` ready for `run_loop`, with the state folder locked against a second run. The lock dies with the process.

    It goes on from what others made of the research's branch; `follow`: and from where the base branch is now."""
    began = time.monotonic()
    devices.check(settings)
    repo, state, ledger = GitRepo(settings.root), files.state(settings), files.ledger(settings)
    for said in spending.check(settings):
        observer.note(said)
    prepare_state(repo, state, settings)
    with exclusive(state / "lock"), ExitStack() as held:
        ledger.repair()
        history = History.fold(ledger.events())
        for problem in [*ledger.problems, *history.oddities]:
            observer.note(f"ledger: {problem}")
        recall(repo, settings, observer)
        base, branch = starting_point(repo, settings, history)
        if history.begun:
            line = Line(settings, repo, ledger, history, observer.note)
            line.close_gaps()
            line.adopt(moving=True)
            if follow:
                line.follow_base()
            base = history.base or base
            check_stack(repo, settings, history)
        scratch = state / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        settings, context = held.enter_context(looked(settings, repo, base, state, observer, stop))
        observer.note(isolation_note(context.sandbox))
        references = References(state / "bits" / settings.name, repo, context.digest)
        checkpoints = Checkpoints(state / "checkpoints" / settings.name)
        caches = Caches(state / "compiled" / settings.name, repo, context.digest)
        runner = Runner(settings, repo, context, scratch, observer, stop, references, checkpoints, caches)
        proposer = make_proposer(settings, observer.note)
        night = Night(
            settings, repo, ledger, history, runner.measure, runner.score, proposer, observer, stop, references, checkpoints,
            started=began,
        )  # fmt: skip
        night.record(opening(settings, context, config, base, branch))
        if why := machine.news(history):
            observer.note(why)
        try:
            yield night
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def looked(settings: Settings, repo: GitRepo, base: str, state: Path, observer: Observer, stop: Stop) -> Iterator[tuple[Settings, Context]]:
    """Every `auto` resolved for this machine, and the context of the first device, which is this process's own in the block."""
    observer.note("looking at the machine")
    settings = devices.share(split.resolved(settings, repo, base, state, observer, stop))
    with devices.own(settings):
        settings, context = for_command(settings, repo, base, state) if settings.command else for_model(settings, base, state, observer)
        devices.usable(settings)
        yield settings, replace(context, facts=context.facts | cores.facts(settings.device))


def recall(repo: GitRepo, settings: Settings, observer: Observer) -> None:
    try:
        kept.recall(repo, settings)
    except AutoresearchError as error:  # whether anything is missing is for `starting_point`
        observer.note(f"the kept commits beside the ledger could not be read ({error})")


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
        machine=context.facts,
    )  # fmt: skip
