"""Which cheats are tried at which level, and what each must come to: shared by the default suite and the two long ones."""

import functools

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


@functools.cache
def works(level: str) -> bool:
    try:
        return choose(level).level == level
    except RefereeError:
        return False


def gets_what_is_expected(bench, name: str, level: str) -> None:
    if not works(level):
        pytest.skip(f"{level} does not work here")
    found = attack(bench, CHEATS[name], level)
    assert found.ok, f"{found.outcome} instead of {found.expected}: {found.why}"
