"""The answer to a command: one comment for each, found by its hidden mark, so that no answer can undo another one that is written at the
same time. It is edited where the job is run again, and once the night has done what was asked for."""

import re
import time
from typing import TYPE_CHECKING, Any

from bot.action.log import LOG
from bot.errors import AutoresearchError
from bot.history import History
from bot.orders import MEASURING
from bot.publish.doors import Doors
from bot.report.text import md

if TYPE_CHECKING:
    from bot.settings import Settings

WEEK = 7 * 86400.0  # seconds after which nobody waits for an answer any more
SAID = 600  # characters


def mark(settings: "Settings", comment: int | str = "") -> str:
    """How the hidden mark in the answer to a command begins; without its comment, in the answer to any."""
    return f"<!-- autoresearch:command:{settings.name}:{comment}{' ' if comment else ''}"


def reply(doors: Doors, settings: "Settings", asked: dict[str, Any], said: str, more: str = "") -> None:
    """`more` is text of our own. That it cannot be written undoes nothing.

    It never begins with the command: a comment that a person's token wrote would be taken for one."""
    begins = mark(settings, asked["comment"])
    parts = [f"**{md(asked['login'], 40)}** asked: {md(asked['text'].strip(), 120)}", md(said, SAID), more.replace("\n", "<br>\n")]
    try:
        found = doors.forge.find_comment(asked["pull"], begins)
        body = "\n\n".join([*filter(None, parts), f"{begins}-->"])
        doors.forge.write_comment(asked["pull"], body, found.id if found else None)
    except AutoresearchError as error:
        LOG.warning(f"the reply was not written: {error}")


def settle(doors: Doors, settings: "Settings", history: History, number: int) -> None:
    """Adds to the answers in a pull request what a night has done since about each command."""
    done = {a.comment: a.said for a in history.asked.values() if a.command in MEASURING or a.said.startswith("not done")}
    done = {id: said for id, said in done.items() if history.asked[id].at > time.time() - WEEK}
    if not done:
        return
    try:
        for comment in doors.forge.find_comments(number, mark(settings)):
            found = re.search(rf"{re.escape(mark(settings))}(\d+) -->", comment.body)
            if found and (said := done.get(int(found[1]))):
                shown = said if said.startswith("not done") else f"done: {said}"
                body = comment.body.replace(found[0], f"**{md(shown, SAID)}**\n\n{mark(settings, found[1])}done -->")
                doors.forge.write_comment(number, body, comment.id)
    except AutoresearchError as error:
        LOG.warning(f"the answers to commands were not brought up to date: {error}")
