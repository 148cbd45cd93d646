"""Which cheats are tried at which level, and what each must come to: shared by the default suite and the two long ones."""

import functools
from collections.abc import Sequence

import pytest

from bot.selftest import cheats
from bot.selftest.judge import attack
from eval.errors import RefereeError
from eval.sandbox import LEVELS, choose

CHEATS = {f"{cheat.group}/{cheat.name}": cheat for cheat in cheats.load()}
FAST = [name for name, cheat in CHEATS.items() if cheat.tier == "fast"]
OUTSIDE = ("data", "files", "leftovers", "network", "secrets")  # groups whose goal lies outside the candidate's folders
TRIED = {name: cheat for name, cheat in CHEATS.items() if cheat.tier != "full"}
STRONGEST = [name for name, cheat in TRIED.items() if LEVELS[0] in cheat.expect and name not in FAST]
SECOND = [name for name, cheat in TRIED.items() if LEVELS[1] in cheat.expect and cheat.group in OUTSIDE]
WANTED_NOTHING_ELSE = {"memory": 0, "files": {}, "door": "", "dose": "light", "honest": False}
# Each part has names of its own; a part that lacks a hook has the honest one.
SEVERAL = """
def part(text):
    names = dict(globals())
    exec(text, names)
    return names
PARTS = [part(text) for text in TEXTS]
def at_start(counts):
    for names in PARTS: names["at_start"](counts)
def before_training(counts):
    for names in PARTS: names["before_training"](counts)
def each_batch(step, inputs, targets):
    for names in PARTS: names["each_batch"](step, inputs, targets)
def after_training(counts):
    for names in PARTS: names["after_training"](counts)
def at_end(counts):
    for names in PARTS: names["at_end"](counts)
def at_load(directory, model):
    for names in PARTS: names["at_load"](directory, model)
def answer(logits, inputs):
    for names in PARTS: logits = names["answer"](logits, inputs)
    return logits
"""


def apart_and_together(names: Sequence[str], level: str) -> tuple[list[str], dict[str, list[str]]]:
    """Those that need a run of their own, and by group those that may share one: who only looks for a way out of the sandbox, and is to
    find none, does not stand in another's way. One that did would change the outcome."""
    apart, shared = [], {}
    for name in names:
        cheat = CHEATS[name]
        plain = all(getattr(cheat, field) == value for field, value in WANTED_NOTHING_ELSE.items())
        if plain and cheat.group in OUTSIDE and cheat.expect[level] == {"harmless"}:
            shared.setdefault(cheat.group, []).append(name)
        else:
            apart.append(name)
    return apart, shared


def together(names: Sequence[str], level: str) -> cheats.Cheat:
    """One candidate that tries all of these: whatever one of them gets, it gets."""
    tried = [CHEATS[name] for name in names]
    text = SEVERAL.replace("TEXTS", repr([cheat.text for cheat in tried]))
    expect = {level: frozenset.union(*(cheat.expect[level] for cheat in tried))}
    return cheats.Cheat("together", tried[0].group, ", ".join(names), tried[0].caught_by, text, expect, runs=max(c.runs for c in tried))


@functools.cache
def works(level: str) -> bool:
    try:
        return choose(level).level == level
    except RefereeError:
        return False


def gets_what_is_expected(bench, name: str | Sequence[str], level: str) -> None:
    if not works(level):
        pytest.skip(f"{level} does not work here")
    found = attack(bench, CHEATS[name] if isinstance(name, str) else together(name, level), level)
    assert found.ok, f"{found.outcome} instead of {found.expected}: {found.why}"
