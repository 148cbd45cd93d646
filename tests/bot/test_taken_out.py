"""What people take out of the branch: by moving it back, a revert, writing a commit anew. Recorded, and never pushed back over."""

from types import SimpleNamespace

import pytest

from bot.commits import sync_branch
from bot.errors import UsageError
from bot.records import HUMAN, Pruned
from bot.stack import Stack
from tests.bot.people import CAROL, People, text, three_kept


@pytest.fixture
def at(tmp_path) -> People:
    return three_kept(tmp_path / "repo")


def stack(history) -> list[int]:
    return [history.origin(e).id for e in history.stack]


def labels(history) -> dict[int, str]:
    return {id: label.status for id, label in Stack(history).labels().items()}


def test_what_is_above_the_commit_that_people_moved_back_to_is_taken_out(at):
    first = at.history.champions[1]
    at.move(first)
    history = at.read()
    assert history.champion_sha == first == at.tip and stack(history) == [1]
    assert labels(history)[2] == labels(history)[3] == "pruned" and "moved autoresearch/demo back" in Stack(history).labels()[2].why
    assert [e.id for e in history.listed] == [1, 2, 3] and history.fates == {1: "in", 2: "out", 3: "out"}


def test_a_branch_that_a_kill_left_behind_is_no_decision(at):
    before = at.marks.left
    at.move(at.history.champions[2])
    at.marks.leave(at.history.champions[2])  # the verdict on C is recorded, and the branch was to be moved next
    history = at.read()
    assert stack(history) == [1, 2, 3] and at.tip == before and not history.rebases


def test_a_branch_that_people_move_back_during_a_run_is_not_moved_over_them(at):
    night, second = SimpleNamespace(history=at.history, repo=at.repo, settings=at.settings), at.history.champions[2]
    at.move(second)
    with pytest.raises(UsageError, match="moved by someone else"):
        sync_branch(night)
    assert at.tip == second
    at.marks.leave(second)  # a kill had come first
    sync_branch(night)
    assert at.tip == at.marks.left == at.history.champion_sha


def test_what_nobody_has_seen_yet_is_applied_on_top(at):
    """C was kept while somebody moved the branch back below B."""
    first, second = at.history.champions[1:3]
    at.marks.leave(second)
    at.move(first)
    history = at.read()
    assert stack(history) == [1, 3] and at.text == text(a=1, c=3) and history.rebases[-1].out == (2,)


def test_a_branch_that_was_moved_back_to_the_base_has_nothing_left(at):
    at.move(at.base)
    history = at.read()
    assert history.champion_sha == at.base and not history.stack and set(labels(history).values()) == {"pruned"}


def test_moving_the_branch_forward_again_brings_it_back(at):
    first, _, third = at.history.champions[1:]
    at.move(first)
    at.read()
    at.move(third)
    history = at.read()
    assert history.champion_sha == third == at.tip and stack(history) == [1, 2, 3] and "pruned" not in labels(history).values()


def test_a_commit_of_which_a_part_was_pruned_comes_back_whole(at):
    """As it was committed: less than that is on the branch only above the prune."""
    third, fourth = at.tip, at.keep(text(a=7, b=2, c=8))
    pruned = at.repo.commit(fourth, {"train.py": text(a=7, b=2, c=3)}, "take out\n\nPrunes: 0004 hunks 2\n", at.at)
    at.record(Pruned, id=4, stack=fourth, variant=pruned, sha=pruned, ids=(4,), hunks=(2,), why="pruned: it brings nothing")
    at.leave_at(pruned)
    at.move(third)
    assert stack(at.read()) == [1, 2, 3]
    at.move(fourth)
    history = at.read()
    assert history.champion_sha == fourth and stack(history) == [1, 2, 3, 4]


def test_what_was_pruned_and_put_back_by_people_is_not_pruned_again(at):
    third = at.tip
    at.prune(2, text(a=1, c=3))
    assert at.read().variants
    at.move(third)
    history = at.read()
    assert history.champion_sha == third and stack(history) == [1, 2, 3]
    assert history.wanted == {2} and Stack(history).variants == []


@pytest.mark.parametrize(("id", "left"), [(1, {"b": 2, "c": 3}), (2, {"a": 1, "c": 3}), (3, {"a": 1, "b": 2})])
def test_a_revert_takes_one_change_out_and_leaves_the_rest(at, id, left):
    revert = at.move(at.commit(at.tip, text(**left), f'Revert "change {id:04d}"'))
    history = at.read()
    assert history.champion_sha == revert and stack(history) == [other for other in (1, 2, 3) if other != id]
    assert labels(history)[id] == "pruned" and "carol took it out" in Stack(history).labels()[id].why
    assert HUMAN not in {e.proposal.source for e in history.keeps}


@pytest.mark.parametrize("id", [2, 3])
def test_a_revert_that_does_more_takes_the_change_out_and_is_their_own(at, id):
    """Its message says which: there was a conflict, or they put something else there."""
    reverted = at.history.sha_of(at.history.experiments[id])
    values = {"a": 1, "b": 9, "c": 3} if id == 2 else {"a": 1, "b": 2, "c": 9}
    tip = at.move(at.commit(at.tip, text(**values), f'Revert "change"\n\nThis reverts commit {reverted}.\n'))
    history = at.read()
    assert history.champion_sha == tip and labels(history)[id] == "pruned"
    assert stack(history) == [other for other in (1, 2, 3) if other != id] + [4] and history.stack[-1].proposal.source == HUMAN


