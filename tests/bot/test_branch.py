"""Pushing the code branch to a real repository that humans push to as well."""

from pathlib import Path

import pytest

from bot.errors import AutoresearchError
from bot.publish.branch import Pushed, push_code, remote_tip
from bot.records import Proposal, Rebased, Verdict
from bot.remote import Remote, RemoteError
from tests.bot.kept import Research
from tests.conftest import commit_all, git

BRANCH = "refs/heads/autoresearch/demo"


@pytest.fixture
def research(tmp_path):
    return Research.start(tmp_path / "repo")


@pytest.fixture
def bare(research, tmp_path) -> Path:
    git(tmp_path, "clone", "-q", "--bare", str(research.root), "bare.git")
    return tmp_path / "bare.git"


def push(at: Research, bare: Path) -> Pushed:
    return push_code(Remote(at.repo, str(bare)), at.repo, at.settings, at.history)


def there(bare: Path) -> str:
    return git(bare, "for-each-ref", "--format=%(objectname)", BRANCH)


def human_commit(bare: Path, folder: Path, files: dict[str, str], onto: str = BRANCH) -> str:
    """Somebody clones, commits and pushes."""
    git(folder.parent, "clone", "-q", str(bare), folder.name)
    git(folder, "checkout", "-q", "-b", "work", git(bare, "rev-parse", onto))
    for path, text in files.items():
        (folder / path).write_text(text)
    sha = commit_all(folder, "by hand")
    git(folder, "push", "-q", "--force", "origin", f"work:{BRANCH}")
    return sha


def test_each_keep_is_pushed_once(research, bare):
    first = research.keep("X = 1\n")
    assert push(research, bare) == Pushed("pushed", first) and there(bare) == first
    assert push(research, bare) == Pushed("same", first, first)
    second = research.keep("X = 2\n")
    assert push(research, bare) == Pushed("pushed", second, first) and there(bare) == second
    assert git(bare, "log", "--format=%s", f"main..{BRANCH}").count("experiment") == 2


def test_nothing_is_pushed_before_the_first_keep(research, bare):
    research.discard("X = 1\n")
    assert push(research, bare) == Pushed("nothing", research.base) and not there(bare)


def test_a_humans_commit_is_never_overwritten(research, bare, tmp_path):
    first = research.keep("X = 1\n")
    push(research, bare)
    theirs = human_commit(bare, tmp_path / "human", {"train.py": "X = 5\n"})
    research.keep("X = 2\n")
    assert push(research, bare) == Pushed("foreign", research.history.champion_sha, theirs, (theirs,))
    assert there(bare) == theirs and research.repo.ancestor(first, theirs)


def test_a_humans_rewritten_branch_is_never_overwritten(research, bare, tmp_path):
    research.keep("X = 1\n")
    push(research, bare)
    theirs = human_commit(bare, tmp_path / "human", {"README.md": "mine\n"}, onto="main")
    assert push(research, bare).foreign == (theirs,) and there(bare) == theirs


def test_a_branch_that_was_there_before_us_is_foreign(research, bare, tmp_path):
    theirs = human_commit(bare, tmp_path / "human", {"README.md": "mine\n"}, onto="main")
    research.keep("X = 1\n")
    assert push(research, bare).status == "foreign" and there(bare) == theirs


def test_a_branch_that_someone_moved_back_stays_there(research, bare):
    first = research.keep("X = 1\n")
    research.keep("X = 2\n")
    push(research, bare)
    git(bare, "update-ref", BRANCH, first)
    assert push(research, bare) == Pushed("foreign", research.history.champion_sha, first) and there(bare) == first


def test_an_adopted_commit_is_built_upon(research, bare, tmp_path):
    research.keep("X = 1\n")
    push(research, bare)
    theirs = human_commit(bare, tmp_path / "human", {"train.py": "X = 5\n"})
    remote_tip(Remote(research.repo, str(bare)), research.repo, research.settings)
    id, parent = research.history.next_id, research.history.champion_sha
    research.record(Proposal, id=id, parent=parent, sha=theirs, hypothesis="by hand", source="human", given=True)
    research.record(Verdict, id=id, status="keep", why="given", sha=theirs)
    mine = research.keep("X = 6\n")
    assert push(research, bare) == Pushed("pushed", mine, theirs)
    assert research.repo.ancestor(theirs, there(bare))


