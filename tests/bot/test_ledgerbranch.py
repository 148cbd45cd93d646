"""The ledger branch with real clones of one repository: no line of anybody is lost, whoever pushes first."""

import threading
from pathlib import Path

import pytest

from bot.errors import AutoresearchError
from bot.gitrepo import GitRepo
from bot.publish.ledgerbranch import BRANCH, ROUNDS, LedgerBranch
from bot.remote import Remote, RemoteError
from bot.report import files
from tests.bot.kept import Research
from tests.conftest import git

PNG = bytes(range(256)) * 3


@pytest.fixture
def research(tmp_path):
    return Research.start(tmp_path / "repo")


@pytest.fixture
def bare(research, tmp_path) -> Path:
    git(tmp_path, "clone", "-q", "--bare", str(research.root), "bare.git")
    return tmp_path / "bare.git"


def clone(bare: Path, folder: Path) -> Research:
    git(folder.parent, "clone", "-q", str(bare), folder.name)
    return Research(folder, "HEAD")


def ledger_branch(at: Research, worker: str = "w1", name: str = "demo") -> LedgerBranch:
    return LedgerBranch(at.repo, name, worker)


def remote(at: Research, bare: Path) -> Remote:
    return Remote(at.repo, str(bare), sleep=lambda seconds: None)


def save(at: Research, bare: Path, worker: str) -> LedgerBranch:
    branch = ledger_branch(at, worker)
    branch.commit(branch.collect(at.settings), "ledger", at.at)
    branch.push(remote(at, bare))
    return branch


def there(bare: Path, path: str) -> bytes | None:
    found = LedgerBranch(GitRepo(bare), "demo", "reader")
    entry = found.objects.entries(BRANCH).get(path)
    return found.objects.read([entry.id])[entry.id] if entry else None


# Commits


def test_a_commit_is_an_orphan_that_touches_no_checkout(research):
    before = git(research.root, "rev-parse", "HEAD"), git(research.root, "status", "--porcelain", "-b")
    sha = ledger_branch(research).commit({"demo/w1.jsonl": b"{}\n", "demo/progress.png": PNG}, "ledger", 1000.0)
    assert (git(research.root, "rev-parse", "HEAD"), git(research.root, "status", "--porcelain", "-b")) == before
    assert git(research.root, "log", "--format=%an %at %P", sha) == "autoresearch 1000"
    assert ledger_branch(research).read("demo/progress.png") == PNG


def test_the_same_content_is_no_new_commit(research):
    branch = ledger_branch(research)
    first = branch.commit({"demo/w1.jsonl": b"a\n"}, "one", 1.0)
    assert branch.commit({"demo/w1.jsonl": b"a\n"}, "two", 2.0) == first
    assert branch.commit({"demo/w1.jsonl": b"a\nb\n"}, "two", 2.0) != first


def test_files_of_another_research_are_not_written(research):
    branch = ledger_branch(research)
    for path in ("other/w1.jsonl", "demo.jsonl", "../x"):
        with pytest.raises(AutoresearchError, match="not below demo/"):
            branch.commit({path: b"x\n"}, "m", 1.0)


@pytest.mark.parametrize("worker", ["", "a/b", "..", "control", "x y", "-x"])
def test_a_worker_is_part_of_a_file_name(research, worker):
    with pytest.raises(AutoresearchError, match="cannot name a worker"):
        ledger_branch(research, worker)


def test_everything_in_the_state_folder_is_collected(research):
    research.keep("X = 1\n")
    research.discard("X = 2\n")
    folder = files.folder(research.settings)
    folder.mkdir(parents=True)
    (folder / "report.md").write_text("# r\n")
    (folder / "progress.png").write_bytes(PNG)
    (research.ledger.folder / "patches/0003.tmp").write_text("half")
    with research.ledger.path.open("ab") as file:
        file.write(b'{"event":"prop')  # torn by a kill
    found = ledger_branch(research).collect(research.settings)
    assert sorted(found) == ["demo/patches/0001.patch", "demo/patches/0002.patch", "demo/progress.png", "demo/report.md", "demo/w1.jsonl"]
    assert found["demo/w1.jsonl"].count(b"\n") == 6 and found["demo/w1.jsonl"].endswith(b"}\n")


