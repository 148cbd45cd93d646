"""Cheats against the real referee: by default a dozen at the strongest level that works here, with -m slow all of them there, and at
Landlock those that a sandbox has to stop. `autoresearch selftest --full --level all` runs every one at every level.

    python -m pytest tests/redteam [-m slow]
"""

import ast

import pytest

from bot.selftest import cheats
from eval.sandbox import LEVELS
from tests.redteam.attacks import CHEATS, FAST, apart_and_together, gets_what_is_expected, works

WEAKER = [(("network/udp", "secrets/git_credentials"), "landlock"), ("data/read_val_audited", "none")]
APART, TOGETHER = apart_and_together([name for name in FAST if "bubblewrap" in CHEATS[name].expect], "bubblewrap")


@pytest.mark.parametrize("name", [*APART, sum(TOGETHER.values(), [])], ids=str)
def test_a_cheat_fails_at_the_strongest_level(bench, name):
    gets_what_is_expected(bench, name, next(level for level in LEVELS if works(level)))


@pytest.mark.parametrize(("name", "level"), WEAKER)
def test_a_cheat_at_a_weaker_level(bench, name, level):
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
