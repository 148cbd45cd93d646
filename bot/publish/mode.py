"""`mode: publish`, and what `run` and `all` do before and after the research: bring the record here, and take it away again.

Research never fails and never waits because GitHub cannot be reached: what could not be sent is sent with the next run.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bot import elsewhere, kept, orders
from bot.action import facts, summary
from bot.action import run as research
from bot.action.log import LOG
from bot.errors import AutoresearchError, StopNow
from bot.gitrepo import GitRepo
from bot.history import History
from bot.loop import Night, run_loop
from bot.marks import Marks
from bot.orders import Order
from bot.publish import bundle, pull, replies
from bot.publish.branch import Pushed, base_tip, bring_branch, known_there, push_code, remote_tip
from bot.publish.doors import PATIENCE, Doors, open_doors, worker_name
from bot.publish.lay import CONTROL
from bot.publish.ledgerbranch import LedgerBranch
from bot.report import files
from bot.report import pull as text
from bot.report.pull import Links

if TYPE_CHECKING:
    from bot.action.inputs import Inputs
    from bot.action.outputs import Outputs
    from bot.settings import Settings

Published = tuple[History, Sequence[str], dict[str, bytes]]  # what happened, lines that could not be read, files of the ledger branch
SHORT = 20.0  # seconds that a failure is waited out before the night
QUICK = 30.0  # seconds that git may take while the machine could be measuring
FAILURES = (AutoresearchError, OSError, subprocess.SubprocessError)
PAUSE = 600.0  # seconds without another try after GitHub was not reached


def run(inputs: "Inputs", settings: "Settings", outputs: "Outputs") -> int:
    """The night; what it found goes into the folder `publication`, for a job that may write."""
    reaches = inputs.job.repository and inputs.github_token.get_secret_value()
    doors = open_doors(inputs, settings, QUICK, patience=0.0) if reaches else None
    before(doors, settings)
    try:
        return research.run(inputs, settings, outputs, lambda night: work(night, doors, each=False))
    finally:
        if inputs.publication:
            attempt("write the publication", lambda: hand_over(settings, inputs))


def everything(inputs: "Inputs", settings: "Settings", outputs: "Outputs") -> int:
    """Both in one job. The exit code is the night's, or 1 where that is 0 and publishing failed: then the next run publishes it.

    A night that ends by an error has found things too. One that a signal ends has seconds: action.yml's last step publishes it."""
    doors, each = open_doors(inputs, settings, QUICK, patience=0.0), inputs.push == "each" and not inputs.dry_run
    before(doors, settings)
    known = recorded(settings)
    try:
        code = research.run(inputs, settings, outputs, lambda night: work(night, doors, each))
    except StopNow:
        raise
    except AutoresearchError:
        if recorded(settings) > known:
            attempt("publish what is recorded", lambda: publish(inputs, settings, outputs))
        raise
    return code or publish(inputs, settings, outputs)


def recorded(settings: "Settings") -> int:
    """Bytes of this machine's record."""
    path = files.ledger(settings).path
    return path.stat().st_size if path.exists() else 0


def before(doors: Doors | None, settings: "Settings") -> None:
    """The record, and the commits that it names. A machine that has a record of its own goes on without GitHub; one that has none must
    know whether there is one, or it would begin a second research of the same name."""
    attempt("bring the kept commits back", lambda: kept.recall(GitRepo(settings.root), settings))
    if doors and files.ledger(settings).path.exists():
        attempt("bring the record here", lambda: bring(doors, settings, SHORT))
    elif doors:
        bring(doors, settings, PATIENCE)


def work(night: Night, doors: Doors | None, each: bool) -> str:
    """The loop; between two experiments what people ask for, and a push, where `each` kept change is to be seen at once."""
    failed = -PAUSE

    def reach() -> list[Order]:
        read = asked(doors, night.settings)
        if each:
            send(doors, night.settings, night.history, 0.0)
        return read

    def between() -> None:
        nonlocal failed
        if not doors or time.monotonic() - failed < PAUSE:
            return
        night.stop.preparing = True  # nothing is measured now: a signal ends this at once
        try:
            read = reach()
        except StopNow:
            raise
        except FAILURES as error:  # the machine is for research: it tries once, and then not for a while
            failed = time.monotonic()
            LOG.warning(f"GitHub was not reached between two experiments: {error}")
            return
        finally:
            night.stop.preparing = False
        orders.look(night, read)

    night.between = between
    return run_loop(night)


def asked(doors: Doors, settings: "Settings") -> list[Order]:
    doors.ledger.fetch(doors.remote)
    return orders.read(doors.ledger.read(doors.ledger.path(CONTROL)) or b"")