def test_a_file_that_only_grows_does_not_fill_the_disk(research, monkeypatch):
    monkeypatch.setattr("bot.publish.ledgerbranch.PACK_EVERY", 8)
    branch, text, own = ledger_branch(research), b"", loose(research)["count"]
    for number in range(20):
        text += b'{"line": %d, "noise": "%d"}\n' % (number, hash(str(number) * 9)) * 40
        sha = branch.commit({"demo/w1.jsonl": text}, "m", float(number))
    found = loose(research)  # of the last four commits: a blob, two trees and the commit
    assert (found["count"] - own, found["packs"]) == (4 * 4, 2)
    assert git(research.root, "rev-list", "--count", sha) == "20" and branch.read("demo/w1.jsonl") == text
    git(research.root, "fsck", "--strict")


def loose(research: Research) -> dict[str, int]:
    rows = (line.split(": ") for line in git(research.root, "count-objects", "-v").splitlines())
    return {key: int(value) for key, value in rows}


def test_thousands_of_files_take_few_processes(research):
    branch = ledger_branch(research)
    calls, run = [], branch.repo._run
    branch.repo._run = lambda *args, **options: calls.append(args) or run(*args, **options)
    branch.commit({f"demo/patches/{i:04d}.patch": b"patch %d\n" % i for i in range(3000)}, "m", 1.0)
    branch.commit({f"demo/patches/{i:04d}.patch": b"patch %d\n" % i for i in range(3001)}, "m", 1.0)
    assert len(calls) < 40 and len(branch.contents("demo")) == 3001


# Several workers


def test_two_clones_keep_each_others_lines(research, bare, tmp_path):
    other = clone(bare, tmp_path / "other")
    one, two = ledger_branch(research, "w1"), ledger_branch(other, "w2")
    one.commit({"demo/w1.jsonl": b"1\n", "demo/control.jsonl": b"stop\n", "demo/report.md": b"one\n"}, "m", 1.0)
    one.push(remote(research, bare))
    two.commit({"demo/w2.jsonl": b"2\n", "demo/control.jsonl": b"focus\n", "demo/report.md": b"two\n"}, "m", 2.0)
    two.push(remote(other, bare))
    one.commit({"demo/w1.jsonl": b"1\n1b\n"}, "m", 3.0)
    one.push(remote(research, bare))
    for branch in (one, two):
        branch.fetch(remote(research if branch is one else other, bare))
        assert branch.read("demo/w1.jsonl") == b"1\n1b\n" and branch.read("demo/w2.jsonl") == b"2\n"
        assert branch.read("demo/control.jsonl") == b"stop\nfocus\n" and branch.read("demo/report.md") == b"two\n"
        assert branch.workers("demo") == ["w1", "w2"] and branch.names() == ["demo"]
    assert git(bare, "rev-list", "--merges", "--count", BRANCH) == "0"


