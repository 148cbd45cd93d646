"""What a clone that never pushed knows of the remote's branch: whether people moved it since a machine left it, and what was ever on it."""

import pytest

from bot.errors import AutoresearchError
from bot.gitrepo import GitRepo
from bot.publish import bundle
from bot.publish.branch import Pushed, known_there, push_code, remote_tip
from bot.publish.ledgerbranch import LedgerBranch
from bot.remote import Remote
from tests.bot.people import People, text
from tests.bot.remotes import BRANCH, LOG, another, bare, bring, push, put, there, two_pushed
from tests.conftest import git


@pytest.fixture
def at(tmp_path) -> People:
    return two_pushed(tmp_path)


def test_a_new_clone_does_not_push_over_a_branch_that_people_moved_back(at):
    first, second = at.history.champions[1:]
    put(at, first)
    hosted = another(at)
    assert push(hosted) == Pushed("foreign", second, first) and there(at) == first


def test_a_new_clone_pushes_what_no_machine_has_pushed_yet(at):
    second = at.tip
    third = at.keep(text(a=1, b=2, c=3))
    assert push(another(at)) == Pushed("pushed", third, second)


def test_a_new_clone_reads_that_the_branch_was_moved_back(at):
    first = put(at, at.history.champions[1])
    other = another(at)
    bring(other)
    history = other.read()
    assert [e.id for e in history.stack] == [1] and history.rebases[-1].out == (2,)
    assert push(other) == Pushed("same", first, first)
    third = other.keep(text(a=1, c=3))
    assert push(other) == Pushed("pushed", third, first)


def test_a_branch_that_only_this_machine_is_ahead_of_is_not_brought(at):
    third = at.keep(text(a=1, b=2, c=3))
    bring(at)
    assert at.tip == third and not at.read().rebases


def test_a_clone_that_stayed_behind_is_no_decision_of_anybodys(at):
    """Its branch is where it left it; another clone pushed the record's newer change."""
    other = another(at)
    other.leave_at(other.history.champions[1])
    bring(other)
    assert not other.read().rebases and other.tip == at.tip


def test_moving_it_forward_again_is_read_too(at):
    first, second = at.history.champions[1:]
    put(at, first)
    bring(at)
    at.read()
    push(at)
    put(at, second)
    assert push(at).status == "foreign"
    bring(at)
    history = at.read()
    assert history.champion_sha == second and push(at) == Pushed("same", second, second)


def test_another_machines_answer_does_not_hide_that_it_was_moved_back(at):
    """The other one knows nothing of the second change, finds the branch where it has it, and says so."""
    first = at.history.champions[1]
    events = at.ledger.path.read_bytes().splitlines(keepends=True)
    other = another(at)
    other.ledger.path.write_bytes(b"".join(events[:4]))
    assert other.history.champion_sha == first
    put(at, first)
    assert push(other) == Pushed("same", first, first)
    again = another(at)
    assert push(at).status == push(again).status == "foreign"
    bring(again)
    assert [e.id for e in again.read().stack] == [1]


def test_moving_it_forward_from_the_base_is_read_too(at):
    second = at.tip
    put(at, at.base)
    bring(at)
    at.read()
    assert push(at).status == "same"
    other = another(at)
    put(at, second)
    bring(other)
    assert other.read().champion_sha == second


def test_the_branch_and_its_log_move_together_or_not_at_all(at):
    log, second = there(at, LOG), at.tip
    at.keep(text(a=1, b=2, c=3))

    class Slow(Remote):
        def push(self, *args) -> None:
            put(at, at.git.write(second, {"train.py": text(a=9)}, "by hand", ("carol", "carol@example.com"), at.tick()))
            super().push(*args)

    assert push_code(Slow(at.repo, str(bare(at))), at.repo, at.settings, at.history).status == "foreign"
    assert there(at, LOG) == log


