"""Cheats against the real referee: by default a dozen at the strongest level that works here, with -m slow all of them there, and at
Landlock those that a sandbox has to stop. `autoresearch selftest --full --level all` runs every one at every level.

    python -m pytest tests/redteam [-m slow]
"""

import ast
import functools
import sys

import pytest

from bot.selftest import cheats, suite
from bot.selftest.judge import attack
from eval.errors import RefereeError
from eval.sandbox import LEVELS, choose

CHEATS = {f"{cheat.group}/{cheat.name}": cheat for cheat in cheats.load()}
FAST = [name for name, cheat in CHEATS.items() if cheat.tier == "fast"]
WEAKER = [("network/udp", "landlock"), ("secrets/git_credentials", "landlock"), ("data/read_val_audited", "none")]  # by default too
OUTSIDE = ("data", "files", "leftovers", "network", "secrets")  # groups whose goal lies outside the candidate's folders
TRIED = {name: cheat for name, cheat in CHEATS.items() if cheat.tier != "full"}
SLOW = [(name, LEVELS[0]) for name, cheat in TRIED.items() if LEVELS[0] in cheat.expect and name not in FAST]
SLOW += [(name, LEVELS[1]) for name, cheat in TRIED.items() if LEVELS[1] in cheat.expect and cheat.group in OUTSIDE]


@functools.cache
def works(level: str) -> bool:
    try:
        return choose(level).level == level
    except RefereeError:
        return False


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with suite.bench(sys.executable, sys.executable, "cpu", tmp_path_factory.mktemp("redteam")) as setup:
        yield setup


def gets_what_is_expected(bench, name: str, level: str) -> None:
    if not works(level):
        pytest.skip(f"{level} does not work here")
    found = attack(bench, CHEATS[name], level)
    assert found.ok, f"{found.outcome} instead of {found.expected}: {found.why}"


@pytest.mark.parametrize("name", [name for name in FAST if "bubblewrap" in CHEATS[name].expect])
def test_a_cheat_fails_at_the_strongest_level(bench, name):
    gets_what_is_expected(bench, name, next(level for level in LEVELS if works(level)))


@pytest.mark.parametrize(("name", "level"), WEAKER)
def test_a_cheat_at_a_weaker_level(bench, name, level):
    gets_what_is_expected(bench, name, level)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "level"), SLOW)
def test_every_other_cheat(bench, name, level):
    gets_what_is_expected(bench, name, level)


def test_there_are_enough_of_them():
    assert len(CHEATS) >= 45


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_one_complete_train_py(name):
    text = cheats.assemble(CHEATS[name].text, {"val": "/data/val.bin"})
    assert any(isinstance(node, ast.FunctionDef) and node.name == "load_model" for node in ast.parse(text).body)


@pytest.mark.parametrize("name", [name for name, cheat in CHEATS.items() if "bubblewrap" in cheat.expect])
def test_no_cheat_may_win_in_a_sandbox(name):
    for level in ("bubblewrap", "landlock"):
        assert not CHEATS[name].expect[level] & {"scored", "reached"}