def test_workers_that_push_at_once_lose_nothing(research, bare, tmp_path):
    errors = []

    def night(at: Research, worker: str) -> None:
        branch, text = ledger_branch(at, worker), b""
        try:
            for number in range(4):
                text += b"%s %d\n" % (worker.encode(), number)
                branch.commit({f"demo/{worker}.jsonl": text, "demo/control.jsonl": text}, "m", float(number))
                branch.push(Remote(at.repo, str(bare)))
        except AutoresearchError as error:
            errors.append(error)

    clones = [research, clone(bare, tmp_path / "b"), clone(bare, tmp_path / "c")]
    threads = [threading.Thread(target=night, args=(at, f"w{i}")) for i, at in enumerate(clones)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [f"w{i} {n}" for i in range(3) for n in range(4)]
    assert not errors
    assert [there(bare, f"demo/w{i}.jsonl").decode().splitlines() for i in range(3)] == [lines[4 * i : 4 * i + 4] for i in range(3)]
    assert sorted(there(bare, "demo/control.jsonl").decode().splitlines()) == lines


def test_two_threads_of_one_clone_lose_nothing(research, bare):
    """Such as the loop's and a command's."""
    errors = []

    def night(name: str) -> None:
        branch, text = ledger_branch(research, name=name), b""
        try:
            for number in range(5):
                text += b"%d\n" % number
                branch.commit({f"{name}/w1.jsonl": text}, "m", float(number))
                branch.push(Remote(research.repo, str(bare)))
        except AutoresearchError as error:
            errors.append(error)

    threads = [threading.Thread(target=night, args=(name,)) for name in ("demo", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [there(bare, f"{name}/w1.jsonl") for name in ("demo", "other")] == [b"0\n1\n2\n3\n4\n"] * 2


def test_a_name_that_two_machines_use_keeps_both_records(research, bare, tmp_path):
    other = clone(bare, tmp_path / "other").opened()
    research.keep("X = 1\n")
    other.at += 100
    other.keep("X = 7\n")
    save(research, bare, "local")
    save(other, bare, "local")
    research.discard("X = 2\n")
    other.discard("X = 8\n")
    save(research, bare, "local")
    branch = save(other, bare, "local")
    mine, forked = branch.workers("demo")
    assert mine == "local" and forked.startswith("local-")
    assert there(bare, "demo/local.jsonl") == research.ledger.path.read_bytes()
    assert there(bare, f"demo/{forked}.jsonl") == other.ledger.path.read_bytes()
    for id in (1, 2):
        assert there(bare, f"demo/patches/{id:04d}.patch").decode() == research.ledger.read_patch(id)
        assert there(bare, f"demo/patches/{id:04d}.{forked}.patch").decode() == other.ledger.read_patch(id)


def test_patches_with_the_same_number_are_both_kept(research, bare, tmp_path):
    other = clone(bare, tmp_path / "other").opened()
    research.keep("X = 1\n")
    other.keep("X = 7\n")
    save(research, bare, "w1")
    save(other, bare, "w2")
    save(other, bare, "w2")
    assert there(bare, "demo/patches/0001.patch").decode() == research.ledger.read_patch(1)
    assert there(bare, "demo/patches/0001.w2.patch").decode() == other.ledger.read_patch(1)
    assert len([path for path in ledger_branch(other).contents("demo") if path.endswith(".patch")]) == 2


def test_what_another_machine_handed_over_stays_that_machines(research, bare, tmp_path):
    other = clone(bare, tmp_path / "other").opened()
    research.keep("X = 1\n")
    other.at += 1000
    other.keep("X = 7\n")
    save(research, bare, "w1")
    publisher = ledger_branch(clone(bare, tmp_path / "hosted"), "hosted")
    publisher.commit(ledger_branch(other, "w2").collect(other.settings), "m", 1.0)
    publisher.push(Remote(publisher.repo, str(bare), sleep=lambda seconds: None))
    assert publisher.workers("demo") == ["w1", "w2"]
    assert there(bare, "demo/patches/0001.w2.patch").decode() == other.ledger.read_patch(1)
    assert there(bare, "demo/patches/0001.patch").decode() == research.ledger.read_patch(1)


def test_an_older_copy_of_a_record_does_not_shorten_it(research, bare, tmp_path):
    save(research, bare, "w1")
    whole = there(bare, "demo/w1.jsonl")
    branch = ledger_branch(clone(bare, tmp_path / "other"))
    branch.commit({"demo/w1.jsonl": whole[: whole.index(b"\n") + 1]}, "m", 1.0)
    branch.push(Remote(branch.repo, str(bare), sleep=lambda seconds: None))
    assert there(bare, "demo/w1.jsonl") == whole


def test_a_push_that_is_overtaken_again_and_again_says_so(research, bare, tmp_path):
    other = clone(bare, tmp_path / "other")
    rival, mine, at = ledger_branch(other, "w2"), ledger_branch(research), iter(range(100))

    def overtake(seconds: float = 0.0) -> None:
        rival.commit({"demo/w2.jsonl": b"x\n" * (next(at) + 1)}, "m", 1.0)
        rival.push(remote(other, bare))

    mine.commit({"demo/w1.jsonl": b"1\n"}, "m", 1.0)
    fetch = mine.fetch
    mine.fetch = lambda *args: (fetch(*args), overtake())
    overtake()
    with pytest.raises(RemoteError, match=f"{ROUNDS} times") as caught:
        mine.push(remote(research, bare))
    assert caught.value.kind == "moved" and mine.read("demo/w1.jsonl") == b"1\n"
    mine.fetch = fetch
    mine.push(remote(research, bare))
    assert there(bare, "demo/w1.jsonl") == b"1\n" and there(bare, "demo/w2.jsonl")


def test_a_branch_that_was_deleted_is_pushed_whole_again(research, bare):
    branch = save(research, bare, "w1")
    git(bare, "update-ref", "-d", BRANCH)
    branch.commit({"demo/w1.jsonl": research.ledger.path.read_bytes() + b"{}\n"}, "m", 5.0)
    branch.push(remote(research, bare))
    assert there(bare, "demo/w1.jsonl") == research.ledger.path.read_bytes() + b"{}\n"


def test_what_is_pushed_already_takes_no_network(research, bare):
    branch = save(research, bare, "w1")
    assert branch.push(Remote(research.repo, "/nowhere/at.git")) == branch.tip


def test_nothing_is_there_before_the_first_commit(research, bare):
    branch = ledger_branch(research)
    assert branch.fetch(remote(research, bare)) is None and branch.read("demo/w1.jsonl") is None
    assert branch.names() == [] and branch.workers("demo") == []
    with pytest.raises(AutoresearchError, match="no commit to push"):
        branch.push(remote(research, bare))


# Restoring


def test_a_new_machine_goes_on_where_the_old_one_was(research, bare, tmp_path):
    research.keep("X = 1\n")
    research.discard("X = 2\n")
    save(research, bare, "w1")
    other = clone(bare, tmp_path / "other")
    branch = ledger_branch(other, "w2")
    said = branch.restore(other.settings, remote(other, bare))
    assert said == "brought back 6 events and 2 patches of worker w1 from the ledger branch"
    assert other.ledger.path.read_bytes() == research.ledger.path.read_bytes()
    assert [other.ledger.read_patch(id) for id in (1, 2)] == [research.ledger.read_patch(id) for id in (1, 2)]
    assert other.history.champion_sha == research.history.champion_sha
    assert branch.restore(other.settings, remote(other, bare)) == ""


def test_the_newest_record_is_brought_back_with_its_own_patches(research, bare, tmp_path):
    other = clone(bare, tmp_path / "other").opened()
    research.keep("X = 1\n")
    other.at += 1000
    other.keep("X = 7\n")
    save(research, bare, "w1")
    save(other, bare, "w2")
    third = clone(bare, tmp_path / "third")
    assert "worker w2" in ledger_branch(third, "w3").restore(third.settings, remote(third, bare))
    assert third.ledger.path.read_bytes() == other.ledger.path.read_bytes()
    assert third.ledger.read_patch(1) == other.ledger.read_patch(1) != research.ledger.read_patch(1)


def test_an_older_backup_is_completed(research, bare):
    research.keep("X = 1\n")
    backup = research.ledger.path.read_bytes()
    research.discard("X = 2\n")
    whole = research.ledger.path.read_bytes()
    branch = save(research, bare, "w1")
    research.ledger.path.write_bytes(backup)
    research.ledger.patch_path(2).unlink()
    assert "2 events" in branch.restore(research.settings, remote(research, bare))
    assert research.ledger.path.read_bytes() == whole and research.ledger.read_patch(2)


def test_the_first_machine_learns_what_another_did_meanwhile(research, bare, tmp_path):
    research.keep("X = 1\n")
    branch = save(research, bare, "w1")
    other = clone(bare, tmp_path / "other")
    ledger_branch(other, "w2").restore(other.settings, remote(other, bare))
    git(other.root, "fetch", "-q", str(research.root), research.branch)
    other.at = research.at
    other.discard("X = 2\n")
    save(other, bare, "w2")
    assert "2 events" in branch.restore(research.settings, remote(research, bare))
    assert research.ledger.path.read_bytes() == other.ledger.path.read_bytes()


def test_lines_that_the_branch_lacks_are_never_replaced(research, bare):
    branch = save(research, bare, "w1")
    research.discard("X = 2\n")
    mine = research.ledger.path.read_bytes()
    assert branch.restore(research.settings, remote(research, bare)) == ""
    branch.commit({"demo/w9.jsonl": mine.replace(b'"no gain"', b'"changed"') + b"{}\n"}, "m", 1.0)
    branch.push(remote(research, bare))
    assert branch.restore(research.settings, remote(research, bare)) == ""
    assert research.ledger.path.read_bytes() == mine


def test_a_state_folder_in_use_is_left_alone(research, bare, tmp_path):
    from bot.night import exclusive

    save(research, bare, "w1")
    other = clone(bare, tmp_path / "other")
    state = files.state(other.settings)
    state.mkdir()
    with exclusive(state / "lock"), pytest.raises(AutoresearchError, match="another run"):
        ledger_branch(other, "w2").restore(other.settings, remote(other, bare))
    assert not other.ledger.path.exists()
