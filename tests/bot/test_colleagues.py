"""A colleague's commits on the research's branch, between two nights. Real git, the real command line."""

import shutil
from pathlib import Path

import pytest

from tests.bot.two_numbers import PARAMS, change, lines, one_night, propose
from tests.conftest import commit_all, git
from tests.targets import autoresearch, history


@pytest.fixture(autouse=True)
def without_a_sandbox(monkeypatch):
    monkeypatch.setenv("AUTORESEARCH_SANDBOX", "none")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return one_night(tmp_path_factory.mktemp("night"))


@pytest.fixture
def repo(night, tmp_path):
    return Path(shutil.copytree(night, tmp_path / "repo"))


def on_branch(root, text, message="by hand", path="params.py"):
    """A colleague's commit on the research's branch, made in a worktree of theirs."""
    other = root.parent / "colleague"
    git(root, "worktree", "add", "-q", "--detach", str(other), "autoresearch/demo")
    (other / path).write_text(text)
    commit_all(other, message)
    sha = git(other, "rev-parse", "HEAD")
    git(root, "worktree", "remove", "--force", str(other))
    git(root, "update-ref", "refs/heads/autoresearch/demo", sha)
    return sha


def test_a_colleagues_commit_becomes_the_champion_once_measured(repo):
    theirs = on_branch(repo, PARAMS.format(x=4.5, y=7.0))
    propose(repo, change("X", 4.5, 4.0))
    autoresearch(repo, "run")
    known = history(repo)
    assert git(repo, "merge-base", theirs, "autoresearch/demo") == theirs
    assert len(known.pool(theirs)) >= 4
    assert lines(repo, "autoresearch/demo")[0] == "X = 4.0" and lines(repo, "autoresearch/demo")[-1] == "Y = 7.0"


def test_a_colleagues_commit_is_never_taken_out(repo):
    theirs = on_branch(repo, PARAMS.format(x=4.5, y=9.0) + "# a remark that brings nothing\n")
    autoresearch(repo, "confirm")
    assert git(repo, "rev-parse", "autoresearch/demo") == theirs and not history(repo).prunes


def test_a_commit_to_other_files_stops_the_run_and_says_why(repo):
    theirs = on_branch(repo, "not measured\n", path="notes.md")
    output = autoresearch(repo, "run", code=2)
    assert "notes.md" in output and "editable" in output
    assert git(repo, "rev-parse", "autoresearch/demo") == theirs


@pytest.mark.slow
def test_a_merge_by_hand_that_does_not_run_ends_the_night_and_stays(repo):
    (repo / "params.py").write_text(PARAMS.format(x=5.0, y=8.5))
    commit_all(repo, "main moves")
    other = repo.parent / "other"
    git(repo, "worktree", "add", "-q", "--detach", str(other), "autoresearch/demo")
    git(other, "merge", "-q", "--no-commit", "main")
    (other / "params.py").write_text(PARAMS.format(x=4.5, y="no number"))
    theirs = commit_all(other, "Merge branch 'main'")
    git(repo, "worktree", "remove", "--force", str(other))
    git(repo, "update-ref", "refs/heads/autoresearch/demo", theirs)
    assert "ended as crash" in autoresearch(repo, "run", code=1)
    assert git(repo, "rev-parse", "autoresearch/demo") == theirs


@pytest.mark.slow
def test_a_branch_that_was_rewritten_stops_the_run(repo):
    git(repo, "checkout", "-q", "--orphan", "other")
    git(repo, "commit", "-qm", "a new root")
    git(repo, "update-ref", "refs/heads/autoresearch/demo", "HEAD")
    git(repo, "checkout", "-q", "main")
    assert "rewritten" in autoresearch(repo, "run", code=2)


@pytest.mark.slow
def test_what_was_kept_beside_a_colleagues_commit_goes_on_top_of_it(repo):
    before = git(repo, "rev-parse", "autoresearch/demo")
    propose(repo, change("Y", 9.0, 8.0))
    autoresearch(repo, "run")  # experiment 2 is kept here ...
    git(repo, "update-ref", "refs/heads/autoresearch/demo", before)
    theirs = on_branch(repo, PARAMS.format(x=4.2, y=9.0))  # ... while they built on experiment 1
    autoresearch(repo, "run")
    assert git(repo, "merge-base", theirs, "autoresearch/demo") == theirs
    assert lines(repo, "autoresearch/demo")[0] == "X = 4.2" and lines(repo, "autoresearch/demo")[-1] == "Y = 8.0"
    assert [(e.proposal.source, e.proposal.carries) for e in history(repo).keeps[1:]] == [("human", 0), ("replay:001.patch", 2)]


@pytest.mark.slow
def test_a_base_does_not_move_below_a_colleagues_unmerged_commit(repo):
    theirs = on_branch(repo, PARAMS.format(x=4.5, y=7.0))
    autoresearch(repo, "run")
    base = history(repo).base
    (repo / "params.py").write_text("# moved\n" + PARAMS.format(x=5.0, y=9.0))
    commit_all(repo, "main moves")
    assert "up to date (*Update branch*)" in autoresearch(repo, "run")
    assert history(repo).base == base and git(repo, "rev-parse", "autoresearch/demo") == theirs


@pytest.mark.slow
def test_a_colleagues_commit_is_not_lost_when_the_base_moves_in_the_same_day(repo):
    theirs = on_branch(repo, PARAMS.format(x=4.5, y=7.0))
    (repo / "params.py").write_text(PARAMS.format(x=5.0, y=9.0) + "# main moves\n")
    commit_all(repo, "main moves")
    assert "up to date (*Update branch*)" in autoresearch(repo, "run")
    assert git(repo, "rev-parse", "autoresearch/demo") == theirs


def test_a_branch_that_was_brought_up_to_date_is_built_upon(repo):
    (repo / "notes.md").write_text("nothing that is measured\n")
    commit_all(repo, "notes")
    other = repo.parent / "colleague"
    git(repo, "worktree", "add", "-q", "--detach", str(other), "autoresearch/demo")
    git(other, "merge", "-q", "--no-ff", "-m", "Merge branch 'main'", "main")
    git(repo, "update-ref", "refs/heads/autoresearch/demo", git(other, "rev-parse", "HEAD"))
    git(repo, "worktree", "remove", "--force", str(other))
    propose(repo, change("Y", 9.0, 8.0))
    autoresearch(repo, "run")
    assert git(repo, "merge-base", "main", "autoresearch/demo") == git(repo, "rev-parse", "main")
    assert lines(repo, "autoresearch/demo")[-1] == "Y = 8.0"
    autoresearch(repo, "run")
