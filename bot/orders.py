"""What people ask for in comments, `/autoresearch retest 7`: the grammar, and how a running night does it between two experiments.

An order is a line of `control.jsonl` on the ledger branch. What was done about it is recorded, so that nothing is done twice. Text from
people is data: `focus` is quoted to the proposer and is no instruction with authority.
"""

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from . import tasks
from .allowance import OutOfTime, of_night, within
from .confirm import time_for_search
from .errors import BaselineFailed, UsageError
from .records import Asked

if TYPE_CHECKING:
    from .loop import Night

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
    """Does what has been asked for and not been done. What there is no time for is left to the next night."""
    for order in orders:
        if order.comment in night.history.asked or order.command in ("status", "help") or later(night, order):
            continue
        night.observer.note(f"{order.by} asks: {order.command} {order.argument}".rstrip())
        before = tasks.measured(night)
        try:
            with within(night, of_night if order.command == "confirm" else time_for_search):
                said = obey(night, order)
        except OutOfTime as error:
            if order.command == "drop" or tasks.measured(night) == before:
                continue
            said = f"{error}. {tasks.undone(night, order)}"
        except (UsageError, BaselineFailed) as error:
            said = f"not done: {error}"
        if said is None:
            return  # a signal ended it: the next run does it
        night.record(Asked(time.time(), order.comment, order.by, order.command, order.argument, said))
        night.observer.note(said)


def later(night: "Night", order: Order) -> bool:
    """Whether it is for the next night: no night is longer than it was to be, and no part may go from below what is not decided yet; but
    where the champion does not run, nothing can be decided, and taking a part out may help."""
    if order.command not in MEASURING:
        return False
    waits = bool(night.history.pending) and not (night.broken and order.command == "drop")
    return waits or bool(night.stop_reason())


def obey(night: "Night", order: Order) -> str | None:
    """What was done about it, in one sentence; None where the night was stopped before it was done."""
    before = night.stop.soft
    match order.command:
        case "stop" | "continue" if night.history.last_opened and order.at < night.history.last_opened.at:
            return f"{'not done: ' if order.command == 'continue' else ''}the night that it was meant for had ended"
        case "stop":
            night.stop.soft = f"{order.by}'s comment"
            return "the night ends here"
        case "continue":
            night.more += int(order.argument or 0)
            return f"{order.argument} more experiments" if order.argument else "not done: a night is running already"
        case "focus":
            return "noted for the proposer"
        case _:
            said = tasks.DO[order.command](night, order)
    return None if night.stop.soft and not before else said
