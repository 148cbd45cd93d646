"""A night that read what people did to the remote's branch, and could not push: nobody but its record knows, and that is enough."""

import pytest

from bot.errors import UsageError
from bot.publish.branch import Pushed
from tests.bot.people import People, text
from tests.bot.remotes import BRANCH, another, bare, bring, push, put, there, two_pushed
from tests.conftest import git


@pytest.fixture
def at(tmp_path) -> People:
    return two_pushed(tmp_path)


def read(at: People):
    bring(at)
    return at.read()


@pytest.mark.parametrize("fresh", [False, True])
def test_what_was_read_and_then_taken_off_the_branch_is_not_pushed_back(at, fresh):
    second = at.tip
    put(at, at.commit(second, text(a=1, b=2, c=7)))
    assert len(read(at).stack) == 3
    put(at, second)
    clone = another(at) if fresh else at
    assert push(clone).status == "foreign" and there(at) == second
    history = read(clone)
    assert history.champion_sha == second and history.rebases[-1].out == (3,)
    assert push(clone) == Pushed("same", second, second)


def test_a_revert_that_was_read_and_taken_off_again_brings_the_change_back(at):
    second = at.tip
    put(at, at.commit(second, text(a=1), 'Revert "change 0002"'))
    assert [e.id for e in read(at).stack] == [1]
    put(at, second)
    history = read(at)
    assert history.champion_sha == second and [e.id for e in history.stack] == [1, 2]


def test_what_stopped_a_night_may_be_mended_there(at):
    """The clone still has what it could not go on from."""
    put(at, at.commit(at.tip, "notes\n", path="notes.md"))
    with pytest.raises(UsageError, match="notes.md"):
        read(at)
    mended = put(at, at.commit(at.history.champion_sha, text(a=1, b=2, c=7)))
    assert push(at).status == "foreign"
    assert read(at).champion_sha == mended


def test_a_branch_that_was_deleted_after_it_was_read_is_made_again(at):
    theirs = put(at, at.commit(at.tip, text(a=1, b=2, c=7)))
    read(at)
    git(bare(at), "update-ref", "-d", BRANCH)
    assert push(at) == Pushed("pushed", theirs) and there(at) == theirs


def test_a_branch_that_was_deleted_before_a_killed_night_had_read_it_is_made_again(at):
    theirs = put(at, at.commit(at.tip, text(a=1, b=2, c=7)))
    bring(at)
    git(bare(at), "update-ref", "-d", BRANCH)
    assert read(at).champion_sha == theirs and push(at) == Pushed("pushed", theirs)


def test_a_merge_that_was_read_is_replaced_by_the_next_push(at):
    put(at, at.main_moves(text(c=3)), "refs/heads/main")
    merge = put(at, at.merge(at.tip, "main"))
    head = read(at).champion_sha
    assert read(at).champion_sha == head and len(at.history.rebases) == 1
    assert push(another(at)) == Pushed("pushed", head, merge)
