"""What a machine that may only read hands over, and what the publishing side makes of honest and of hostile folders."""

import json
import os
import shutil
from pathlib import Path

import pytest

from bot.errors import AutoresearchError, UsageError
from bot.gitobjects import Objects, borrowing
from bot.gitrepo import GitRepo
from bot.publish import bundle
from bot.publish.ledgerbranch import BRANCH, LedgerBranch
from bot.records import Proposal, Verdict
from bot.report import files
from bot.settings import Settings
from tests.bot.kept import Research
from tests.bot.test_vet import commit, made
from tests.conftest import git

CODE = "refs/heads/autoresearch/demo"


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """The machine that measured, with two keeps, a discard and a report; and the publisher's clone of what there was before."""
    folder = tmp_path_factory.mktemp("template")
    found = Research.start(folder / "box")
    git(folder, "clone", "-q", str(found.root), "publisher")
    found.keep("X = 1\n")
    found.discard("X = 7\n")
    found.keep("X = 2\n")
    report = files.folder(found.settings)
    report.mkdir(parents=True)
    (report / "report.md").write_text("# r\n")
    return folder


@pytest.fixture
def research(template, tmp_path):
    shutil.copytree(template / "box", tmp_path / "box")
    return Research(tmp_path / "box")


@pytest.fixture
def publisher(template, tmp_path) -> GitRepo:
    shutil.copytree(template / "publisher", tmp_path / "publisher")
    return GitRepo(tmp_path / "publisher")


def written(at: Research, folder: Path, worker: str = "w1") -> Path:
    branch = LedgerBranch(at.repo, "demo", worker)
    sha = branch.commit(branch.collect(at.settings), "ledger", at.at)
    return bundle.write(at.settings, at.repo, at.history, sha, folder, worker)


def read(publisher: GitRepo, folder: Path, **options) -> bundle.Received:
    return bundle.read(publisher, folder, Settings.load(publisher.root, environ={}), **options)


def refused(publisher: GitRepo, folder: Path, words: str, kind: type[AutoresearchError] = AutoresearchError, **options) -> str:
    """Nothing of it reaches the publisher's repository: neither refs nor objects."""
    before = state(publisher)
    with pytest.raises(kind, match=words) as caught:
        read(publisher, folder, **options)
    assert state(publisher) == before
    return str(caught.value)


def state(repo: GitRepo) -> tuple[str, str]:
    return git(repo.root, "for-each-ref"), git(repo.root, "cat-file", "--batch-all-objects", "--batch-check")


# Honest


