"""`mode: comment`: a command in a pull request's comment, answered by a hosted job that never touches the research machine.

What the running night is to do becomes a line of `control.jsonl` on the ledger branch, which the night reads between experiments. Whoever
may not write to the repository is refused, and so is everybody while GitHub does not say who may.
"""

import json
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from bot import orders
from bot.action.log import LOG
from bot.errors import AutoresearchError, UsageError
from bot.history import History
from bot.orders import Order
from bot.publish import restore
from bot.publish.doors import Doors, open_doors
from bot.publish.lay import CONTROL
from bot.report import facts
from bot.report.text import md

if TYPE_CHECKING:
    from bot.action.inputs import Inputs
    from bot.action.outputs import Outputs
    from bot.settings import Settings

RECENT = 3600.0  # seconds after which `stop` is not meant for what runs now
WRITERS = ("admin", "maintain", "write")
LISTED = 20  # commands in the reply, the newest first
ROW = re.compile(r"^- .*$", re.MULTILINE)


def comment(inputs: "Inputs", settings: "Settings", outputs: "Outputs") -> int:
    """Exit code 0 for whatever is not for us, or was done; 1 where it was refused for the asker, so that the job shows it."""
    outputs.set(status="no-improvement", branch=settings.branch)
    asked = event(inputs)
    if not asked or not re.match(r"/autoresearch\b", asked["text"].strip()):
        return 0
    if inputs.dry_run:
        print(f"dry run: {asked['login']} asks {asked['text'].strip()!r}; nothing is written", flush=True)
        return 0
    doors, id, login = open_doors(inputs, settings), asked["comment"], asked["login"]
    if not any(pull.number == asked["pull"] for pull in doors.forge.pulls(settings.branch)):
        LOG.warning(f"#{asked['pull']} is no pull request from {settings.branch} of this repository: nothing was done")
        return 0
    if doors.forge.permission(login) not in WRITERS:
        doors.forge.react(id, "-1")
        LOG.error(f"{login} may not write to this repository: nothing was done")
        return 1
    found = orders.parse(asked["text"])
    if not found:
        doors.forge.react(id, "confused")
        reply(doors, settings, asked, "not a command; these are:", orders.HELP)
        return 0
    doors.forge.react(id, "eyes")
    order = Order(id, asked["at"], login, *found)
    reply(doors, settings, asked, perform(doors, inputs, settings, order), orders.HELP if order.command == "help" else "")
    return 0


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


def perform(doors: Doors, inputs: "Inputs", settings: "Settings", order: Order) -> str:
    """One sentence for the reply."""
    if order.command == "help":
        return "these are the commands:"
    if order.command == "status":
        return status(doors, settings)
    if order.command not in ("stop", "continue"):
        write(doors, settings, order)
        return "noted for the proposer" if order.command == "focus" else "the night does it between two experiments, or the next one first"
    running = doors.forge.running(inputs.workflow)
    if order.command == "continue" and not running:
        given = {"max-experiments": order.argument} if order.argument else {}
        doors.forge.dispatch(inputs.workflow, doors.forge.default_branch(), given)
        return f"started {inputs.workflow}"
    write(doors, settings, order)
    if order.command == "continue":
        return f"{order.argument} more experiments in the running night" if order.argument else "a night is running already"
    if time.time() - order.at > RECENT:  # a job that is run again must not stop another night
        return "not done: that was asked for too long ago"
    for id in running:
        doors.forge.cancel(id)
    return "stopping the night; what it measured counts" if running else "nothing is running"


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
    counts = ", ".join(f"{count} {status}" for status, count in sorted(known.counts().items()) if status != "baseline")
    return f"{facts.headline(known)} Experiments: {counts or 'none yet'}."


def reply(doors: Doors, settings: "Settings", asked: dict[str, Any], said: str, more: str = "") -> None:
    """One comment for all commands, edited: the newest on top, then `more` of our own text. That it cannot be written undoes nothing."""
    mark = f"<!-- autoresearch:commands:{settings.name} -->"
    try:
        found = doors.forge.find_comment(asked["pull"], mark)
        row = f"- {md(asked['text'].strip(), 120)} ({md(asked['login'], 40)}): {md(said, 400)}"
        rows = [row, *(ROW.findall(found.body) if found else [])][:LISTED]
        parts = ["**Commands**", "\n".join(rows), more.replace("\n", "<br>\n"), mark]
        doors.forge.write_comment(asked["pull"], "\n\n".join(part for part in parts if part), found.id if found else None)
    except AutoresearchError as error:
        LOG.warning(f"the reply was not written: {error}")
