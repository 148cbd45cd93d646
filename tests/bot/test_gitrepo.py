"""gitrepo against real git: the user's checkout is never involved, and everything may be done twice."""

import os
import subprocess
from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.gitrepo import GitRepo
from tests.conftest import commit_all, git

NEW = "LEARNING_RATE = 0.04\n"


@pytest.fixture
def repo(repo_root):
    return GitRepo.find(repo_root)


def snapshot(root):
    """What a user would notice: HEAD, branch, status, index and the files."""
    files = {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and ".git" not in p.parts}
    return git(root, "rev-parse", "HEAD"), git(root, "status", "--porcelain", "-b"), (root / ".git/index").read_bytes(), files


def test_a_commit_does_not_touch_checkout_index_or_branch(repo):
    before = snapshot(repo.root)
    sha = repo.commit(repo.head()[0], {"train/train.py": NEW}, "try", 1000.0)
    repo.move_branch("autoresearch/demo", sha, None)
    assert snapshot(repo.root) == before
    assert repo.read(sha, "train/train.py") == NEW and repo.read(sha, "README.md") == "hello\n"


def test_the_same_commit_made_twice_is_the_same_sha(repo):
    args = (repo.head()[0], {"train/train.py": NEW}, "try", 1000.0)
    assert repo.commit(*args) == repo.commit(*args)


def test_hooks_filters_and_the_users_identity_play_no_part(repo):
    hook = repo.root / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ran-a-hook\n")
    hook.chmod(0o755)
    git(repo.root, "config", "core.autocrlf", "true")
    sha = repo.commit(repo.head()[0], {"train/train.py": "A = 1\r\nB = 2\n"}, "try", 1000.0)
    repo.move_branch("autoresearch/demo", sha, None)
    assert not list(repo.root.rglob("ran-a-hook"))
    assert repo.read(sha, "train/train.py") == "A = 1\r\nB = 2\n"
    assert git(repo.root, "log", "-1", "--format=%an", sha) == "autoresearch"


def test_a_branch_that_moved_is_never_overwritten(repo):
    head, _ = repo.head()
    mine = repo.commit(head, {"train/train.py": NEW}, "mine", 1000.0)
    theirs = repo.commit(head, {"README.md": "theirs\n"}, "theirs", 1000.0)
    repo.move_branch("autoresearch/demo", theirs, None)
    for expected in (None, head):
        with pytest.raises(UsageError, match="moved by someone else"):
            repo.move_branch("autoresearch/demo", mine, expected)
    assert repo.resolve("autoresearch/demo") == theirs


def test_an_export_is_the_commits_bytes_without_git(repo, tmp_path):
    (repo.root / "run.sh").write_bytes(b"#!/bin/sh\r\n\xff\x00")
    (repo.root / "run.sh").chmod(0o755)
    (repo.root / "link").symlink_to("README.md")
    (repo.root / "empty").write_bytes(b"")
    sha = commit_all(repo.root)
    (repo.root / "run.sh").write_text("edited afterwards")
    repo.export(sha, tmp_path / "out")
    out = tmp_path / "out"
    assert (out / "run.sh").read_bytes() == b"#!/bin/sh\r\n\xff\x00" and os.access(out / "run.sh", os.X_OK)
    assert os.readlink(out / "link") == "README.md" and (out / "empty").read_bytes() == b"" and not (out / ".git").exists()


def test_an_export_can_be_limited_to_paths(repo, tmp_path):
    repo.export(repo.head()[0], tmp_path / "out", ["train/train.py"])
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["train.py"]


def test_a_patch_becomes_texts_and_round_trips_through_diff(repo):
    head, _ = repo.head()
    sha = repo.commit(head, {"train/train.py": NEW}, "try", 1000.0)
    assert repo.apply_patch(head, repo.diff(head, sha)) == {"train/train.py": NEW}
    assert repo.lines_changed(head, sha) == (1, 6)


@pytest.mark.parametrize("kind", ["mode", "symlink", "stale"])
def test_a_patch_that_is_not_a_text_change_is_refused(repo, kind):
    head, _ = repo.head()
    target = repo.root / "train/train.py"
    if kind == "mode":
        target.chmod(0o755)
    elif kind == "symlink":
        target.unlink()
        target.symlink_to("/etc/passwd")
    else:
        target.write_text("something else\n")
        head = commit_all(repo.root)
        target.write_text("yet another\n")
    patch = git(repo.root, "diff") + "\n"
    base = head if kind != "stale" else git(repo.root, "rev-parse", "HEAD^")
    with pytest.raises(ValueError):
        repo.apply_patch(base, patch)


