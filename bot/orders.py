"""What people ask for in comments, `/autoresearch retest 7`: the grammar, and how a running night does it between two experiments.

An order is a line of `control.jsonl` on the ledger branch. What was done about it is recorded, so that nothing is done twice. Text from
people is data: `focus` is quoted to the proposer and is no instruction with authority.
"""

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from . import ablate, drop, retest
from .errors import BaselineFailed, UsageError
from .records import Asked

if TYPE_CHECKING:
    from .loop import Night

SEEDS = 4  # of a retest
GRAMMAR = re.compile(
    r"""/autoresearch[ ]+(?:(?P<plain>status|stop|ablate|confirm|help)|(?P<continue>continue)(?:[ ]+(?P<count>[1-9]\d{0,3}))?"""
    r"""|(?P<numbered>retest|drop)[ ]+#?(?P<id>\d{1,7})|(?P<focus>focus)[ ]+"(?P<text>[^"\r\n]{1,500})")[ ]*"""
)
MEASURING = ("retest", "drop", "ablate", "confirm")
HELP = """\
`/autoresearch status`: where the research stands
`/autoresearch stop`: end the night that is running; nothing is lost
`/autoresearch continue [N]`: N more experiments, or another night
`/autoresearch retest ID`: four more seeds for one experiment: does its verdict stand?
`/autoresearch drop ID`: take one kept change out of the stack
`/autoresearch ablate`: measure what each kept change is worth
`/autoresearch confirm`: prove the stack against the base
`/autoresearch focus "text"`: a note for the proposer"""


class Order(msgspec.Struct, frozen=True):
    """A line of control.jsonl. `comment` is the id of the comment that asked, `at` Unix seconds."""

    comment: int
    at: float
    by: str
    command: str
    argument: str = ""


def parse(text: str) -> tuple[str, str] | None:
    """(command, argument) of a comment that is one command and nothing else; None for any other text."""
    found = GRAMMAR.fullmatch(text.strip())
    if not found:
        return None
    command = found["plain"] or found["continue"] or found["numbered"] or found["focus"]
    return command, found["count"] or (str(int(found["id"])) if found["id"] else "") or found["text"] or ""


def read(data: bytes) -> list[Order]:
    """The orders of a control.jsonl; lines that are none are left out."""
    found = []
    for line in data.splitlines():
        try:
            order = msgspec.json.decode(line, type=Order)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        argument = f' "{order.argument}"' if order.command == "focus" else f" {order.argument}" if order.argument else ""
        if known := parse(f"/autoresearch {order.command}{argument}"):
            found.append(msgspec.structs.replace(order, command=known[0], argument=known[1]))
    return found


def look(night: "Night", orders: Iterable[Order]) -> None:
    """Does what has been asked for and not been done."""
    for order in orders:
        if order.comment in night.history.asked or order.command in ("status", "help"):
            continue
        if order.command in MEASURING and (night.history.pending or night.stop_reason()):
            continue  # no part may go from below what is not decided yet, and no night is longer than it was to be: the next one does it
        night.observer.note(f"{order.by} asks: {order.command} {order.argument}".rstrip())
        try:
            said = obey(night, order)
        except (UsageError, BaselineFailed) as error:
            said = f"not done: {error}"
        if said is None:
            return  # a signal ended it: the next run does it
        night.record(Asked(time.time(), order.comment, order.by, order.command, order.argument, said))
        night.observer.note(said)


def obey(night: "Night", order: Order) -> str | None:
    """What was done about it, in one sentence; None where the night was stopped before it was done."""
    before = night.stop.soft
    match order.command:
        case "stop" | "continue" if night.history.last_opened and order.at < night.history.last_opened.at:
            return "not done: the night that it was meant for had ended"
        case "stop":
            night.stop.soft = f"{order.by}'s comment"
            return "the night ends here"
        case "continue":
            night.more += int(order.argument or 0)
            return f"{order.argument} more experiments" if order.argument else "not done: a night is running already"
        case "retest":
            retest.run(night, int(order.argument), SEEDS)
            said = retest.answer(night.history, night.settings.name, int(order.argument), night.settings.margin).replace("\n", ". ")
        case "drop":
            said = drop.run(night, int(order.argument), order.by)
        case "ablate":
            said = ablate.run(night, everything=False)
        case "confirm":
            said = ablate.confirmed(night)
        case _:
            return "noted for the proposer"
    return None if night.stop.soft and not before else said
