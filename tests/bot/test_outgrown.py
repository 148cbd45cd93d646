"""Runners whose names are used once: the ledger branch holds the record once, and whoever is still at work loses no line."""

from pathlib import Path

import pytest

from bot import kept
from bot.publish.ledgerbranch import LedgerBranch
from bot.report import files
from tests.bot.kept import Research
from tests.bot.test_ledgerbranch import clone, ledger_branch, remote, save, there
from tests.conftest import git


@pytest.fixture
def research(tmp_path) -> Research:
    return Research.start(tmp_path / "repo")


@pytest.fixture
def bare(research, tmp_path) -> Path:
    git(tmp_path, "clone", "-q", "--bare", str(research.root), "bare.git")
    return tmp_path / "bare.git"


def names(bare: Path) -> list[str]:
    return git(bare, "ls-tree", "-r", "--name-only", "refs/heads/autoresearch/ledger").splitlines()


def night(at: Research, bare: Path, worker: str) -> LedgerBranch:
    """What a night leaves: one more kept change, its commits beside the record, all of it pushed."""
    at.at += 10
    at.opened()
    at.keep(f"X = {at.history.next_id}\n")
    kept.keep(at.repo, at.settings, at.history)
    return save(at, bare, worker)


def heir(bare: Path, folder: Path, worker: str) -> Research:
    """Another machine, which has nothing but what the ledger branch gives it."""
    at = clone(bare, folder)
    branch = ledger_branch(at, worker)
    branch.restore(at.settings, remote(at, bare))
    kept.recall_from(at.repo, at.settings, branch.contents("demo", ".bundle"))
    at.at = at.history.last_at
    return at


class TestOneName:
    def test_a_name_used_once_a_night_leaves_one_record(self, research, bare, tmp_path):
        night(research, bare, "r1")
        for number in (2, 3, 4):
            last = heir(bare, tmp_path / str(number), f"r{number}")
            night(last, bare, f"r{number}")
        assert names(bare) == ["demo/patches/0001.patch", "demo/patches/0002.patch", "demo/patches/0003.patch", "demo/patches/0004.patch",
                               "demo/r4.bundle", "demo/r4.jsonl"]  # fmt: skip
        assert there(bare, "demo/r4.jsonl") == last.ledger.path.read_bytes()

    def test_the_next_machine_has_everything_from_the_one_that_is_left(self, research, bare, tmp_path):
        night(research, bare, "r1")
        second = heir(bare, tmp_path / "2", "r2")
        night(second, bare, "r2")
        third = heir(bare, tmp_path / "3", "r3")
        assert third.ledger.path.read_bytes() == second.ledger.path.read_bytes()
        assert [third.ledger.read_patch(id) for id in (1, 2)] == [second.ledger.read_patch(id) for id in (1, 2)]
        assert all(map(third.repo.resolve, third.history.champions)) and len(third.history.champions) == 3

    def test_a_record_with_nothing_new_leaves_the_one_that_it_is_a_copy_of(self, research, bare, tmp_path):
        night(research, bare, "r1")
        save(heir(bare, tmp_path / "2", "r2"), bare, "r2")
        assert {"demo/r1.jsonl", "demo/r2.jsonl"} <= set(names(bare))

    def test_what_another_machine_publishes_for_the_heir_has_the_same_effect(self, research, bare, tmp_path):
        night(research, bare, "r1")
        second = heir(bare, tmp_path / "2", "r2")
        second.keep("X = 7\n")
        kept.keep(second.repo, second.settings, second.history)
        publisher = clone(bare, tmp_path / "hosted")
        hosted = ledger_branch(publisher, "hosted")
        hosted.fetch(remote(publisher, bare))
        hosted.commit(ledger_branch(second, "r2").collect(second.settings), "m", 1.0)
        hosted.push(remote(publisher, bare))
        assert [name for name in names(bare) if "patches" not in name] == ["demo/r2.bundle", "demo/r2.jsonl"]