def publish(inputs: "Inputs", settings: "Settings", outputs: "Outputs") -> int:
    """What a run handed over in `publication`, else what the state folder holds: pushed, and shown in the pull request."""
    doors, handed = open_doors(inputs, settings), inputs.publication and inputs.mode == "publish"
    history, problems, found = handed_over(doors, inputs, settings) if handed else own(doors, settings)
    facts.fill(outputs, settings, history)
    if inputs.mode == "publish":
        outputs.set(status="improved" if facts.gained(history) else "no-improvement")
    if inputs.dry_run:
        return dry(inputs, settings, history, problems)
    sha = deliver(doors, settings, found, PATIENCE)
    links = Links(inputs.job.server_url, inputs.job.repository, settings.branch, sha, inputs.job.run_url)
    if inputs.summary:
        write_summary(inputs, text.summary(history, problems, settings, links))
    newest = pull.newest(doors, settings)
    outputs.set(pr_operation="none", **({"pr_number": newest.number, "pr_url": newest.url} if newest else {}))
    if newest:
        replies.settle(doors, settings, history, newest.number)
    if newest and (done := pull.settled(doors, newest, history)):
        LOG.warning(done)
        return 0
    pushed = push_code(doors.remote, doors.repo, settings, history, PATIENCE)
    tell(pushed, settings)
    if pushed.status == "foreign":  # what the pull request shows is theirs until the next run has built on it
        return 0
    if history.stack:
        pull.check(doors, settings, history, problems, links)
    shown = pull.show(doors, inputs, settings, history, problems, links, newest)
    outputs.set(pr_operation=shown.operation, **({"pr_number": shown.pull.number, "pr_url": shown.pull.url} if shown.pull else {}))
    return 0


def handed_over(doors: Doors, inputs: "Inputs", settings: "Settings") -> Published:
    repo, remote = doors.repo, doors.remote
    there = remote_tip(remote, repo, settings, PATIENCE)
    known = [*known_there(repo, settings, there), *([] if there else pull.heads(doors, settings))]
    newest = base_tip(remote, Marks(repo, settings), bundle.base_name(repo, settings), PATIENCE)
    received = bundle.read(repo, inputs.publication, settings, known, base_tip=newest)
    history, said = received.history, received.results.base_branch
    if history.opened and history.opened.base_branch != said:  # the pull request goes to the branch that was checked, and to no other
        raise AutoresearchError(f"the record began on {history.opened.base_branch!r}, and results.json says {said!r}; nothing was pushed")
    return history, (), received.files


def own(doors: Doors, settings: "Settings") -> Published:
    kept.recall(doors.repo, settings)
    ledger, history = files.load(settings)
    return history, ledger.problems, doors.ledger.collect(settings)


def bring(doors: Doors, settings: "Settings", patience: float) -> None:
    """The record that this machine lost or never had, and what others put on the research's branch."""
    if did := doors.ledger.restore(settings, doors.remote, patience):
        print(did, flush=True)
    bundles = doors.ledger.contents(settings.name, ".bundle")
    attempt("bring the kept commits back", lambda: kept.recall_from(doors.repo, settings, bundles))
    records = doors.ledger.contents(settings.name, ".jsonl")
    attempt("write down what other workers have learned", lambda: elsewhere.write(settings, records))
    bring_branch(doors.remote, doors.repo, settings, History.fold(files.ledger(settings).events(), curves=False), patience)


def send(doors: Doors, settings: "Settings", history: History, patience: float) -> None:
    """The record and the kept changes, as they are."""
    deliver(doors, settings, doors.ledger.collect(settings), patience)
    tell(push_code(doors.remote, doors.repo, settings, history, patience), settings)


def deliver(doors: Doors, settings: "Settings", found: dict[str, bytes], patience: float) -> str:
    """The ledger branch's tip once `found` is on it and pushed."""
    doors.ledger.fetch(doors.remote, patience)
    doors.ledger.commit(found, f"{settings.name}: what {doors.ledger.worker} recorded\n", time.time())
    return doors.ledger.push(doors.remote, patience)


def hand_over(settings: "Settings", inputs: "Inputs") -> None:
    repo, worker = GitRepo(settings.root), worker_name()
    branch = LedgerBranch(repo, settings.name, worker)
    _, history = files.load(settings)
    sha = branch.commit(branch.collect(settings), f"{settings.name}: what {worker} recorded\n", history.last_at)
    bundle.write(settings, repo, history, sha, inputs.publication, worker)


def tell(pushed: Pushed, settings: "Settings") -> None:
    if pushed.status == "foreign":
        whose = f"{len(pushed.foreign)} commits that are not ours" if pushed.foreign else "been moved back by someone"
        LOG.warning(f"{settings.branch} has {whose}: nothing was pushed over it, and the next run builds on it")


def dry(inputs: "Inputs", settings: "Settings", history: History, problems: list[str]) -> int:
    """What would be shown, on the log."""
    links = Links(inputs.job.server_url, inputs.job.repository, settings.branch, "", inputs.job.run_url)
    if not history.stack:
        print("dry run: nothing is kept, so there is no pull request to open")
        return 0
    print(f"dry run: {settings.branch} at {history.champion_sha} would be pushed, and a pull request opened or updated with:\n")
    print(text.title(history, settings), text.body(history, problems, settings, links), sep="\n\n", flush=True)
    return 0


def write_summary(inputs: "Inputs", page: str) -> None:
    try:
        summary.write(page, inputs.job.step_summary)
    except OSError as error:
        LOG.warning(f"the job's summary could not be written ({error})")


def attempt(what: str, action: Callable[[], None]) -> None:
    """Research goes on whatever happens here, but for a signal."""
    try:
        action()
    except StopNow:
        raise
    except FAILURES as error:
        LOG.warning(f"could not {what}: {error}")
