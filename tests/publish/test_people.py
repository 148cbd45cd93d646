"""Whole nights after people changed the pull request's branch: with GitHub's buttons, by a reset, by a revert."""

import pytest

from bot.records import HUMAN
from tests.publish.box import BRANCH, PARAMS, change, github
from tests.publish.hands import move_back, revert, update_branch


@pytest.fixture
def night(tmp_path):
    """X and Y are kept, and in the pull request."""
    with github(tmp_path, change("X", 5.0, 4.5), change("Y", 9.0, 8.0)) as world:
        box = world.box()
        result = box.use(mode="all")
        assert result.ok and world.params() == ("X = 4.5", "Y = 8.0"), result.log
        yield world, box


@pytest.mark.slow  # by default tests/bot/test_colleagues.py has it, without GitHub
@pytest.mark.parametrize("how", ["merge", "rebase"])
def test_a_branch_that_was_brought_up_to_date_goes_on_from_there(night, how):
    world, box = night
    main = world.repo.push_as("alice", "main", {"params.py": PARAMS.format(x=5.0, y=9.0).replace("three", "moved")}, "main moves")
    theirs = update_branch(world, how)
    world.propose(change("X", 4.5, 4.0).replace("three", "moved"))
    result = box.use(mode="all")
    assert result.ok and result.outputs["pr-operation"] == "updated", result.log
    history = world.history(box.name)
    assert history.base == main and world.contains(BRANCH, main) and world.params() == ("X = 4.0", "Y = 8.0")
    assert HUMAN not in {e.proposal.source for e in history.stack} and len(history.stack) == 3
    assert world.contains(BRANCH, theirs) == (how == "rebase") and world.repo.test_merge(world.repo.pulls[1])
    assert box.use(mode="all").outputs["head-sha"] == result.outputs["head-sha"]


@pytest.mark.slow
def test_a_branch_that_was_moved_back_is_not_pushed_forward_again(night):
    world, _ = night
    first = move_back(world, 1)
    other = world.box()  # it has neither the state nor the clone
    result = other.use(mode="all")
    assert result.ok and world.repo.branch(BRANCH) == first and world.params() == ("X = 4.5", "Y = 9.0"), result.log
    assert [e.id for e in world.history(other.name).stack] == [1] and "moved back" not in result.log
    assert "someone moved" in world.repo.pulls[1].body


@pytest.mark.slow
def test_what_a_machine_handed_over_is_not_pushed_over_a_branch_that_was_moved_back(night, tmp_path):
    world, _ = night
    reader, publisher = world.box(contents="read"), world.box()
    world.propose(change("X", 4.5, 4.0))
    assert reader.use(mode="run", publication=str(tmp_path / "handed")).ok
    first = move_back(world, 1)
    result = publisher.use(mode="publish", publication=str(tmp_path / "handed"))
    assert result.ok and "moved back by someone" in result.log and world.repo.branch(BRANCH) == first, result.log


@pytest.mark.slow
def test_a_revert_is_kept_and_the_rest_goes_on(night):
    world, box = night
    theirs = revert(world, world.repo.branch(BRANCH))
    world.propose(change("X", 4.5, 4.0))
    result = box.use(mode="all")
    assert result.ok and world.params() == ("X = 4.0", "Y = 9.0") and world.contains(BRANCH, theirs), result.log
    history = world.history(box.name)
    assert [e.id for e in history.stack] == [1, 3] and history.prunes[0].ids == (2,)
    assert "Human took it out" in world.repo.pulls[1].body
