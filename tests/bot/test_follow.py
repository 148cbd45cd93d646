"""What becomes of the research when its base branch moves, with our changes or without them. Real git, the real command line."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.ledger import ENCODER, Ledger
from bot.records import Rebased
from tests.bot.two_numbers import PARAMS, SCORE, change, lines, one_night, propose
from tests.conftest import commit_all, git
from tests.targets import autoresearch, environment, history, statuses


@pytest.fixture(autouse=True)
def without_a_sandbox(monkeypatch):
    monkeypatch.setenv("AUTORESEARCH_SANDBOX", "none")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return one_night(tmp_path_factory.mktemp("night"))


@pytest.fixture
def repo(night, tmp_path):
    return Path(shutil.copytree(night, tmp_path / "repo"))


def merge(root, how):
    match how:
        case "merge":
            git(root, "merge", "-q", "--no-ff", "-m", "merged", "autoresearch/demo")
        case "fast-forward":
            git(root, "merge", "-q", "--ff-only", "autoresearch/demo")
        case "squash":
            git(root, "merge", "-q", "--squash", "autoresearch/demo")
            git(root, "commit", "-qm", "squashed")
        case "rebase":
            git(root, "commit", "-q", "--allow-empty", "-m", "something else")
            git(root, "cherry-pick", "main..autoresearch/demo")


@pytest.mark.parametrize("how", ["squash", *(pytest.param(how, marks=pytest.mark.slow) for how in ("merge", "fast-forward", "rebase"))])
def test_what_was_merged_is_not_applied_again(repo, how):
    merge(repo, how)
    propose(repo, change("Y", 9.0, 8.0))
    autoresearch(repo, "run")
    known = history(repo)
    assert known.base == git(repo, "rev-parse", "main") and known.rebases[0].merged == (1,)
    assert [e.id for e in known.stack] == [2]
    assert git(repo, "rev-list", "--count", "main..autoresearch/demo") == "1"
    assert lines(repo, "autoresearch/demo")[0] == "X = 4.5" and lines(repo, "autoresearch/demo")[-1] == "Y = 8.0"


@pytest.mark.parametrize("how", ["merge", "squash"])
def test_what_was_merged_and_reverted_is_not_brought_back(repo, how):
    merge(repo, how)
    git(repo, "revert", "--no-edit", *(["-m", "1"] if how == "merge" else []), "HEAD")
    autoresearch(repo, "run")
    known = history(repo)
    assert known.base == git(repo, "rev-parse", "main") and known.rebases[0].out == (1,) and not known.stack
    assert lines(repo, known.champion_sha)[0] == "X = 5.0"


@pytest.mark.slow
def test_a_new_base_is_measured_as_a_baseline(repo):
    merge(repo, "squash")
    autoresearch(repo, "run")
    known = history(repo)
    assert len(known.pool(known.base)) == 4 and known.experiments[0].verdict.sha == known.base


def test_an_unmerged_change_is_applied_to_the_new_base_and_measured_there(repo):
    (repo / "params.py").write_text(PARAMS.format(x=5.0, y=8.5))
    commit_all(repo, "main moves")
    output = autoresearch(repo, "run")
    known = history(repo)
    assert [e.proposal.carries for e in known.stack] == [1] and known.rebases[0].carry == (1,)
    assert lines(repo, "autoresearch/demo")[0] == "X = 4.5" and lines(repo, "autoresearch/demo")[-1] == "Y = 8.5"
    assert len(known.pool(known.champion_sha)) >= 4 and len(known.pool(known.base)) >= 4
    assert "carried over from 0001" in output


@pytest.mark.slow
def test_what_is_carried_over_is_proved_against_the_new_base(repo):
    (repo / "params.py").write_text(PARAMS.format(x=5.0, y=8.5))
    commit_all(repo, "main moves")
    autoresearch(repo, "run", "--stop-after", "1h")
    finals = [m for m in history(repo).experiments[0].runs("final")]
    assert {m.sha for m in finals[-6:]} == {git(repo, "rev-parse", "main"), git(repo, "rev-parse", "autoresearch/demo")}


def test_a_change_in_conflict_with_the_new_base_is_dropped_and_said_to_be(repo):
    (repo / "params.py").write_text(PARAMS.format(x=3.0, y=9.0))
    commit_all(repo, "main moves the same number")
    output = autoresearch(repo, "run")
    assert statuses(repo)[2] == "discard" and "conflict" in history(repo).experiments[2].verdict.why and "conflict" in output
    assert history(repo).champion_sha == git(repo, "rev-parse", "main") == git(repo, "rev-parse", "autoresearch/demo")


def test_a_base_that_moves_elsewhere_changes_nothing(repo):
    tip = git(repo, "rev-parse", "autoresearch/demo")
    (repo / "notes.md").write_text("nothing that is measured\n")
    commit_all(repo, "notes")
    autoresearch(repo, "run")
    assert not history(repo).rebases and git(repo, "rev-parse", "autoresearch/demo") == tip


@pytest.mark.slow
@pytest.mark.parametrize("kept", range(1, 4))
def test_a_kill_while_following_loses_and_repeats_nothing(repo, kept):
    """The ledger cut after each of the lines that following writes."""
    (repo / "params.py").write_text(PARAMS.format(x=5.0, y=8.5))
    commit_all(repo, "main moves")
    autoresearch(repo, "run")
    ledger, expected = Ledger(repo / ".autoresearch/ledger/demo"), git(repo, "rev-parse", "autoresearch/demo")
    events = list(ledger.events())
    first = next(i for i, event in enumerate(events) if isinstance(event, Rebased))
    ledger.path.write_bytes(b"".join(ENCODER.encode(event) + b"\n" for event in events[: first + kept]))
    autoresearch(repo, "run")
    known = history(repo)
    assert len(known.rebases) == 1 and [e.proposal.carries for e in known.stack] == [1]
    assert git(repo, "rev-parse", "autoresearch/demo") == expected


def test_the_report_says_what_became_of_it(repo):
    (repo / "params.py").write_text(PARAMS.format(x=5.0, y=8.5))
    commit_all(repo, "main moves")
    autoresearch(repo, "run")
    report = (repo / ".autoresearch/report/demo/report.md").read_text()
    assert "carried over from 0001" in report and "main moved from" in report


@pytest.mark.slow
def test_a_base_that_moves_after_something_was_taken_out_brings_it_not_back(repo):
    propose(repo, change("Y", 9.0, 8.0))
    autoresearch(repo, "run")
    root = repo
    drop_by_hand(root, 2)
    (repo / "params.py").write_text(PARAMS.format(x=5.0, y=9.0) + "# main moves\n")
    commit_all(repo, "main moves")
    autoresearch(repo, "run")
    assert [e.proposal.carries for e in history(repo).stack] == [1] and not history(repo).prunes
    assert lines(repo, "autoresearch/demo")[0] == "X = 4.5" and "Y = 9.0" in lines(repo, "autoresearch/demo")


def drop_by_hand(root, id):
    """What `/autoresearch drop` does, in a night of its own."""
    night = f"lambda night: (ablate.settle(night), drop.run(night, {id}, 'alice'))[1]"
    imports = "import sys; from bot import ablate, drop; from bot.commands import act, load_settings"
    code = f"{imports}; act(load_settings(), {night}, sys.stdout)"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_carried_change_that_does_not_run_on_the_new_base_is_left_behind(repo):
    (repo / "score.py").write_text(SCORE.replace("noise =", "assert X != 4.5\nnoise ="))
    (repo / "params.py").write_text(PARAMS.format(x=5.0, y=8.5))
    commit_all(repo, "main moves")
    output = autoresearch(repo, "run")
    assert "does not run on the new base" in output
    assert history(repo).champion_sha == git(repo, "rev-parse", "main") == git(repo, "rev-parse", "autoresearch/demo")


@pytest.mark.slow
def test_a_file_that_became_editable_is_followed(repo):
    merge(repo, "squash")
    (repo / "extra.py").write_text("Z = 1\n")
    (repo / "autoresearch.yml").write_text((repo / "autoresearch.yml").read_text().replace("[params.py]", "[params.py, extra.py]"))
    commit_all(repo, "one more file")
    autoresearch(repo, "run")
    assert history(repo).champion_sha == git(repo, "rev-parse", "main")


@pytest.mark.slow
def test_a_script_that_a_command_runs_is_followed_though_nobody_named_it(repo):
    (repo / "autoresearch.yml").write_text((repo / "autoresearch.yml").read_text().replace("locked: [score.py]\n", ""))
    (repo / "score.py").write_text(SCORE.replace("(X - 2.0)", "(X - 1.0)"))
    commit_all(repo, "another score")
    autoresearch(repo, "run")
    assert history(repo).base == git(repo, "rev-parse", "main")
