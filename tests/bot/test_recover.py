"""A ledger that lost a line, and a repository that lost an object: the night goes on, and nothing that was kept is lost."""

import json
import shutil
import subprocess

import pytest

from bot.history import History
from bot.ledger import Ledger
from tests.conftest import git
from tests.targets import CONFIG, autoresearch, make_target, patch, walk


@pytest.fixture(autouse=True)
def without_a_sandbox(monkeypatch):
    """A sandbox costs each command 0.1 s and changes nothing here; tests/bot/test_isolation.py has it."""
    monkeypatch.setenv("AUTORESEARCH_SANDBOX", "none")


THREE_GAINS = [patch(5.0, 4.9, "one"), patch(4.9, 4.8, "two"), patch("77.0", 1, "does not apply"), patch(4.8, 4.7, "three")]


def ledger_of(root):
    return Ledger(root / ".autoresearch/ledger/demo")


def history(root):
    return History.fold(ledger_of(root).events())


def lose(root, wanted):
    """Replaces the only line that `wanted` picks by garbage."""
    path = ledger_of(root).path
    lines = path.read_text().splitlines(keepends=True)
    (index,) = [i for i, line in enumerate(lines) if wanted(json.loads(line))]
    path.write_text("".join([*lines[:index], "garbage\n", *lines[index + 1 :]]))


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    root = make_target(tmp_path_factory.mktemp("night") / "repo", THREE_GAINS)
    autoresearch(root, "run", AUTORESEARCH_SANDBOX="none")
    assert [e.id for e in history(root).keeps] == [1, 2, 4]
    return root


@pytest.fixture
def root(night, tmp_path):
    """A night of three gains that each test damages in its own way."""
    return shutil.copytree(night, tmp_path / "repo", symlinks=True)


@pytest.mark.parametrize("id", [1, 2, 4])
def test_a_lost_keep_stays_kept_and_the_branch_stays_where_it_is(root, id):
    tip, runs = git(root, "rev-parse", "autoresearch/demo"), sum(len(e.measurements) for e in history(root).experiments.values())
    lose(root, lambda e: e["event"] == "verdict" and e["id"] == id)
    autoresearch(root, "run")
    past = history(root)
    assert [e.id for e in past.keeps] == [1, 2, 4] and past.champion_sha == tip == git(root, "rev-parse", "autoresearch/demo")
    assert sum(len(e.measurements) for e in past.experiments.values()) == runs


def test_a_lost_failure_is_a_failure_again_and_measures_nothing(root):
    lose(root, lambda e: e["event"] == "verdict" and e["id"] == 3)
    autoresearch(root, "run")
    assert history(root).experiments[3].status == "crash"


def test_a_lost_opening_is_recovered_from_what_was_measured(root):
    tip = git(root, "rev-parse", "autoresearch/demo")
    lose(root, lambda e: e["event"] == "opened")
    autoresearch(root, "run")
    assert history(root).base == git(root, "rev-parse", "main") and git(root, "rev-parse", "autoresearch/demo") == tip


def test_a_lost_baseline_verdict_is_that_of_the_base_again(root):
    value = history(root).experiments[0].verdict.value
    lose(root, lambda e: e["event"] == "verdict" and e["id"] == 0)
    autoresearch(root, "run")
    assert history(root).experiments[0].verdict.value == value


def test_the_seed_of_a_lost_run_is_not_used_by_another(root):
    lose(root, lambda e: e["event"] == "measurement" and e["id"] == 4 and e["role"] == "champion" and e["index"] == 1)
    autoresearch(root, "run", "--budget", "19s")
    runs = [(m.sha, m.seed, m.context) for e in history(root).experiments.values() for m in e.measurements]
    assert len(runs) == len(set(runs))


@pytest.mark.parametrize(("patches", "status"), [(True, "keep"), (False, "invalid")])
def test_a_pruned_commit_is_made_again_from_its_patch(root, patches, status):
    """The fourth experiment loses its verdict, its runs and its commit, as after a kill, a reset and a `git gc`."""
    path = ledger_of(root).path
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line).get("id") != 4 or json.loads(line)["event"] == "proposal"]
    path.write_text("".join(kept))
    git(root, "update-ref", "refs/heads/autoresearch/demo", history(root).champion_sha)
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "gc", "-q", "--prune=now")
    assert subprocess.run(["git", "cat-file", "-e", history(root).pending.proposal.sha], cwd=root, check=False).returncode
    if not patches:
        ledger_of(root).patch_path(4).unlink()
    autoresearch(root, "run")
    assert history(root).experiments[4].status == status


def test_a_file_that_was_changed_and_kept_cannot_leave_the_editable_ones(tmp_path):
    """Else the champion would be measured without its own change."""
    root = make_target(tmp_path / "repo", walk(1), CONFIG.replace("[params.py]", "[params.py, other.py]"))
    (root / "other.py").write_text("Y = 1\n")
    git(root, "add", "other.py")
    git(root, "commit", "-q", "-m", "other")
    autoresearch(root, "run")
    (root / "autoresearch.yml").write_text(CONFIG.replace("[params.py]", "[other.py]"))
    assert "editable: this research has changed params.py; keep it in the list" in autoresearch(root, "run", code=2)