def test_everything_arrives(research, publisher, tmp_path):
    folder = written(research, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["code.bundle", "ledger.bundle", "results.json"]
    assert json.loads((folder / "results.json").read_text()) | {"ledger": ""} == {
        "schema": 1, "name": "demo", "branch": "autoresearch/demo", "base": research.base, "base_branch": "main",
        "head": research.history.champion_sha, "ledger": "", "worker": "w1",
    }  # fmt: skip
    received = read(publisher, folder)
    assert received.results.head == publisher.resolve("refs/autoresearch/received/demo") == research.history.champion_sha
    assert received.files == LedgerBranch(research.repo, "demo", "w1").collect(research.settings)
    assert received.history.champions == research.history.champions
    assert git(publisher.root, "status", "--porcelain", "-b") == "## main...origin/main"


def test_a_night_without_keeps_has_no_code(tmp_path, publisher):
    other = Research(publisher.root)
    other.repo.ignore(".autoresearch")
    other.opened().discard("X = 7\n")
    folder = written(other, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["ledger.bundle", "results.json"]
    received = read(publisher, folder)
    assert received.results.head == received.results.base and len(received.files) == 2


def test_the_same_night_written_again_is_the_same(research, tmp_path):
    one, two = written(research, tmp_path / "one"), written(research, tmp_path / "two")
    assert [(one / name).read_bytes() for name in ("results.json", "ledger.bundle")] == [
        (two / name).read_bytes() for name in ("results.json", "ledger.bundle")
    ]
    research.keep("X = 3\n")
    written(research, tmp_path / "one")
    assert json.loads((one / "results.json").read_text())["head"] == research.history.champion_sha


def test_the_code_is_the_champions_wherever_the_branch_is(research, publisher, tmp_path):
    """Such as after a kill between the record and the branch."""
    head = research.history.champion_sha
    git(research.root, "update-ref", "-d", research.branch)
    assert read(publisher, written(research, tmp_path / "out")).results.head == head


def test_what_humans_asked_for_and_other_workers_wrote_stays_behind(research, publisher, tmp_path):
    branch = LedgerBranch(research.repo, "demo", "w1")
    branch.commit({"demo/control.jsonl": b"{}\n", "demo/w2.jsonl": b"{}\n"}, "m", 1.0)
    LedgerBranch(research.repo, "other", "w1").commit({"other/w1.jsonl": b"{}\n"}, "m", 1.0)
    received = read(publisher, written(research, tmp_path / "out"))
    assert [path for path in received.files if path.endswith(".jsonl")] == ["demo/w1.jsonl"]


def test_a_humans_commit_that_the_remote_has_may_be_in_it(research, publisher, tmp_path):
    theirs = made(research, research.history.champion_sha, {"train.py": "X = 5\n"}, {"author": "mallory"})
    id, parent = research.history.next_id, research.history.champion_sha
    research.record(Proposal, id=id, parent=parent, sha=theirs, hypothesis="by hand", source="human", given=True)
    research.record(Verdict, id=id, status="keep", why="given", sha=theirs)
    head = research.keep("X = 6\n")
    folder = written(research, tmp_path / "out")
    refused(publisher, folder, "by mallory")
    git(publisher.root, "fetch", "-q", str(research.root), theirs)
    assert read(publisher, folder, known=[theirs]).results.head == head


def test_a_shallow_checkout_can_write_and_read(research, tmp_path):
    (research.root / "README.md").write_text("more\n")
    git(research.root, "commit", "-q", "-a", "-m", "more")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{research.root}", "shallow")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{research.root}", "hosted")
    other = Research(tmp_path / "shallow").opened()
    other.repo.ignore(".autoresearch")
    head = other.keep("X = 4\n")
    assert (other.root / ".git/shallow").exists()
    assert read(GitRepo(tmp_path / "hosted"), written(other, tmp_path / "out")).results.head == head


# The folder


def test_a_folder_that_is_none_of_ours_is_a_usage_error(publisher, tmp_path):
    refused(publisher, tmp_path / "missing", "publication: .* has no results.json", UsageError)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "schema is 2, not 1"),
        ({"name": "other"}, "name is 'other'"),
        ({"branch": "main"}, "branch is 'main'"),
        ({"head": "HEAD"}, "head is not the full id"),
        ({"base": "--all" + "0" * 35}, "base is not the full id"),
        ({"worker": "../x"}, "cannot be a worker"),
        ({"worker": "control"}, "cannot be a worker"),
        ({"base_branch": "a..b"}, "base_branch"),
        ({"base_branch": "production"}, "based on production, not on main"),
        ({"extra": 1}, "extra"),
        ({"name": 3}, "name"),
        ({"base": "1" * 40}, "fetch-depth: 0"),
    ],
)
def test_results_that_do_not_fit_are_refused(research, publisher, tmp_path, change, words):
    folder = written(research, tmp_path / "out")
    values = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps(values | change))
    refused(publisher, folder, words)


def test_results_that_are_no_json_are_refused(research, publisher, tmp_path):
    folder = written(research, tmp_path / "out")
    (folder / "results.json").write_bytes(b"\xff{")
    refused(publisher, folder, "results.json is not what this version reads")


@pytest.mark.parametrize("name", ["code.bundle", "ledger.bundle"])
def test_a_missing_a_torn_and_a_linked_bundle_are_refused(research, publisher, tmp_path, name):
    folder = written(research, tmp_path / "out")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    refused(publisher, folder, f"{name} cannot be read")
    (folder / name).write_bytes(data[:-30] + bytes(10) + data[-20:])
    refused(publisher, folder, f"{name} cannot be read")
    (folder / name).unlink()
    (tmp_path / name).write_bytes(data)
    (folder / name).symlink_to(tmp_path / name)
    refused(publisher, folder, f"has no {name}")


def test_a_folder_that_is_too_large_is_refused_unread(research, publisher, tmp_path):
    folder = written(research, tmp_path / "out")
    os.truncate(folder / "code.bundle", bundle.CAP + 1)
    refused(publisher, folder, "200 MB are not published")