def test_dirty_names_edited_staged_and_untracked_files_only_of_the_given_paths(repo):
    (repo.root / "README.md").write_text("changed\n")
    (repo.root / "train/new.py").write_text("x\n")
    assert repo.dirty(["train/train.py"]) == []
    assert repo.dirty(["train/new.py", "README.md"]) == ["README.md", "train/new.py"]


def test_not_a_repository_and_no_commits_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="not a git repository"):
        GitRepo.find(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(UsageError, match="no commits"):
        GitRepo.find(tmp_path).head()


def test_a_detached_head_has_no_branch(repo):
    git(repo.root, "checkout", "-q", "--detach")
    assert repo.head()[1] is None


def test_the_state_folder_is_ignored_without_touching_tracked_files(repo):
    repo.ignore(".autoresearch")
    repo.ignore(".autoresearch")
    (repo.root / ".autoresearch").mkdir()
    (repo.root / ".autoresearch/x").write_text("x")
    assert git(repo.root, "status", "--porcelain") == ""
    assert (repo.root / ".git/info/exclude").read_text().count("/.autoresearch/") == 1


def test_a_checked_out_branch_is_found(repo, tmp_path):
    git(repo.root, "worktree", "add", "-q", "-b", "autoresearch/demo", str(tmp_path / "wt"))
    assert repo.checked_out("autoresearch/demo") == str(tmp_path / "wt")
    assert repo.checked_out("autoresearch/other") is None


def test_git_variables_of_a_calling_hook_do_not_redirect_us(repo, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert GitRepo.find(repo.root / "train").root == repo.root


def test_what_git_ignores_in_a_locked_folder_is_not_dirty(repo):
    (repo.root / ".gitignore").write_text("__pycache__/\nsecret.py\n")
    commit_all(repo.root)
    for path in ("train/__pycache__/a.pyc", "secret.py"):
        (repo.root / path).parent.mkdir(exist_ok=True)
        (repo.root / path).write_text("x")
    assert repo.dirty(["train"]) == []
    assert repo.dirty(["secret.py"]) == ["secret.py"]


def test_paths_are_names_and_not_patterns(repo):
    for name in ("a[b].py", "ab.py"):
        (repo.root / name).write_text("x = 1\n")
    commit_all(repo.root)
    (repo.root / "ab.py").write_text("x = 2\n")
    assert repo.dirty(["a[b].py"]) == []


@pytest.mark.parametrize("setting", ["diff.noprefix", "diff.mnemonicPrefix", "attribute"])
def test_a_diff_applies_whatever_the_user_has_configured(repo, setting):
    if setting == "attribute":
        (repo.root / ".gitattributes").write_text("*.py -diff\n")
    else:
        git(repo.root, "config", setting, "true")
    head, _ = repo.head()
    sha = repo.commit(head, {"train/train.py": NEW}, "try", 1000.0)
    assert repo.apply_patch(head, repo.diff(head, sha)) == {"train/train.py": NEW}


def test_a_file_name_that_is_not_utf8_is_carried_along(repo, tmp_path):
    (Path(os.fsdecode(os.fsencode(repo.root) + b"/caf\xe9"))).write_text("x")
    sha = commit_all(repo.root)
    repo.export(sha, tmp_path / "out")
    assert b"caf\xe9" in os.listdir(os.fsencode(tmp_path / "out"))


def test_a_sha256_repository_gets_its_branch(tmp_path):
    git(tmp_path, "init", "-q", "--object-format=sha256")
    (tmp_path / "a").write_text("x")
    sha = commit_all(tmp_path)
    repo = GitRepo.find(tmp_path)
    repo.move_branch("autoresearch/demo", sha, None)
    assert repo.resolve("autoresearch/demo") == sha
    with pytest.raises(UsageError, match="moved by someone else"):
        repo.move_branch("autoresearch/demo", sha, None)


def test_a_bare_repository_is_a_usage_error_with_the_fix(tmp_path):
    git(tmp_path, "init", "-q", "--bare")
    with pytest.raises(UsageError, match="bare repository; use a clone"):
        GitRepo.find(tmp_path)


def test_ctrl_c_on_the_terminal_does_not_reach_git(repo):
    """The terminal signals the bot's process group; git must not be in it."""
    script = repo.root.parent / "bin/git"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\nps -o pgid= -p $$\n")
    script.chmod(0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{script.parent}:{path}"
    try:
        group = int(repo._git("anything"))
    finally:
        os.environ["PATH"] = path
    assert group != os.getpgrp()


def test_index_that_a_killed_run_left_behind_is_removed(repo):
    folder = repo.root / ".git" / "autoresearch-index"
    folder.mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    for name in (f"{gone.pid}", f"{gone.pid}.lock", f"{os.getpid()}.lock"):
        (folder / name).write_text("")
    repo.commit(repo.head()[0], {"train/train.py": NEW}, "try", 1000.0)
    assert list(folder.iterdir()) == []
