"""A branch that was brought up to date, by either button or by hand: the base moved, and nothing is lost or called a colleague's."""

import pytest

from bot.errors import UsageError
from bot.records import HUMAN
from tests.bot.kept import FILES
from tests.bot.people import BOT, CAROL, People, text
from tests.conftest import commit_all, git, make_repo


@pytest.fixture
def at(tmp_path) -> People:
    """Two kept changes, A and B."""
    found = People.start(tmp_path / "repo")
    found.keep(text(a=1))
    found.keep(text(a=1, b=2))
    return found


def carried(history) -> list[int]:
    return [e.proposal.carries for e in history.stack]


def sources(history) -> set[str]:
    return {e.proposal.source for e in history.stack}


def test_a_clean_merge_of_the_base_branch_is_the_base_that_moved(at):
    main, tip = at.main_moves(text(c=3)), at.tip
    merge = at.move(at.merge(tip, "main"))
    history = at.read()
    assert history.base == main and carried(history) == [1, 2] and sources(history) == {"constants"}
    assert at.text == text(a=1, b=2, c=3) and history.rebases[-1].replaces == merge
    assert [parents for _, parents in at.commits(main)] == [[main], [at.commits(main)[0][0]]]


def test_a_merge_with_the_base_branch_first_is_as_good(at):
    main, tip = at.main_moves(text(c=3)), at.tip
    at.move(at.merge("main", tip, who=CAROL))
    history = at.read()
    assert history.base == main and carried(history) == [1, 2] and sources(history) == {"constants"}


def test_merging_the_base_branch_twice_is_one_move(at):
    at.main_moves(text(c=3))
    first = at.merge(at.tip, "main")
    main = at.main_moves(text(c=4))
    at.move(at.merge(first, "main"))
    history = at.read()
    assert history.base == main and carried(history) == [1, 2] and len(history.rebases) == 1
    assert sources(history) == {"constants"} and at.text == text(a=1, b=2, c=4)


def test_what_was_read_once_is_not_read_again(at):
    at.main_moves(text(c=3))
    at.move(at.merge(at.tip, "main"))
    before = len(at.read().experiments)
    again = at.read()
    assert len(again.rebases) == 1 and len(again.experiments) == before


def test_a_merge_that_brings_nothing_that_is_measured_moves_the_base_too(at):
    main = at.main_moves("notes\n", path="notes.md")
    at.move(at.merge(at.tip, "main"))
    history = at.read()
    assert history.base == main and carried(history) == [1, 2] and sources(history) == {"constants"}


def test_a_conflict_that_was_resolved_by_hand_stays_as_it_is_on_the_new_base(at):
    main, tip = at.main_moves(text(a=5)), at.tip
    merge = at.move(at.merge(tip, "main", text(a=7, b=2), CAROL))
    history = at.read()
    assert history.base == main and history.champion_sha == merge == at.tip
    assert [(e.proposal.carries, e.proposal.source) for e in history.stack] == [(2, "constants"), (0, HUMAN)]
    assert "carol" in history.stack[-1].proposal.hypothesis
    assert [e.status for e in history.given] == ["discard", "keep", "keep"]  # A conflicts: it is in what carol made of it


def test_a_merge_that_keeps_one_side_whole_is_a_decision(at):
    """`git merge -s ours`: git itself would have taken the base's line too."""
    main, tip = at.main_moves(text(c=3)), at.tip
    merge = at.move(at.merge(tip, "main", text(a=1, b=2), CAROL))
    history = at.read()
    assert history.champion_sha == merge and HUMAN in sources(history) and history.base == main
    assert at.text == text(a=1, b=2)


def test_a_colleagues_commit_below_the_merge_is_never_rewritten(at):
    theirs = at.move(at.commit(at.tip, text(a=1, b=2, c=9)))
    at.read()
    main = at.main_moves("notes\n", path="notes.md")
    merge = at.move(at.merge(theirs, "main"))
    history = at.read()
    assert history.base == main and history.champion_sha == merge and at.repo.ancestor(theirs, at.tip)
    assert [e.proposal.source for e in history.stack] == ["constants", "constants", HUMAN, HUMAN]
    assert all(at.repo.ancestor(history.commit_of(e), at.tip) for e in history.stack)  # what the pull request links to


def test_a_colleagues_commit_on_top_of_the_merge_stays(at):
    main = at.main_moves(text(c=3))
    theirs = at.move(at.commit(at.merge(at.tip, "main"), text(a=1, b=6, c=3)))
    history = at.read()
    assert history.base == main and history.champion_sha == theirs
    assert carried(history) == [1, 2, 0] and history.stack[-1].proposal.source == HUMAN
    assert history.stack[-1].proposal.hypothesis == "carol: by hand"  # the merge below it is nobody's


def test_commits_that_github_rebased_are_taken_as_they_are(at):
    main = at.main_moves(text(c=3))
    tip = at.move(at.rebase(at.tip, "main"))
    history = at.read()
    assert history.base == main and history.champion_sha == tip == at.tip
    assert carried(history) == [1, 2] and sources(history) == {"constants"}


def test_a_colleagues_commit_that_github_rebased_is_still_theirs(at):
    theirs = at.move(at.commit(at.tip, text(a=1, b=2, c=9)))
    at.read()
    at.main_moves("notes\n", path="notes.md")
    tip = at.move(at.rebase(theirs, "main"))
    history = at.read()
    assert history.champion_sha == tip and carried(history) == [1, 2, 3]
    assert [e.proposal.source for e in history.stack] == ["constants", "constants", HUMAN]