# Hostile code


def forged(research: Research, folder: Path, head: str, refs: dict[str, str] | None = None, base: str = "") -> Path:
    """An honest folder, except that its code and its record end with `head`, and that `refs` are in the bundle."""
    lines = research.ledger.path.read_bytes().replace(research.history.champion_sha.encode(), head.encode())
    research.ledger.path.write_bytes(lines)
    git(research.root, "update-ref", "refs/autoresearch/x", head)
    written(research, folder)
    with borrowing(research.repo) as apart:
        for ref, sha in (refs or {CODE: head}).items():
            apart._git("update-ref", ref, sha)
        apart._git("bundle", "create", "--quiet", str(folder / "code.bundle"), *(refs or {CODE: head}), f"^{base or research.base}")
    return folder


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({".github/workflows/evil.yml": "on: push\n"}, "'.github/workflows/evil.yml', which belongs to .github"),
        ({"helpers/text.py": "Y = 0\n"}, "'helpers/text.py', which is locked"),
        ({"autoresearch.yml": "name: demo\n"}, "'autoresearch.yml', which is not in `editable:`"),
        ({"train.py": "-> /etc/passwd"}, "mode 100644 -> 120000"),
    ],
)
def test_code_that_changes_anything_else_is_refused(research, publisher, tmp_path, edits, words):
    bad = made(research, research.history.champion_sha, edits)
    text = refused(publisher, forged(research, tmp_path / "out", bad), words)
    assert bad[:12] in text


def test_a_submodule_is_refused(research, publisher, tmp_path):
    tree = research.repo._git("ls-tree", research.base) + f"160000 commit {research.base}\tvendor\n"
    bad = commit(research.repo, research.repo._git("mktree", stdin=tree).strip(), [research.base])
    refused(publisher, forged(research, tmp_path / "out", bad), "'vendor', which is not in `editable:`")


def test_code_by_another_and_merges_are_refused(research, publisher, tmp_path):
    head = research.history.champion_sha
    merge = commit(research.repo, research.repo.tree_of(head), [head, research.base])
    stranger = made(research, head, {"train.py": "X = 5\n"}, {"committer": "mallory"})
    refused(publisher, forged(research, tmp_path / "one", stranger), "by mallory")
    refused(publisher, forged(research, tmp_path / "two", merge), "single line")


def test_a_bundle_with_other_refs_is_refused(research, publisher, tmp_path):
    head = research.history.champion_sha
    for refs in ({CODE: head, "refs/heads/main": head}, {"refs/heads/main": head}, {CODE: git(research.root, "rev-parse", f"{head}^")}):
        refused(publisher, forged(research, tmp_path / "out", head, refs), "code.bundle holds")


@pytest.mark.parametrize(("row", "words"), [(b"100644 .git\0", "hasDotgit"), (b"100644 a/b\0", "fullPathname")])
def test_malformed_objects_are_refused(research, publisher, tmp_path, row, words):
    """Such as a tree that a checkout would write into .git."""
    (tmp_path / "raw").write_bytes(row + bytes.fromhex(blob(research)))
    tree = git(research.root, "hash-object", "-t", "tree", "-w", "--literally", str(tmp_path / "raw"))
    refused(publisher, forged(research, tmp_path / "out", commit(research.repo, tree, [research.base])), f"cannot be read.*{words}")


def test_code_that_lacks_an_object_is_refused(research, publisher, tmp_path):
    bad = made(research, research.base, {"train.py": "X = 8\n"})
    folder = forged(research, tmp_path / "out", bad, {CODE: research.history.champion_sha})
    pack = research.repo._run("pack-objects", "--stdout", "-q", stdin=f"{bad}\n{research.repo.tree_of(bad)}\n").stdout
    (folder / "code.bundle").write_bytes(f"# v2 git bundle\n-{research.base} \n{bad} {CODE}\n\n".encode() + pack)
    refused(publisher, folder, "code.bundle cannot be read")


