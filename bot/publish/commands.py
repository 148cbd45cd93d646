"""`mode: comment`: a command in a pull request's comment, answered by a hosted job that never touches the research machine.

What the running night is to do becomes a line of `control.jsonl` on the ledger branch, which the night reads between experiments. Whoever
may not write to the repository is refused, and so is everybody while GitHub does not say who may.
"""

import json
import re
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from bot import checks, orders
from bot.action.log import LOG
from bot.errors import AutoresearchError, UsageError
from bot.forge.records import Pull
from bot.history import History
from bot.orders import Order
from bot.publish import restore
from bot.publish.doors import Doors, open_doors
from bot.publish.lay import CONTROL
from bot.publish.replies import reply
from bot.publish.workflows import PREFIX, Workflows
from bot.report import facts, tally

if TYPE_CHECKING:
    from bot.action.inputs import Inputs
    from bot.action.outputs import Outputs
    from bot.settings import Settings

PATIENCE = 240.0  # seconds that a failure of GitHub is waited out: a person waits, and the job has minutes
RECENT = 3600.0  # seconds after which `stop` is not meant for what runs now
WRITERS = ("admin", "maintain", "write")


def comment(inputs: "Inputs", settings: "Settings", outputs: "Outputs") -> int:
    """Exit code 0 for whatever is not for us, or was done; 1 where it was refused for the asker, so that the job shows it. What GitHub
    does not do is said in the reply, and raised."""
    outputs.set(status="no-improvement", branch=settings.branch)
    asked = event(inputs)
    if not asked or not re.match(r"/autoresearch\b", asked["text"].strip()):
        return 0
    if inputs.dry_run:
        print(f"dry run: {asked['login']} asks {asked['text'].strip()!r}; nothing is written", flush=True)
        return 0
    doors, id, login = open_doors(inputs, settings, patience=PATIENCE), asked["comment"], asked["login"]
    name = research(doors.forge.pull(asked["pull"]))
    if not name or inputs.name not in ("", name):
        LOG.warning(f"#{asked['pull']} is no pull request of {inputs.name or 'a research'} of this repository: nothing was done")
        return 0
    if doors.forge.permission(login) not in WRITERS:
        doors.forge.react(id, "-1")
        LOG.error(f"{login} may not write to this repository: nothing was done")
        return 1
    workflows = Workflows(doors.forge, inputs.workflow, name, settings.name)
    if name != settings.name:
        settings, doors = settings.model_copy(update={"name": name}), replace(doors, ledger=doors.ledger.of(name))
        outputs.set(branch=settings.branch)
        if not begun(doors):
            LOG.warning(f"there is no research {name} on the ledger branch: nothing was done")
            return 0
    found = orders.parse(asked["text"])
    if not found:
        doors.forge.react(id, "confused")
        reply(doors, settings, asked, "not a command; these are:", orders.HELP)
        return 0
    doors.forge.react(id, "eyes")
    order = Order(id, asked["at"], login, *found)
    try:
        said = perform(doors, workflows, settings, order)
    except AutoresearchError as error:
        reply(doors, settings, asked, f"not done: {error}")
        raise
    reply(doors, settings, asked, said, orders.HELP if order.command == "help" else "")
    return 0


def research(pull: Pull) -> str:
    """The name of the research whose branch a pull request is from; empty where it is none's, or a fork's."""
    try:
        return checks.branch_component(pull.head.removeprefix(PREFIX)) if pull.head.startswith(PREFIX) else ""
    except ValueError:
        return ""


def begun(doors: Doors) -> bool:
    """Whether the ledger branch knows the research: anybody may name a branch so."""
    doors.ledger.fetch(doors.remote)
    return doors.ledger.name in doors.ledger.names()


def event(inputs: "Inputs") -> dict[str, Any] | None:
    """What the new comment of a human on an open pull request says; None for every other event."""
    path = inputs.job.event_path
    if inputs.job.event_name != "issue_comment" or not path:
        name = inputs.job.event_name or "none"
        raise UsageError(f"mode: comment needs the event issue_comment, not {name}; see examples/workflows/command.yml")
    try:
        data = json.loads(path.read_bytes())
        comment, issue = data["comment"], data["issue"]
        if data["action"] != "created" or "pull_request" not in issue or comment["user"]["type"] != "User":
            return None
        return {"comment": int(comment["id"]), "text": comment["body"] or "", "login": comment["user"]["login"],
                "pull": int(issue["number"]), "at": datetime.fromisoformat(comment["created_at"]).timestamp()}  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"GITHUB_EVENT_PATH: {path} is not the event of a comment ({type(error).__name__})"
        raise UsageError(f"{what}; use the action in a workflow") from error


def perform(doors: Doors, workflows: Workflows, settings: "Settings", order: Order) -> str:
    """One sentence for the reply."""
    if order.command == "help":
        return "these are the commands:"
    if order.command == "status":
        return status(doors, settings)
    if order.command not in ("stop", "continue"):
        write(doors, settings, order)
        return "noted for the proposer" if order.command == "focus" else "the night does it between two experiments, or the next one first"
    running = workflows.running()
    if order.command == "continue" and not running:
        return f"started {workflows.start(order.argument)}"
    write(doors, settings, order)
    if order.command == "continue":
        return f"{order.argument} more experiments in the running night" if order.argument else "a night is running already"
    if time.time() - order.at > RECENT:  # a job that is run again must not stop another night
        return "not done: that was asked for too long ago"
    for id in running:
        doors.forge.cancel(id)
    if not running:
        return f"{' and '.join(workflows.files)}: nothing is running; a night elsewhere ends before its next experiment"
    return "stopping the night; what it measured counts"


def write(doors: Doors, settings: "Settings", order: Order) -> None:
    """The order's line, on top of whatever is in the ledger branch."""
    path = doors.ledger.path(CONTROL)
    doors.ledger.fetch(doors.remote)
    line = msgspec.json.encode(order) + b"\n"
    have = doors.ledger.read(path) or b""
    if order.comment not in {known.comment for known in orders.read(have)}:
        doors.ledger.commit({path: have + line}, f"{settings.name}: {order.by} asks for {order.command}\n", order.at)
    doors.ledger.push(doors.remote)


def status(doors: Doors, settings: "Settings") -> str:
    """Of the worker that recorded last."""
    doors.ledger.fetch(doors.remote)
    files = [doors.ledger.read(doors.ledger.path(f"{worker}.jsonl")) for worker in doors.ledger.workers(settings.name)]
    known = max((History.fold(restore.events(data), curves=False) for data in files if data), key=lambda h: h.last_at, default=None)
    if not known:
        return "there is no record of this research on the ledger branch yet"
    return f"{facts.headline(known)} Experiments: {tally.everything(known)}."