class TestTwoAtWork:
    def test_a_machine_that_goes_on_has_its_whole_record_there_again(self, research, bare, tmp_path):
        night(research, bare, "w1")
        other = heir(bare, tmp_path / "2", "w2")
        night(other, bare, "w2")
        assert there(bare, "demo/w1.jsonl") is None
        research.at += 1
        night(research, bare, "w1")
        night(other, bare, "w2")
        assert there(bare, "demo/w1.jsonl") == research.ledger.path.read_bytes()
        assert there(bare, "demo/w2.jsonl") == other.ledger.path.read_bytes()
        assert {"demo/w1.bundle", "demo/w2.bundle"} <= set(names(bare))

    def test_lines_that_are_pushed_while_we_decide_stay(self, research, bare, tmp_path):
        """Ours is made on what we saw; what is there when it is pushed decides."""
        night(research, bare, "w1")
        other = heir(bare, tmp_path / "2", "w2")
        other.keep("X = 7\n")
        branch = ledger_branch(other, "w2")
        branch.commit(branch.collect(other.settings), "m", 1.0)
        assert branch.read("demo/w1.jsonl") is None
        night(research, bare, "w1")
        branch.push(remote(other, bare))
        assert there(bare, "demo/w1.jsonl") == research.ledger.path.read_bytes()
        assert there(bare, "demo/w2.jsonl") == other.ledger.path.read_bytes()

    def test_lines_that_were_not_pushed_yet_come_with_the_next_push(self, research, bare, tmp_path):
        branch = night(research, bare, "w1")
        other = heir(bare, tmp_path / "2", "w2")
        research.discard("X = 5\n")
        branch.commit(branch.collect(research.settings), "m", 1.0)
        night(other, bare, "w2")
        branch.push(remote(research, bare))
        assert there(bare, "demo/w1.jsonl") == research.ledger.path.read_bytes()

    def test_another_research_is_left_alone(self, research, bare):
        branch = night(research, bare, "w1")
        longer = LedgerBranch(research.repo, "other", "w2")
        longer.commit({"other/w2.jsonl": research.ledger.path.read_bytes() + b"{}\n"}, "m", 1.0)
        assert branch.read("demo/w1.jsonl") and longer.read("other/w2.jsonl")

    def test_a_record_that_ends_within_a_line_of_ours_is_not_all_in_it(self, research, bare):
        branch = ledger_branch(research, "w2")
        branch.commit({"demo/w1.jsonl": b'{"a": 1}\n{"a"'}, "m", 1.0)
        branch.commit({"demo/w2.jsonl": b'{"a": 1}\n{"a": 2}\n'}, "m", 1.0)
        assert branch.read("demo/w1.jsonl")

    def test_a_record_that_grows_in_the_same_commit_stays(self, research):
        """What goes on from the older one is written together with the newer one."""
        branch = ledger_branch(research, "w2")
        branch.commit({"demo/w1.jsonl": b"1\n"}, "m", 1.0)
        branch.commit({"demo/w1.jsonl": b"1\n1b\n", "demo/w2.jsonl": b"1\n2\n"}, "m", 1.0)
        assert branch.read("demo/w1.jsonl") == b"1\n1b\n" and branch.read("demo/w2.jsonl") == b"1\n2\n"

    def test_what_people_asked_for_stays(self, research, bare):
        branch = ledger_branch(research, "w1")
        branch.commit({"demo/control.jsonl": b"{}\n"}, "m", 1.0)
        branch.commit({"demo/w1.jsonl": b"{}\n{}\n"}, "m", 1.0)
        assert branch.read("demo/control.jsonl")


