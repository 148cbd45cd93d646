"""The commits beside the ledger: a checkout that is made anew has everything that the record names."""

import shutil

import pytest

from bot import kept
from bot.errors import AutoresearchError
from bot.gitobjects import Objects
from bot.gitrepo import GitRepo
from bot.ledger import ENCODER, Ledger
from bot.loop import run_loop
from bot.records import Pruned, Rebased, Verdict
from bot.settings import Settings
from tests.bot.kept import Research
from tests.bot.test_confirm import TWO, edit, lucky, make_night
from tests.conftest import commit_all, git
from tests.targets import CONFIG, autoresearch, history, make_target, patch


class Killed(BaseException):
    pass


def anew(root, folder):
    """A checkout made anew of the base branch alone, with the state folder of the old one."""
    git(folder.parent, "clone", "-q", "--single-branch", "--branch", "main", f"file://{root}", str(folder))
    shutil.copytree(root / ".autoresearch", folder / ".autoresearch")
    kept.recall(GitRepo(folder), Settings.load(folder, environ={}))
    return folder


def missing(night, folder):
    return set(night.history.named) - set(Objects(GitRepo(folder)).commits(night.history.named))


def test_everything_that_a_night_names_is_there(tmp_path):
    night, _ = make_night(tmp_path / "one", [edit("one", ("A", 4.0)), edit("two", ("B", 4.0))])
    run_loop(night)
    assert len(night.history.keeps) == 2 and night.history.variants
    assert not missing(night, anew(tmp_path / "one", tmp_path / "two"))


@pytest.mark.parametrize("kind", [Verdict, Pruned])
def test_a_kill_right_after_a_line_leaves_no_line_without_its_commit(tmp_path, kind):
    def killed(event):
        record(event)
        if isinstance(event, kind) and event.id and event.sha:
            raise Killed

    night, _ = make_night(tmp_path / "one", TWO, lucky(2))
    record, night.record = night.record, killed
    with pytest.raises(Killed):
        run_loop(night)
    assert not missing(night, anew(tmp_path / "one", tmp_path / "two"))


def test_a_change_is_carried_to_a_new_base_from_a_line_that_no_branch_has(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTORESEARCH_SANDBOX", "none")
    root = make_target(tmp_path / "one", [patch("5.0", 4.5, "down")], CONFIG + "reserve: 1%\nlocked: [score.py]\n")
    autoresearch(root, "run")
    (root / "score.py").write_text((root / "score.py").read_text() + "# another base\n")
    commit_all(root, "main moves")
    autoresearch(root, "run")
    ledger = Ledger(root / ".autoresearch/ledger/demo")
    events = list(ledger.events())
    moved = next(i for i, event in enumerate(events) if isinstance(event, Rebased))
    ledger.path.write_bytes(b"".join(ENCODER.encode(event) + b"\n" for event in events[: moved + 1]))  # killed before it was applied
    again = anew(root, tmp_path / "two")
    autoresearch(again, "run")
    assert [e.proposal.carries for e in history(again).stack] == [1]


def test_commits_that_cannot_be_written_down_stop_no_run(tmp_path):
    night, _ = make_night(tmp_path / "one", TWO[:1])
    (tmp_path / "one/.autoresearch/commits").write_text("no folder")
    run_loop(night)
    assert len(night.history.keeps) == 1 and "could not be written beside the ledger" in night.observer.stream.getvalue()


def test_commits_of_a_machine_that_cannot_be_read_hide_no_others(tmp_path):
    at = Research.start(tmp_path / "one")
    git(tmp_path, "clone", "-q", str(at.root), "two")
    head, other = at.keep("X = 1\n"), Research(tmp_path / "two")
    kept.keep(at.repo, at.settings, at.history)
    bundles = {"demo/a.bundle": b"torn", "demo/b.bundle": kept.place(at.settings).read_bytes()}
    with pytest.raises(AutoresearchError, match=r"demo/a\.bundle"):
        kept.recall_from(other.repo, other.settings, bundles)
    assert other.repo.resolve(head)
