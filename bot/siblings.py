"""The workers of one machine: the lead, and its scouts on further devices (`bot.scouts`). Each reads the others' records, writes its own.

| | name | state folder |
|---|---|---|
| lead | `nightly` | `<state>` |
| scout 1 | `nightly-scout1` | `<state>/scouts/1` |

Nothing measured on one device is ever compared with what another one measured: what a sibling kept is a proposal here (`bot.migration`),
and what it tried is not proposed again.
"""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import force_setattr, replace

from bot.accounts import is_given
from bot.beside import Beside
from bot.history import History
from bot.ledger import DECODER, Ledger
from bot.proposers.constants import REMEMBERED
from bot.proposers.past import Result, Values, recall, results
from bot.records import Experiment, Measurement, Proposal
from bot.report import cost, files
from bot.report.text import duration, plural

if TYPE_CHECKING:
    from bot.settings import Settings

FOLDER = "scouts"
NAME = re.compile(r"(?P<lead>.+)-scout(?P<number>\d+)")
SOURCE = re.compile(r"lead:.+|scout:\d+:.+")  # of a proposal that a sibling kept


@dataclass(frozen=True)
class Place:
    """Where a worker is. `number`: 0 of the lead."""

    state: Path  # the lead's
    name: str  # the lead's
    number: int

    def ledger(self, number: int) -> Ledger:
        state = self.state / FOLDER / str(number) if number else self.state
        return Ledger(state / "ledger" / (scout_name(self.name, number) if number else self.name))

    def siblings(self) -> list[int]:
        """Those that have a record, of earlier nights too."""
        found = (path.name for path in (self.state / FOLDER).glob("*") if path.name.isdigit())
        return [number for number in sorted({0, *map(int, found)} - {self.number}) if self.ledger(number).path.exists()]


def place(settings: "Settings") -> Place:
    state, found = files.state(settings), NAME.fullmatch(settings.name)
    if found and state.parts[-2:] == (FOLDER, found["number"]):
        return Place(state.parent.parent, found["lead"], int(found["number"]))
    return Place(state, settings.name, 0)


def scout_name(name: str, number: int) -> str:
    return f"{name}-scout{number}"


def ledgers(settings: "Settings") -> list[tuple[str, Ledger]]:
    """(name, ledger) of each sibling; a scout's name is `scout 1`."""
    here = place(settings)
    return [(called(number), here.ledger(number)) for number in here.siblings()]


def called(number: int) -> str:
    return f"scout {number}" if number else "lead"


class Sibling:
    """`history` holds what its file had at the last `refresh`, loss curves apart."""

    def __init__(self, number: int, ledger: Ledger):
        self.number, self.ledger = number, ledger
        self.name, self.source = called(number), f"scout:{number}" if number else "lead"
        self.history, self._read = History(), 0

    def refresh(self) -> None:
        """Takes in the lines that are new. One that its writer has not ended yet waits for the next time."""
        with self.ledger.path.open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        lines = lines[: lines.rfind(b"\n") + 1]
        self._read += len(lines)
        for line in lines.splitlines():
            try:
                event = DECODER.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):  # its owner's concern
                continue
            if type(event) is Measurement:
                force_setattr(event, "curve", ())
            self.history.add(event)

    def keeps(self) -> list[Experiment]:
        """The changes of its own in its stack, as they were decided, the oldest first. What it took up itself is another's."""
        found = dict.fromkeys(self.history.origin(e).id for e in self.history.stack)
        decided = (self.history.experiments[id] for id in found)
        return [e for e in decided if e.proposal and not is_given(e) and not SOURCE.fullmatch(e.proposal.source)]


class Siblings:
    """All of one worker's, read again at each `refresh`."""

    def __init__(self, settings: "Settings"):
        self.place = place(settings)
        self.expected = len(settings.devices) > 1  # scouts, whose records may come into being at any moment
        self.known: dict[int, Sibling] = {}
        self.passed: set[str] = set()  # sources that are not taken up in this run
        self.told: set[str] = set()  # sources that a person has read of
        self.refresh()
        self.told.update(source for source, _, _ in self.keeps())

    def refresh(self) -> None:
        for number in self.place.siblings():
            sibling = self.known.setdefault(number, Sibling(number, self.place.ledger(number)))
            sibling.refresh()

    def keeps(self) -> list[tuple[str, Sibling, Experiment]]:
        """(source, whose, what) of every keep, the oldest first. The source holds its commit, which no other keep has."""
        found = [(s, e, s.history.sha_of(e)) for s in self.known.values() for e in s.keeps()]
        return [(f"{s.source}:{sha[:9]}", s, e) for s, e, sha in sorted(found, key=lambda one: one[1].verdict.at)]

    def proposals(self) -> tuple[Proposal, ...]:
        """Whatever they tried or try now."""
        each = (e for s in self.known.values() for e in s.history.experiments.values())
        return tuple(e.proposal for e in each if e.id and e.proposal and not is_given(e))

    def results(self, current: Values, direction: str) -> tuple[Result, ...]:
        """What each found of constants, compared with its own champion and in units of its own noise, the newest first. `current`: the
        values of our champion, which stand in where an experiment does not say what it moved from."""
        each = (results(s.history, recall(s.history, current), direction) for s in self.known.values())
        return tuple(nlargest(REMEMBERED, chain.from_iterable(each), key=lambda result: result.at))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One worker at a time looks at what the others try and writes down what it tries next. The lock dies with its holder."""
        if not self.known and not self.expected:
            yield
            return
        (self.place.state / FOLDER).mkdir(parents=True, exist_ok=True)
        with (self.place.state / FOLDER / "turn").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.refresh()
            yield


def beside(settings: "Settings", since: float = 0.0) -> Beside | None:
    """What this research's scouts have done by themselves `since` then; None where that is nothing, or their records cannot be read."""
    found = None
    try:
        for number, ledger in scout_ledgers(settings):
            scout = Sibling(number, ledger)
            scout.refresh()
            one = done(scout, since)
            found = found + one if found else one
    except OSError:
        return None
    return replace(found, scouts=len(scout_ledgers(settings))) if found else None


def done(scout: Sibling, since: float) -> Beside:
    history = scout.history
    own = [e for e in history.experiments.values() if e.id and e.proposal and not is_given(e) and not SOURCE.fullmatch(e.proposal.source)]
    kept = sum(e.verdict.at >= since for e in scout.keeps())
    seconds = sum(m.seconds for e in history.experiments.values() for m in e.measurements if m.at >= since)
    bill = cost.billed([call for call in history.calls if call.at >= since])
    tried = sum(e.proposal.at >= since for e in own)
    return Beside(1, tried, kept, round(seconds, 3), bill.requests, bill.dollars, bill.unpriced)


def text(found: Beside | None) -> str:
    """`2 scouts on other devices: 31 experiments, 3 kept, 4.2 h of measuring, 40 requests to models; $1.31`; empty without any."""
    if not found:
        return ""
    asked = f", {plural(found.requests, 'request')} to models{cost.priced(found.dollars, found.unpriced)}" if found.requests else ""
    tried, whose = plural(found.experiments, "experiment"), plural(found.scouts, "scout")
    return f"{whose} on other devices: {tried}, {found.kept} kept, {duration(found.seconds)} of measuring{asked}"


def scout_ledgers(settings: "Settings") -> list[tuple[int, Ledger]]:
    here = place(settings)
    return [(number, here.ledger(number)) for number in here.siblings() if number] if not here.number else []
