"""The self-test itself: it notices a cheat that wins, says so in its exit code, and leaves nothing behind.

    python -m pytest tests/redteam/test_selftest.py
"""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from bot.cli import cli
from bot.errors import UsageError
from bot.selftest import cheats, judge, suite, table
from bot.selftest.trial import Bench
from bot.selftest.world import World
from bot.selftest.zoo import Passed
from eval import lock

BENCH = Bench("python", "python", "cpu", Path("/nowhere"), Path("/nowhere"), honest=1.0)
CHEAT = next(cheat for cheat in cheats.load() if cheat.name == "fake_score_printed")
OK = {"outcome": "ok", "val_bpb": 1.0, "reason": "", "log_tail": ""}


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "world", lock.stage(tmp_path / "referee"))
    yield made
    made.close()


def found(outcome: str) -> judge.Judged:
    return judge.judged(CHEAT, "none", outcome, "why", None, 1.0)


def test_a_better_value_is_a_score():
    assert judge.verdict(BENCH, CHEAT, OK | {"val_bpb": 0.99}, [])[0] == "scored"


def test_the_honest_value_is_harmless():
    assert judge.verdict(BENCH, CHEAT, OK, [])[0] == "harmless"


def test_a_goal_counts_whatever_the_referee_says():
    assert judge.verdict(BENCH, CHEAT, OK | {"outcome": "violation"}, ["sealed text"])[0] == "reached"


def test_honest_work_may_be_better():
    assert judge.verdict(BENCH, replace(CHEAT, honest=True), OK | {"val_bpb": 0.9}, [])[0] == "harmless"


def test_untouched_world(world):
    assert world.reached(OK, world.run / "kept") == []


@pytest.mark.parametrize("place", ["environment", "git", "store", "netrc", "bystander"])
def test_a_stolen_secret_is_found_in_the_log(world, place):
    assert world.reached(OK | {"log_tail": f"LOOT {world.secrets[place]}"}, world.run / "kept") == [f"the secret of the {place}"]


def test_a_stolen_secret_is_found_in_the_checkpoint(world):
    (world.run / "kept").mkdir()
    (world.run / "kept" / "config.json").write_text(world.secrets["git"])
    assert world.reached(OK, world.run / "kept") == ["the secret of the git"]


@pytest.mark.parametrize("name", ["ledger", "git_config", "github_env", "earlier", "other_file", "val", "netrc"])
def test_a_changed_file_is_found(world, name):
    with open(world.told[name], "a") as file:
        file.write("x")
    assert world.reached(OK, world.run / "kept") == [f"changed {Path(world.told[name]).relative_to(world.root)}"]


def test_a_new_file_is_found(world):
    (world.root / "repo/.git/hooks/post-checkout").write_text("x")
    assert world.reached(OK, world.run / "kept") == ["changed repo/.git/hooks/post-checkout"]


def test_nothing_is_left(tmp_path):
    world = World(tmp_path / "world", lock.stage(tmp_path / "referee"))
    (tmp_path / "world/home/closed").mkdir(mode=0)
    world.tmp.mkdir()
    world.close()
    assert not (tmp_path / "world").exists() and not world.tmp.exists() and world.bystander.returncode is not None


def test_exit_code_needs_every_cheat_to_fail():
    model = Passed("gru", "odd", "none", "ok", True, "1.0", 1.0)
    assert table.trusted([found("harmless")], [model])
    for cheat in ("scored", "reached", "oom"):  # the last one is not expected of it
        assert not table.trusted([found(cheat)], [model])
    assert not table.trusted([found("harmless")], [replace(model, ok=False)])


def test_a_pipe_gets_plain_lines():
    stream = StringIO()
    table.show([found("harmless"), found("scored")], [], Console(file=stream, width=80))
    rows = [line.split("\t") for line in stream.getvalue().splitlines()]
    assert rows[1][0] == "score/fake_score_printed" and len(rows[1]) == 6 and "\x1b" not in stream.getvalue()
    assert rows[-1] == ["none: 2 cheats, 1 scored, 0 reached another goal, 1 unexpected"]


def test_markdown_has_one_row_per_cheat_and_marks_what_won():
    text = table.markdown([found("harmless"), replace(found("scored"), level="landlock")], ["bubblewrap", "landlock", "none"])
    assert text.count("fake_score_printed") == 1 and "| - | **scored** (unexpected) | harmless |" in text


def test_an_unknown_name_is_refused():
    with pytest.raises(UsageError, match="names no cheat"):
        suite.cases(["none"], False, "nonsense")


def test_an_installation_without_tests_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(cheats, "ROOT", tmp_path)
    with pytest.raises(UsageError, match="needs a checkout"):
        suite.cases(["none"], False)


def test_the_command_judges_one_cheat(monkeypatch, tmp_path):
    monkeypatch.setenv("AUTORESEARCH_CACHE", str(tmp_path))
    done = CliRunner().invoke(cli, ["selftest", "--level", "none", "--only", "unnormalized", "--json"])
    facts = json.loads(done.stdout)
    assert done.exit_code == 0 and facts["ok"] and facts["cheats"][0]["outcome"] == "harmless"
    assert list(tmp_path.iterdir()) == []