class TestBeside:
    def test_commits_that_only_the_older_bundle_has_are_kept(self, research, bare, tmp_path):
        night(research, bare, "r1")
        second = clone(bare, tmp_path / "2")
        ledger_branch(second, "r2").restore(second.settings, remote(second, bare))  # but not its commits
        second.at = second.history.last_at
        second.opened()
        kept.place(second.settings).parent.mkdir(parents=True)
        side = second.repo.commit(second.base, {"train.py": "X = 9\n"}, "another", 1.0)
        second.repo._git("update-ref", kept.ref(second.settings), side)
        second.repo._git("bundle", "create", "--quiet", str(kept.place(second.settings)), kept.ref(second.settings), f"^{second.base}")
        save(second, bare, "r2")
        assert {"demo/r1.bundle", "demo/r2.bundle"} <= set(names(bare)) and "demo/r1.jsonl" not in names(bare)

    def test_commits_stay_where_the_heir_has_none(self, research, bare, tmp_path):
        night(research, bare, "r1")
        second = heir(bare, tmp_path / "2", "r2")
        second.opened()
        save(second, bare, "r2")
        assert "demo/r1.bundle" in names(bare) and "demo/r1.jsonl" not in names(bare)

    def test_a_bundle_that_cannot_be_read_stays(self, research, bare, tmp_path):
        night(research, bare, "r1")
        branch = ledger_branch(research, "r1")
        branch.commit({"demo/r1.bundle": b"no bundle\n"}, "m", 1.0)
        branch.push(remote(research, bare))
        second = clone(bare, tmp_path / "2")
        ledger_branch(second, "r2").restore(second.settings, remote(second, bare))
        second.opened()
        kept.place(second.settings).parent.mkdir(parents=True)
        kept.place(second.settings).write_bytes(b"no bundle either\n")
        save(second, bare, "r2")
        assert "demo/r1.bundle" in names(bare) and "demo/r1.jsonl" not in names(bare)

    def test_commits_of_a_name_that_two_machines_use_are_kept(self, research, bare, tmp_path):
        twin = clone(bare, tmp_path / "twin").opened()
        night(research, bare, "local")
        twin.keep("X = 7\n")
        save(twin, bare, "local")
        night(heir(bare, tmp_path / "2", "r2"), bare, "r2")
        assert "demo/local.bundle" in names(bare) and "demo/local.jsonl" not in names(bare)

    def test_patches_under_the_older_name_go_where_ours_are_the_same(self, research, bare, tmp_path):
        first = clone(bare, tmp_path / "1").opened()
        first.keep("X = 3\n")
        save(first, bare, "other")  # has the plain name of patch 1
        research.at += 1000
        night(research, bare, "r1")
        assert "demo/patches/0001.r1.patch" in names(bare)
        second = heir(bare, tmp_path / "2", "r2")
        night(second, bare, "r2")
        patches = [name for name in names(bare) if "patches" in name]
        assert patches == ["demo/patches/0001.patch", "demo/patches/0001.r2.patch", "demo/patches/0002.patch"]
        third = heir(bare, tmp_path / "3", "r3")
        assert third.ledger.read_patch(1) == research.ledger.read_patch(1) != first.ledger.read_patch(1)

    def test_a_patch_that_is_another_one_under_our_name_stays(self, research, bare):
        branch = ledger_branch(research, "w2")
        branch.commit({"demo/w1.jsonl": b"{}\n", "demo/patches/0001.w1.patch": b"theirs", "demo/patches/0001.w2.patch": b"ours"}, "m", 1.0)
        branch.commit({"demo/w2.jsonl": b"{}\n{}\n"}, "m", 1.0)
        assert branch.read("demo/w1.jsonl") is None and branch.read("demo/patches/0001.w1.patch") == b"theirs"


@pytest.mark.parametrize("first", ["w1", "w2"])
def test_two_permanent_machines_that_take_turns_lose_nothing(research, bare, tmp_path, first):
    """Each goes on from the other's record, night by night; the branch holds the newest alone."""
    machines = {"w1": research, "w2": None}
    night(research, bare, "w1")
    machines["w2"] = heir(bare, tmp_path / "2", "w2")
    for worker in (("w2", "w1") if first == "w2" else ("w1", "w2")) * 2:
        at, branch = machines[worker], ledger_branch(machines[worker], worker)
        branch.restore(at.settings, remote(at, bare))
        kept.recall_from(at.repo, at.settings, branch.contents("demo", ".bundle"))
        at.at = at.history.last_at
        night(at, bare, worker)
    records = [name for name in names(bare) if name.endswith(".jsonl")]
    assert records == [f"demo/{worker}.jsonl"]
    assert there(bare, records[0]) == at.ledger.path.read_bytes() == files.ledger(at.settings).path.read_bytes()
    assert len(at.history.experiments) == 6
