"""People put the branch on a line that the research left when its base moved: what is on it counts, on the base where it can be."""

import pytest

from bot.errors import UsageError
from bot.records import HUMAN
from tests.bot.people import People, text, three_kept


@pytest.fixture
def at(tmp_path) -> People:
    return three_kept(tmp_path / "repo")


def moved(**values: int) -> str:
    """As the base branch has it now."""
    return text(**values).replace("two", "moved")


def stack(history) -> list[int]:
    return [history.origin(e).id for e in history.stack]


def test_a_line_from_before_the_base_moved_is_put_on_the_newer_base_again(at):
    second = at.history.champions[2]
    main = at.main_moves(moved())
    at.read()
    at.published()
    at.move(second)
    history = at.read()
    assert history.base == main and stack(history) == [1, 2]
    assert [at.origin(history, history.experiments[id]) for id in history.rebases[-2].out] == [3]
    assert at.text == moved(a=1, b=2)


def test_a_branch_that_was_moved_back_to_an_older_base_has_nothing_left(at):
    main = at.main_moves(moved())
    at.read()
    at.published()
    at.move(at.base)
    history = at.read()
    assert history.base == main == history.champion_sha == at.tip


def test_a_colleagues_commit_on_a_line_from_before_the_base_moved_holds_its_base(at):
    old = at.tip
    at.main_moves(moved())
    at.read()
    theirs = at.move(at.commit(old, text(a=1, b=2, c=9)))
    history = at.read()
    assert history.base == at.base and history.champion_sha == theirs and stack(history)[:3] == [1, 2, 3]
    assert history.stack[-1].proposal.source == HUMAN


def test_a_colleague_may_go_on_with_a_branch_that_was_merged(at):
    """The night after the merge began anew, and kept nothing: so it is still there."""
    old = at.tip
    at.git.update("refs/heads/main", at.merge("main", old))
    assert not at.read().stack
    theirs = at.move(at.commit(old, text(a=1, b=2, c=9)))
    history = at.read()
    assert history.champion_sha == theirs and [e.proposal.source for e in history.stack] == [HUMAN]


def test_a_merge_that_people_put_back_is_read_again(at):
    main = at.main_moves(moved())
    merge = at.move(at.merge(at.tip, "main"))
    at.read()
    at.keep(moved(a=1, b=2, c=8))
    at.published()
    at.move(merge)
    history = at.read()
    assert history.base == main and stack(history) == [1, 2, 3] and at.text == moved(a=1, b=2, c=3)
    assert history.rebases[-1].out == (7,)


def test_a_merge_below_a_colleagues_commit_may_be_undone(at):
    """The branch is what it was before the button: theirs is on it, so the base goes back too."""
    theirs = at.move(at.commit(at.tip, text(a=1, b=2, c=9)))
    at.read()
    at.main_moves("notes\n", path="notes.md")
    at.move(at.merge(theirs, "main"))
    at.read()
    at.move(theirs)
    history = at.read()
    assert history.base == at.base and history.champion_sha == theirs and stack(history) == [1, 2, 3, 4]


def test_a_branch_with_nothing_of_ours_on_an_older_base_stops_the_run(at):
    stranger = at.commit(at.base, text(c=4), "another idea")
    at.main_moves(text(c=5))
    at.read()
    at.move(stranger)
    with pytest.raises(UsageError, match="rewritten by someone else .* delete the branch"):
        at.read()
    assert at.tip == stranger