def test_a_kill_between_the_push_and_its_note_is_no_stranger(research, bare):
    """The ledger lost its last lines too: all that is left of the push is that it was about to happen."""
    research.keep("X = 1\n")
    push(research, bare)
    before = research.ledger.path.read_bytes()
    lost = research.keep("X = 2\n")
    research.ledger.path.write_bytes(before)
    git(research.root, "push", "-q", str(bare), f"{lost}:{BRANCH}")
    other = research.keep("X = 3\n")
    assert push(research, bare) == Pushed("foreign", other, lost, (lost,))
    git(research.root, "update-ref", "refs/autoresearch/pushing/demo", lost)
    assert push(research, bare) == Pushed("pushed", other, lost)


def test_what_is_about_to_be_pushed_is_noted_first(research, bare):
    hook = bare / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nGIT_DIR={research.root}/.git git rev-parse refs/autoresearch/pushing/demo > {bare}/noted\n")
    hook.chmod(0o755)
    sha = research.keep("X = 1\n")
    push(research, bare)
    assert (bare / "noted").read_text().strip() == sha
    assert research.repo.resolve("refs/autoresearch/pushed/demo") == sha and not research.repo.resolve("refs/autoresearch/pushing/demo")


def test_a_stack_on_a_new_base_replaces_what_we_pushed(research, bare):
    research.keep("X = 1\n")
    old = research.keep("X = 2\n")
    push(research, bare)
    (research.root / "helpers/text.py").write_text("Y = 2\n")
    base = commit_all(research.root)
    git(research.root, "push", "-q", str(bare), "main")
    research.record(Rebased, base=base, why="main moved")
    new = research.keep("X = 9\n")
    assert push(research, bare) == Pushed("pushed", new, old) and there(bare) == new
    assert not research.repo.ancestor(old, new)


def test_a_new_clone_does_not_push_over_what_its_record_never_heard_of(research, bare, tmp_path):
    first = research.keep("X = 1\n")
    push(research, bare)
    research.record(Rebased, base=research.base, why="another line")
    git(tmp_path, "clone", "-q", str(bare), "other")
    other = Research(tmp_path / "other", "HEAD")
    events = research.ledger.path.read_bytes().splitlines(keepends=True)
    other.ledger.path.parent.mkdir(parents=True)
    other.ledger.path.write_bytes(b"".join(events[:2]))  # a ledger that never heard of that champion
    other.keep("X = 4\n")
    assert push(other, bare).status == "foreign" and there(bare) == first


def test_a_new_clone_knows_the_champions_of_lines_that_were_left(research, bare, tmp_path):
    first = research.keep("X = 1\n")
    push(research, bare)
    research.record(Rebased, base=research.base, why="another line")
    git(tmp_path, "clone", "-q", str(bare), "other")
    other = Research(tmp_path / "other", "HEAD")
    other.ledger.path.parent.mkdir(parents=True)
    other.ledger.path.write_bytes(research.ledger.path.read_bytes())
    other.at = research.at
    mine = other.keep("X = 4\n")
    assert push(other, bare) == Pushed("pushed", mine, first)


def test_a_branch_that_was_deleted_is_made_again(research, bare):
    research.keep("X = 1\n")
    push(research, bare)
    git(bare, "update-ref", "-d", BRANCH)
    second = research.keep("X = 2\n")
    assert push(research, bare) == Pushed("pushed", second) and there(bare) == second


def test_a_commit_that_may_not_be_pushed_is_not(research, bare):
    research.keep("", {".github/workflows/nightly.yml": "on: [push, issues]\n"})
    with pytest.raises(AutoresearchError, match="belongs to .github"):
        push(research, bare)
    assert not there(bare)


def test_a_branch_that_moves_under_our_hands_is_looked_at_again(research, bare, tmp_path):
    """A human pushes between our look and our push."""
    research.keep("X = 1\n")
    push(research, bare)
    research.keep("X = 2\n")

    class Slow(Remote):
        def push(self, *args) -> None:
            if not (tmp_path / "human").exists():
                self.theirs = human_commit(bare, tmp_path / "human", {"train.py": "X = 5\n"})
            super().push(*args)

    remote = Slow(research.repo, str(bare))
    found = push_code(remote, research.repo, research.settings, research.history)
    assert found.status == "foreign" and found.foreign == (remote.theirs,) == (there(bare),)


def test_a_rule_of_the_remote_is_reported(research, bare):
    hook = bare / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    research.keep("X = 1\n")
    with pytest.raises(RemoteError) as caught:
        push(research, bare)
    assert caught.value.kind == "refused"
    hook.unlink()
    assert push(research, bare).status == "pushed"
