"""The red team's files: what each says about itself, and the complete train.py that it stands for. Nothing here runs a cheat.

A file of tests/redteam/cheats/<group>/ holds literals (CAUGHT_BY, EXPECT, ...) and the functions in which it differs from
tests/redteam/base.py; its docstring says what it tries. EXPECT names the outcomes allowed at each level, "|" between them.
"""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import UsageError
from eval.sandbox import LEVELS

ROOT = Path(__file__).resolve().parents[2]
HERE, TOLD = "# THE CHEAT\n", "WORLD: dict = {}"
TIERS = ("fast", "slow", "full")
OUTCOMES = {"scored", "reached", "harmless", "refused", "violation", "crash", "timeout", "oom", "invalid"}
FIELDS = {"CAUGHT_BY", "EXPECT", "TIER", "RUNS", "DOSE", "MEMORY", "FILES", "DOOR", "HONEST"}


@dataclass(frozen=True)
class Cheat:
    """`expect`: level -> allowed outcomes; a level that is missing is not tried. `memory`: GB of address space, 0 = no limit.
    `door`: "edit" for what must not get past `bot.edit`. `honest`: a better value is no cheat."""

    name: str
    group: str
    tries: str
    caught_by: str
    text: str
    expect: Mapping[str, frozenset[str]]
    tier: str = "slow"
    runs: int = 1
    dose: str = "light"
    memory: int = 0
    files: Mapping[str, str] = field(default_factory=dict)
    door: str = ""
    honest: bool = False


def folder() -> Path:
    """Where the red team is. UsageError where it is not: a wheel holds no tests."""
    found = ROOT / "tests" / "redteam"
    if not (found / "base.py").is_file():
        raise UsageError(f"the self-test needs a checkout of autoresearch: {found} is missing in this installation")
    return found


def load() -> list[Cheat]:
    """Every cheat, by group and name."""
    return [read(path) for path in sorted((folder() / "cheats").glob("*/*.py"))]


def read(path: Path) -> Cheat:
    """AssertionError if a file does not say what it must."""
    text = path.read_text()
    tree = ast.parse(text)
    facts: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in FIELDS:
            facts[node.targets[0].id.lower()] = ast.literal_eval(node.value)
    tries, expect = ast.get_docstring(tree), facts.pop("expect", None)
    assert tries and expect and facts.get("caught_by"), f"{path} needs a docstring, EXPECT and CAUGHT_BY"
    by_level = expect if isinstance(expect, dict) else dict.fromkeys(LEVELS, expect)
    allowed = {level: frozenset(outcomes.split("|")) for level, outcomes in by_level.items()}
    assert set(allowed) <= set(LEVELS) and frozenset().union(*allowed.values()) <= OUTCOMES, f"{path}: EXPECT"
    assert facts.get("tier", "slow") in TIERS, f"{path}: TIER"
    return Cheat(path.stem, path.parent.name, " ".join(tries.split()), text=text, expect=allowed, **facts)


def base() -> str:
    """The honest candidate."""
    return (folder() / "base.py").read_text()


def assemble(text: str, told: Mapping[str, Any]) -> str:
    """A complete train.py: the honest one, told where everything is, with the cheat's functions in place of its own."""
    honest = base()
    assert honest.count(HERE) == 1 and honest.count(TOLD) == 1, "base.py has lost its marks"
    return honest.replace(TOLD, f"WORLD: dict = json.loads({json.dumps(dict(told))!r})").replace(HERE, f"{HERE}\n{text}")
