"""Who wrote a commit, and whether a merge is git's own work."""

import os
import shutil

import pytest

from bot.written import Written
from tests.bot.people import BOT, CAROL, People, text
from tests.forge.repository import WEB


@pytest.fixture
def at(tmp_path) -> People:
    found = People.start(tmp_path / "repo")
    found.keep(text(a=1))
    found.keep(text(a=1, b=2))
    return found


def test_an_older_git_tells_them_apart_as_well(at, tmp_path, monkeypatch):
    """One that cannot merge without a checkout."""
    real = shutil.which("git")
    at.main_moves(text(a=0, b=0, c=3) + "# more\n")
    clean, decided = at.merge(at.tip, "main"), at.merge(at.tip, "main", text(a=1, b=2, c=4) + "# more\n", CAROL)
    sides = [at.tip, at.repo.resolve("main")]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f'#!/bin/sh\ncase "$1" in merge-tree) exit 129 ;; esac\nexec {real} "$@"\n')
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    written = Written(at.repo)
    assert written.clean(clean, sides) and not written.clean(decided, sides)


def test_no_human_hand_was_on_what_the_bot_wrote_and_github_moved(at):
    written = Written(at.repo)
    ours = at.tip
    assert written.bot(ours) and written.machine(ours) and written.machine(at.again(ours, at.base, text(b=2), WEB))
    picked, theirs = at.again(ours, at.base, text(b=2), CAROL), at.commit(at.base, text(b=2))
    assert written.bot(picked) and not written.machine(picked) and not written.bot(theirs)
    assert written.names([ours, picked, theirs]) == ["carol"] and written.names([at.commit(ours, text(), who=BOT)]) == []


def test_a_merge_of_three_is_nobodys_to_judge(at):
    sides = [at.tip, at.commit(at.base, text(c=3)), at.commit(at.base, "notes\n", path="notes.md")]
    merge = at.git.commit_tree(at.repo.tree_of(at.tip), sides, "Merge", CAROL, at.tick())
    assert not Written(at.repo).clean(merge, sides)
