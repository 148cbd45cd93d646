"""From a measurement to what became of a cheat: did it score, did it get hold of something, or how was it caught?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.edit import EditRejected, apply
from bot.errors import AutoresearchError
from bot.proposers import Answer
from bot.report.text import plain
from bot.selftest import cheats
from bot.selftest.cheats import Cheat
from bot.selftest.trial import Bench, measure
from bot.selftest.world import World

TOLERANCE = 1e-6  # bits per byte: below, two values are the same
ENTRY = "train/train.py"


@dataclass(frozen=True)
class Judged:
    """One line of the table. `outcome`: scored, reached, harmless, refused or the referee's own; `why`: its reason, in words."""

    name: str
    group: str
    tries: str
    level: str
    outcome: str
    expected: str
    ok: bool
    why: str
    caught_by: str
    value: float | None
    seconds: float

    @property
    def won(self) -> bool:
        """Whether the cheat got what it wanted."""
        return self.outcome in ("scored", "reached")


def honest_value(bench: Bench) -> float:
    """val_bpb of the candidate that all cheats are edits of; leaves its bits in `bench.bits`. AutoresearchError if it is not measured."""
    world = World(bench.root / "honest", bench.referee)
    try:
        result = measure(bench, world, "none", cheats.assemble("", world.told), dose="heavy", **{"save-bits": bench.bits})
    finally:
        world.close()
    if result["outcome"] != "ok":
        raise AutoresearchError(f"this machine cannot measure an honest candidate: {result['outcome']}: {plain(result['reason'])}")
    return result["val_bpb"]


def refused(cheat: Cheat) -> str | None:
    """Why `bot.edit` does not let the cheat's train.py through."""
    try:
        apply({ENTRY: cheats.base()}, Answer(hypothesis="", source="", edits={ENTRY: cheats.assemble(cheat.text, {})}), lambda patch: {})
    except EditRejected as reason:
        return str(reason)
    return None


def attack(bench: Bench, cheat: Cheat, level: str) -> Judged:
    """The cheat against this machine at `level`."""
    if cheat.door == "edit" and (why := refused(cheat)):
        return judged(cheat, level, "refused", why, None, 0.0)
    world = World(bench.root / f"{level}-{cheat.group}-{cheat.name}", bench.referee)
    try:
        source, seconds = cheats.assemble(cheat.text, world.told), 0.0
        for number in range(cheat.runs):  # each begins with what the one before had compiled, as the bot's do
            before, handed = world.run / f"compiled{number - 1}", {"keep-cache": world.run / f"compiled{number}"}
            handed |= {"cache": before} if before.is_dir() else {}
            result = measure(bench, world, level, source, files=cheat.files, memory=cheat.memory << 30, dose=cheat.dose, **handed)
            seconds += result.get("seconds", 0.0)
        found = world.reached(result, world.run / "kept")
    finally:
        world.close()
    assert result["isolation"] in (level, "none"), f"asked for {level}, measured in {result['isolation']}"
    outcome, why = verdict(bench, cheat, result, found)
    return judged(cheat, level, outcome, why, result["val_bpb"], seconds)


def verdict(bench: Bench, cheat: Cheat, result: dict[str, Any], found: Sequence[str]) -> tuple[str, str]:
    """(outcome, why in words)."""
    gain = bench.honest - result["val_bpb"] if result["outcome"] == "ok" else 0.0
    if gain > TOLERANCE and not cheat.honest:
        return "scored", f"{gain:.4f} bits per byte better than the honest candidate"
    if found:
        return "reached", "; ".join(found)
    if result["outcome"] == "ok":
        return "harmless", "the honest value" if abs(gain) <= TOLERANCE else f"{-gain:+.4f} bits per byte"
    return result["outcome"], result["reason"]


def judged(cheat: Cheat, level: str, outcome: str, why: str, value: float | None, seconds: float) -> Judged:
    allowed = cheat.expect[level]
    facts = (cheat.name, cheat.group, cheat.tries, level, outcome, " or ".join(sorted(allowed)), outcome in allowed)
    return Judged(*facts, why, cheat.caught_by, value, seconds)
