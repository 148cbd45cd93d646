"""Edits whose truth is known: null edits, improvements and harms of this repository's train.py, in a fixed mixed order. Pure.

The improvements are made by a handicap: the research starts from a train.py in which constants are mis-set (HANDICAPS), and each good edit
puts one of them right. Each bad one mis-sets another constant (HARMS). Every edit has lines of its own, so it applies whatever was kept.
"""

import random
from dataclasses import dataclass
from difflib import unified_diff
from itertools import cycle
from typing import Literal

from bot.errors import UsageError
from bot.proposers.source import Constant, find, replace
from bot.selftest import nulls
from bot.selftest.nulls import Change

Truth = Literal["null", "good", "bad"]

ENTRY = "train/train.py"
DEVICE = "cpu"  # the effects are known there
ROOM = 2  # lines between two edits: one for the context of the patches, which git needs
SEED = "planted"  # of the places of the null edits, and of the choice among them

# Effects: val_bpb by `python -P -m eval measure --budget "5s cpu" --seed 13000` on two cores, everything good before it kept, as in the
# full self-test. One run each; equal runs differ by about 0.04 (standard deviation).
HANDICAPS = {  # constant: where the research starts, what the good edit makes of it; in the order in which they are proposed
    "BATCH_TOKENS": ("3 * 2**10", "2**10"),  # 3.39 -> 3.15
    "DEPTH": ("10", "2"),  # 3.15 -> 3.01
    "HEAD_LR": ("0.0005", "0.012"),  # 3.01 -> 2.66
    "ADAM_BETA2": ("0.5", "0.95"),  # 2.66 -> 2.49
    "LOSS_ROWS": ("3", "128"),  # 2.49 -> 2.30
    "SOFTCAP": ("3.0", "15.0"),  # 2.30 -> 2.13
}
HARMS = {  # in the order in which they are proposed
    "HEAD_STD": "1.0",  # 3.39 -> 3.86
    "WARMUP": "0.9",  # 3.15 -> 3.32
    "MLP_RATIO": "32",  # 2.49 -> 2.68
    "WIDTH": "192",  # 2.30 -> 2.67
    "MUON_STEPS": "100",  # 2.30 -> 2.53
    "MATRIX_LR": "1.0",  # 2.13 -> 2.60
}
ORDER: list[Truth] = ["bad", "good", "bad", "good", "good", "good", "bad", "good", "bad", "bad", "good", "bad"]  # null edits in between


@dataclass(frozen=True)
class Edit:
    """`changes`: to the handicapped train.py. `exact`: a null edit with which the same seed gives the same numbers."""

    truth: Truth
    kind: str
    what: str
    changes: tuple[Change, ...]
    exact: bool = False


def handicapped(text: str) -> str:
    """The train.py that the research starts from: HANDICAPS set, and lines left free around whatever an edit moves."""
    known = find_in(text)
    lines = replace(text, {known[name]: wrong for name, (wrong, _) in HANDICAPS.items()}).splitlines()
    for row in sorted((_row(text, known[name]) for name in [*HANDICAPS, *HARMS]), reverse=True):
        lines[row : row + 1] = [*[""] * ROOM, lines[row], *[""] * ROOM]
    return "\n".join(lines) + "\n"


def edits(text: str, null: int, planted: int) -> list[Edit]:
    """`null` null edits, alternately exact and shuffled ones, and `planted` others, half of them good, in the order in which they are
    proposed. `text`: this repository's train.py. UsageError if there are not as many."""
    most = 2 * min(len(HANDICAPS), len(HARMS))
    if planted > most:
        raise UsageError(f"--planted {planted}: there are {most}; ask for at most as many")
    start = handicapped(text)
    good = [_moved(start, "good", name, right) for name, (_, right) in HANDICAPS.items()]
    bad = [_moved(start, "bad", name, value) for name, value in HARMS.items()]
    taken = [change for edit in good + bad for change in edit.changes]
    queues = {"null": _nulls(start, taken, null), "good": good[: planted // 2], "bad": bad[: planted - planted // 2]}
    sequence = [truth for number, truth in enumerate(ORDER) if ORDER[:number].count(truth) < len(queues[truth])]
    places = [True] * planted + [False] * null
    random.Random(SEED).shuffle(places)
    return [queues[sequence.pop(0) if place else "null"].pop(0) for place in places]


def _nulls(start: str, taken: list[Change], count: int) -> list[Edit]:
    rng, found, made = random.Random(SEED), nulls.all_of(start), []
    for candidates in found.values():
        rng.shuffle(candidates)
    turns = {exact: cycle(kinds) for exact, kinds in ((True, nulls.EXACT), (False, nulls.SHUFFLED))}
    misses = 0
    while len(made) < count:
        exact = len(made) % 2 == 0
        kind = next(turns[exact])
        one = next((c for c in found[kind] if not any(_touch(mine, other) for mine in c.changes for other in taken)), None)
        if one:
            made.append(Edit("null", kind, one.what, one.changes, exact))
            taken = [*taken, *one.changes]
        misses = 0 if one else misses + 1
        if misses > len(nulls.EXACT):
            raise UsageError(f"--nulls {count}: train.py has room for {len(made)}; ask for at most as many")
    return made


def _touch(one: Change, other: Change) -> bool:
    return one.start < other.stop + ROOM and other.start < one.stop + ROOM


def _moved(start: str, truth: Truth, name: str, value: str) -> Edit:
    constant = find_in(start)[name]
    row = _row(start, constant)
    line = replace(start, {constant: value}).splitlines()[row]
    return Edit(truth, name, f"{name} {constant.text} -> {value}", (Change(row, row + 1, (line,)),))


def find_in(text: str) -> dict[str, Constant]:
    """name -> constant, as HANDICAPS and HARMS call them: without the device."""
    return {constant.name.removesuffix(f".{DEVICE}"): constant for constant in find(text, DEVICE)}


def _row(text: str, constant: Constant) -> int:
    return text.encode()[: constant.start].count(b"\n")


def applied(start: str, chosen: list[Edit]) -> str:
    """`start` with these edits."""
    lines = start.splitlines()
    for change in sorted((c for edit in chosen for c in edit.changes), key=lambda c: -c.start):
        lines[change.start : change.stop] = change.lines
    return "\n".join(lines) + "\n"


def patch(start: str, edit: Edit) -> str:
    """What the `replay` proposer reads: the hypothesis, then a diff with one line of context, so that neighbours do not matter."""
    old, new = start.splitlines(keepends=True), applied(start, [edit]).splitlines(keepends=True)
    diff = unified_diff(old, new, f"a/{ENTRY}", f"b/{ENTRY}", n=1)
    return f"{edit.what}\n\ndiff --git a/{ENTRY} b/{ENTRY}\n{''.join(diff)}"