def test_another_machines_line_on_the_new_base_is_taken_as_it_is(at):
    """Both read the same merge, and the other one pushed first."""
    main = at.main_moves(text(c=3))
    at.move(at.merge(at.tip, "main"))
    at.read()
    one = at.commit(main, text(a=1, c=3), "change 0001\n\nExperiment: 0008\nCarried-From: 0005\n", BOT)
    other = at.move(at.commit(one, text(a=1, b=2, c=3), "change 0002\n\nExperiment: 0009\nCarried-From: 0006\n", BOT))
    history = at.read()
    assert history.champion_sha == other == at.tip and [at.origin(history, e) for e in history.stack] == [1, 2]
    assert sources(history) == {"constants"}


def test_what_another_machine_kept_on_the_newer_base_is_no_humans(at):
    main = at.main_moves(text(c=3))
    at.move(at.commit(at.rebase(at.tip, "main"), text(a=4, b=2, c=3), "change\n\nExperiment: 0009\n", BOT))
    history = at.read()
    assert history.base == main and [e.proposal.source for e in history.stack] == ["constants", "constants", "another machine"]


def test_a_branch_that_was_put_on_the_base_branch_itself_has_nothing_left(at):
    at.published()
    main = at.main_moves(text(c=3))
    at.move(main)
    history = at.read()
    assert history.base == main == history.champion_sha and history.rebases[-1].out == (1, 2)


def test_what_the_base_branch_merged_and_reverted_is_taken_out(at):
    at.published()
    at.git.update("refs/heads/main", at.merge("main", at.tip, who=CAROL))
    main = at.move(at.main_moves(text(a=1)))
    history = at.read()
    assert history.base == main and history.rebases[-1].merged == (1,) and history.rebases[-1].out == (2,)


def test_what_the_new_base_has_is_not_applied_again(at):
    main = at.main_moves(text(a=1, c=3))
    at.move(at.merge(at.tip, "main"))
    history = at.read()
    assert history.base == main and history.rebases[-1].merged == (1,) and carried(history) == [2]


def test_a_merge_of_anything_else_is_a_colleagues_commit(at):
    feature = at.commit(at.base, text(c=8), "a feature")
    merge = at.move(at.merge(at.tip, feature, who=CAROL))
    history = at.read()
    assert history.champion_sha == merge and history.base == at.base
    assert [e.proposal.source for e in history.stack] == ["constants", "constants", HUMAN]


def test_an_empty_commit_does_not_hold_the_base(at):
    empty = at.move(at.git.commit_tree(at.repo.tree_of(at.tip), [at.tip], "start the checks", CAROL, at.tick()))
    assert at.read().champion_sha == empty
    main = at.main_moves(text(c=3))
    history = at.read()
    assert history.base == main and carried(history) == [1, 2]


def test_a_prune_that_github_rebased_is_not_recorded_twice(at):
    at.prune(1, text(b=2))
    main = at.main_moves(text(c=3))
    tip = at.move(at.rebase(at.tip, "main"))
    history = at.read()
    assert history.champion_sha == tip and history.base == main and at.text == text(b=2, c=3)
    assert [at.origin(history, e) for e in history.stack] == [2] and HUMAN not in sources(history)


def test_a_colleague_who_undid_a_part_of_a_change_is_not_in_the_base_because_nothing_is(at):
    """Their commit alone would change nothing there; with the change that it corrects it does."""
    at.keep(text(a=1, b=6, c=7))
    theirs = at.move(at.commit(at.tip, text(a=1, b=6)))
    at.read()
    at.main_moves(text().replace("# two", "# 2"))
    history = at.read()
    assert history.champion_sha == theirs and len(history.stack) == 4 and len(history.rebases) == 1


def test_the_base_does_not_become_another_one_in_a_run_that_was_prepared(at):
    at.main_moves(text(c=3))
    at.move(at.merge(at.tip, "main"))
    with pytest.raises(UsageError, match="start it again"):
        at.line().adopt()
    assert not at.history.rebases


class TestAnotherMachineWasThereFirst:
    """It began on an older base than this one did, and put its keep on the branch; ours was seen by nobody."""

    @pytest.fixture
    def at(self, tmp_path) -> People:
        root = tmp_path / "repo"
        make_repo(root, FILES | {"train.py": text()})
        older = git(root, "rev-parse", "HEAD")
        (root / "notes.md").write_text("main moves\n")
        commit_all(root, "notes")
        found = People(root)
        found.repo.ignore(".autoresearch")
        found.opened()
        found.keep(text(a=1))
        found.theirs = found.repo.commit(older, {"train.py": text(b=2)}, "their keep\n\nExperiment: 0001\n", 1.0)
        found.move(found.theirs)
        return found

    def test_its_keep_stays_and_ours_is_applied_again_on_top(self, at):
        history = at.read()
        assert at.text == text(a=1, b=2) and carried(history) == [0, 1] and at.repo.ancestor(at.theirs, at.tip)
        assert sources(history) == {"another machine", "constants"}

    def test_not_where_ours_was_on_the_branch_before(self, at):
        at.move(at.history.champion_sha)
        at.published()
        at.move(at.theirs)
        with pytest.raises(UsageError, match="was rewritten by someone else"):
            at.read()

    def test_not_where_a_human_began_it(self, at):
        at.move(at.commit(at.repo.resolve(f"{at.theirs}^"), text(b=3)))
        with pytest.raises(UsageError, match="was rewritten by someone else"):
            at.read()
