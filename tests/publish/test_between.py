"""What people did after a night's machine had its checkout, and before the night is published."""

from types import SimpleNamespace

import pytest

from bot.forge.records import Pull
from bot.publish.doors import Doors
from bot.publish.mode import handed_over
from bot.publish.pull import settled
from bot.records import HUMAN
from bot.remote import Remote
from tests.bot.kept import Research
from tests.bot.people import text
from tests.bot.remotes import bare, put, remote, two_pushed
from tests.bot.test_bundle import written
from tests.conftest import commit_all, git
from tests.publish.box import BRANCH, PARAMS, change, github


def test_the_base_may_be_newer_than_what_the_publisher_checked_out(tmp_path):
    """A job waits for its machine in the commit that started it; the branch was brought up to date meanwhile."""
    first = Research.start(tmp_path / "box")
    git(tmp_path, "clone", "-q", str(first.root), "publisher")
    (first.root / "train.py").write_text("X = 3\n")
    commit_all(first.root, "main moves")
    first.ledger.path.unlink()
    box = Research(first.root).opened()
    head = box.keep("X = 4\n")
    publisher = Research(tmp_path / "publisher")
    doors = Doors(publisher.repo, Remote(publisher.repo, str(first.root)), None, None)
    inputs = SimpleNamespace(publication=written(box, tmp_path / "out"))
    assert publisher.base != box.base
    assert handed_over(doors, inputs, publisher.settings)[0].champion_sha == head


def test_what_a_colleague_put_on_top_and_merged_was_all_of_it(tmp_path):
    """The branch is gone, so that only the pull request knows their commit."""
    at = two_pushed(tmp_path)
    elsewhere = tmp_path / "carol"
    git(tmp_path, "clone", "-q", str(bare(at)), elsewhere.name)
    theirs = Research(elsewhere).repo.commit(at.tip, {"train.py": text(a=1, b=2, c=7)}, "by hand", at.at)
    other = at.commit("main", text(c=7))
    git(elsewhere, "push", "-q", str(bare(at)), f"{theirs}:refs/pull/1/head")
    put(at, other, "refs/pull/2/head")
    doors = Doors(at.repo, remote(at), None, None)
    said = [settled(doors, merged(number, sha), at.history) for number, sha in ((1, theirs), (2, other), (3, "5" * 40))]
    assert "#1 was merged, and has all of it" in said[0] and said[1:] == ["", ""]


def merged(number: int, head: str) -> Pull:
    return Pull(number, "", "closed", True, False, "autoresearch/demo", head, "main", "", "", (), "", "6" * 40, "2026-11-27T01:00:00Z")


@pytest.mark.slow
@pytest.mark.parametrize("merge", [True, False])
def test_a_colleagues_commit_of_a_deleted_branch_does_not_stop_the_publisher(tmp_path, merge):
    """The machine that may only read built on it, and could write down nowhere that it was on the branch."""
    with github(tmp_path, change("X", 5.0, 4.5)) as world:
        assert world.box().use(mode="all").ok
        world.repo.push_as("carol", BRANCH, {"params.py": PARAMS.format(x=4.4, y=9.0)}, "by hand")
        reader, publisher, folder = world.box(contents="read"), world.box(), str(tmp_path / "handed")
        assert reader.use(mode="run", publication=folder).ok
        if merge:
            world.repo.edit(1, draft=False)
            world.repo.merge(1, how="squash", delete_branch=True)
        else:
            world.repo.delete_branch(BRANCH)
        result = publisher.use(mode="publish", publication=folder)
        assert result.ok and len(world.repo.pulls) == 1 and not world.repo.branch(BRANCH), result.log
        assert world.history(reader.name).stack[-1].proposal.source == HUMAN