def test_a_base_that_is_somebodys_branch_is_refused(research, publisher, tmp_path):
    """Its commits are in the publisher's repository, but nobody merged them."""
    theirs = made(research, research.base, {"README.md": "evil\n"}, {"author": "mallory", "committer": "mallory"})
    git(publisher.root, "fetch", "-q", str(research.root), f"{theirs}:refs/remotes/origin/theirs")
    lines = research.ledger.path.read_bytes().replace(research.base.encode(), theirs.encode())
    research.ledger.path.write_bytes(lines)
    head = made(research, theirs, {"train.py": "X = 5\n"})
    refused(publisher, forged(research, tmp_path / "out", head, base=theirs), "not part of the base branch")


def test_code_that_the_record_does_not_name_is_refused(research, publisher, tmp_path):
    folder = written(research, tmp_path / "out")
    other = made(research, research.base, {"train.py": "X = 99\n"})
    values = json.loads((folder / "results.json").read_text()) | {"head": other}
    (folder / "results.json").write_text(json.dumps(values))
    with borrowing(research.repo) as apart:
        apart._git("update-ref", CODE, other)
        apart._git("bundle", "create", "--quiet", str(folder / "code.bundle"), CODE, f"^{research.base}")
    refused(publisher, folder, "no record of w1 ends with")


# Hostile ledgers


def with_ledger(research: Research, folder: Path, rows: dict[str, str], parent: bool = False) -> Path:
    """An honest folder whose ledger has these besides: path -> `mode kind id`."""
    written(research, folder)
    with borrowing(research.repo) as apart:
        tip = research.repo.resolve("refs/autoresearch/ledger")
        inside = {path: row for path, row in rows.items() if path.startswith("demo/")}
        lines = {path: f"{e.mode} {e.kind} {e.id}" for path, e in Objects(apart).entries(f"{tip}:demo", False).items()}
        lines |= {path.removeprefix("demo/"): row for path, row in inside.items()}
        inner = apart._git("mktree", stdin="".join(f"{row}\t{path}\n" for path, row in lines.items())).strip()
        top = "".join(f"{row}\t{path}\n" for path, row in rows.items() if path not in inside)
        sha = apart.commit_tree(apart._git("mktree", stdin=f"040000 tree {inner}\tdemo\n{top}").strip(), tip if parent else None, "m", 1.0)
        apart._git("update-ref", BRANCH, sha)
        apart._git("bundle", "create", "--quiet", str(folder / "ledger.bundle"), BRANCH)
    values = json.loads((folder / "results.json").read_text()) | {"ledger": sha}
    (folder / "results.json").write_text(json.dumps(values))
    return folder


def blob(research: Research, text: str = "{}\n") -> str:
    return research.repo._git("hash-object", "-w", "--stdin", stdin=text).strip()


@pytest.mark.parametrize(
    "path", ["demo/control.jsonl", "demo/w2.jsonl", "demo/evil.sh", "demo/index.html", "other.jsonl", "demo/w1-xyz.jsonl"]
)
def test_a_ledger_with_any_other_file_is_refused(research, publisher, tmp_path, path):
    folder = with_ledger(research, tmp_path / "out", {path: f"100644 blob {blob(research)}"})
    assert "ledger.bundle: commit" in refused(publisher, folder, f"has '{path}', which is no file that the worker w1 writes")


def test_a_ledger_with_anything_but_plain_files_is_refused(research, publisher, tmp_path):
    for mode in ("100755", "120000"):
        folder = with_ledger(research, tmp_path / "out", {"demo/results.tsv": f"{mode} blob {blob(research)}"})
        refused(publisher, folder, f"'demo/results.tsv', which is not a plain file .mode {mode}")
    folder = with_ledger(research, tmp_path / "out", {"demo/results.tsv": f"160000 commit {research.base}"})
    refused(publisher, folder, "mode 160000")


def test_a_ledger_with_a_huge_file_or_a_parent_is_refused(research, publisher, tmp_path):
    (tmp_path / "huge").write_bytes(bytes(50_000_001))
    huge = git(research.root, "hash-object", "-w", str(tmp_path / "huge"))
    folder = with_ledger(research, tmp_path / "out", {"demo/results.tsv": f"100644 blob {huge}"})
    assert (folder / "ledger.bundle").stat().st_size < 100_000
    refused(publisher, folder, "has 50000001 bytes; the limit is 50000000")
    refused(publisher, with_ledger(research, tmp_path / "out", {}, parent=True), "has a parent")


def test_a_folder_that_cannot_be_written_is_said(research, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AutoresearchError, match="cannot write"):
        written(research, tmp_path / "file")