def test_a_server_that_takes_no_log_gets_the_branch(at):
    hook = bare(at) / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/*) ;; *) exit 1 ;; esac\n')
    hook.chmod(0o755)
    log = there(at, LOG)
    for values in ({"a": 3}, {"a": 4}):
        sha = at.keep(text(**values))
        assert push(at).status == "pushed" and there(at) == sha
    assert there(at, LOG) == log
    first = put(at, at.history.champions[-2])
    assert push(at).status == "foreign" and there(at) == first  # by what this clone pushed itself


def test_a_merge_that_holds_nothing_of_anybodys_is_replaced_once(at):
    main = at.main_moves(text(c=3))
    put(at, main, "refs/heads/main")
    merge = put(at, at.merge(at.tip, "main"))
    bring(at)
    head = at.read().champion_sha
    assert push(at) == Pushed("pushed", head, merge) and there(at) == head
    put(at, merge)
    assert push(at).status == "foreign" and there(at) == merge


def test_a_rebase_by_github_needs_no_push(at):
    put(at, at.main_moves(text(c=3)), "refs/heads/main")
    tip = put(at, at.rebase(at.tip, "main"))
    bring(at)
    assert at.read().champion_sha == tip
    log = there(at, LOG)
    assert push(at) == Pushed("same", tip, tip) and there(at, LOG) != log
    third = at.keep(text(a=1, b=2, c=4))
    assert push(at) == Pushed("pushed", third, tip)


def test_the_base_may_have_moved_after_the_checkout(at):
    """The merge has commits of the base branch that the clone has never heard of."""
    main = at.main_moves(text(c=3))
    put(at, main, "refs/heads/main")
    merge = at.merge(at.tip, "main")
    at.git.update("refs/heads/main", at.base)
    put(at, merge)
    bring(at)
    history = at.read()
    assert history.base == main and [e.proposal.carries for e in history.stack] == [1, 2]


def test_a_revert_does_not_stop_the_base_from_moving_in_the_same_night(at):
    revert = put(at, at.commit(at.tip, text(a=1), 'Revert "change 0002"'))
    at.main_moves(text() + "# moved\n")
    bring(at)
    history = at.read()
    assert history.stack[0].proposal.carries == 1 and len(history.stack) == 1
    assert push(at) == Pushed("pushed", history.champion_sha, revert)


def test_a_branch_that_people_changed_here_and_there_is_left_alone(at):
    here = at.move(at.commit(at.tip, text(a=1, b=2, c=7), "here"))
    put(at, at.commit(at.history.champion_sha, text(a=1, b=2, c=8), "there"))
    with pytest.raises(AutoresearchError, match="changed here and on the remote"):
        bring(at)
    assert at.tip == here


def test_a_deleted_branch_with_a_colleagues_commit_is_made_again(at):
    theirs = put(at, at.commit(at.tip, text(a=1, b=2, c=7)))
    bring(at)
    at.read()
    push(at)
    git(bare(at), "update-ref", "-d", BRANCH)
    third = at.keep(text(a=1, b=6, c=7))
    assert push(at) == Pushed("pushed", third) and GitRepo(bare(at)).ancestor(theirs, third)


def test_a_publisher_of_a_handed_over_record_makes_it_again_too(at, tmp_path):
    """Of that it believes nothing, but it finds the colleague's commit in the log."""
    put(at, at.commit(at.tip, text(a=1, b=2, c=7)))
    bring(at)
    at.read()
    push(at)
    git(bare(at), "update-ref", "-d", BRANCH)
    third, ledger = at.keep(text(a=1, b=6, c=7)), LedgerBranch(at.repo, "demo", "w1")
    sha = ledger.commit(ledger.collect(at.settings), "ledger", at.at)
    folder = bundle.write(at.settings, at.repo, at.history, sha, tmp_path / "handed", "w1")
    git(tmp_path, "clone", "-q", str(bare(at)), "publisher")
    publisher = GitRepo(tmp_path / "publisher")
    there = remote_tip(Remote(publisher, str(bare(at))), publisher, at.settings)
    received = bundle.read(publisher, folder, at.settings, known_there(publisher, at.settings, there))
    assert received.results.head == third


def test_what_was_pushed_stays_there_whatever_becomes_of_the_branch(at):
    first, second = at.history.champions[1:]
    put(at, first)
    bring(at)
    at.read()
    assert push(at).status == "same"
    git(bare(at), "reflog", "expire", "--expire=now", "--all")
    git(bare(at), "gc", "-q", "--prune=now")
    assert GitRepo(bare(at)).resolve(second)