def test_a_revert_that_was_merged_takes_the_change_out_too(at):
    revert = at.commit(at.tip, text(a=1, b=2), 'Revert "change 0003"')
    tip = at.move(at.merge(at.tip, revert, text(a=1, b=2), CAROL))
    history = at.read()
    assert history.champion_sha == tip and 3 not in stack(history) and labels(history)[3] == "pruned"


def test_one_commit_may_take_out_several(at):
    revert = at.move(at.commit(at.tip, text(a=1), "without both"))
    history = at.read()
    assert history.champion_sha == revert and stack(history) == [1] and history.prunes[-1].ids == (2, 3)


def test_commits_before_and_after_a_revert_are_read_in_order(at):
    one = at.commit(at.tip, text(a=1, b=5, c=3), "tuned")
    other = at.commit(one, text(a=1, b=5), 'Revert "change 0003"')
    last = at.move(at.commit(other, text(a=8, b=5), "tuned again"))
    history = at.read()
    assert history.champion_sha == last and stack(history) == [1, 2, 4, 5]
    assert [e.proposal.sha for e in history.stack[2:]] == [one, last] and {e.proposal.source for e in history.stack[2:]} == {HUMAN}
    assert history.prunes[-1].sha == other and history.champions[-3:] == [one, other, last]


def test_the_base_moves_below_a_revert(at):
    at.move(at.commit(at.tip, text(a=1, b=2), 'Revert "change 0003"'))
    at.read()
    main = at.main_moves(text() + "# moved\n")
    history = at.read()
    assert history.base == main and stack(history) == [1, 2]


def test_a_revert_of_a_revert_is_a_colleagues_commit(at):
    at.move(at.commit(at.tip, text(a=1, b=2), 'Revert "change 0003"'))
    at.read()
    again = at.move(at.commit(at.tip, text(a=1, b=2, c=3), 'Reapply "change 0003"'))
    history = at.read()
    assert history.champion_sha == again and history.stack[-1].proposal.source == HUMAN


def test_a_change_that_was_taken_out_and_is_cherry_picked_counts_again(at):
    first, _, third = at.history.champions[1:]
    at.move(first)
    at.read()
    picked = at.move(at.pick(third, first))
    history = at.read()
    assert history.champion_sha == picked and stack(history) == [1, 3] and labels(history)[2] == "pruned"


def test_what_a_colleague_amended_is_the_new_version_and_the_old_one_is_gone(at):
    third = at.tip
    old = at.move(at.commit(third, text(a=1, b=2, c=7)))
    at.read()
    new = at.move(at.commit(third, text(a=1, b=2, c=8), "by hand, better"))
    history = at.read()
    assert history.champion_sha == new == at.tip and stack(history) == [1, 2, 3, 5] and labels(history)[4] == "pruned"
    assert not at.repo.ancestor(old, at.tip) and history.stack[-1].proposal.hypothesis == "carol: by hand, better"


def test_what_was_kept_on_the_old_version_goes_on_top_of_the_new_one(at):
    third = at.tip
    at.move(at.commit(third, text(a=1, b=2, c=7)))
    at.read()
    at.keep(text(a=1, b=6, c=7))
    at.move(at.commit(third, text(a=1, b=2, c=8), "by hand, better"))
    history = at.read()
    assert stack(history) == [1, 2, 3, 6, 5] and at.text == text(a=1, b=6, c=8)


def test_what_others_had_seen_on_the_old_version_is_not(at):
    """They pushed over it."""
    third = at.tip
    at.move(at.commit(third, text(a=1, b=2, c=7)))
    at.read()
    at.keep(text(a=1, b=6, c=7))
    at.published()
    new = at.move(at.commit(third, text(a=1, b=2, c=8), "by hand, better"))
    history = at.read()
    assert history.champion_sha == new and history.rebases[-1].out == (4, 5)


def test_what_a_colleagues_merge_had_was_seen_with_it(at):
    """The merge is on the branch, and the changes below it are not, as commits of their own."""
    main = at.main_moves(text(a=5))
    at.move(at.merge(at.tip, "main", text(a=7, b=2, c=3), CAROL))
    at.read()
    at.published()
    tip = at.move(at.commit(main, text(a=8)))
    history = at.read()
    assert history.champion_sha == tip and stack(history) == [history.stack[0].id] and not history.rebases[-1].carry


def test_an_interactive_rebase_that_leaves_one_out_takes_it_out(at):
    first = at.history.champions[1]
    tip = at.move(at.pick(at.tip, first))
    history = at.read()
    assert history.champion_sha == tip and stack(history) == [1, 3] and labels(history)[2] == "pruned"


def test_our_commit_with_other_content_is_theirs(at):
    """Amended: by the bot's name, but no human's number counts as measured."""
    tip = at.move(at.again(at.tip, at.history.champions[2], text(a=1, b=2, c=4)))
    history = at.read()
    assert history.champion_sha == tip and history.stack[-1].proposal.source == HUMAN and 3 not in stack(history)


def test_our_taking_out_with_other_content_is_theirs_too(at):
    """Amended: it is not what was measured without the change."""
    at.prune(3, text(a=1, b=2))
    tip = at.move(at.again(at.tip, f"{at.tip}^", text(a=1, b=4)))
    history = at.read()
    assert history.champion_sha == tip and history.stack[-1].proposal.source == HUMAN and len(history.taken_out) == 1
