"""Git over HTTP with the local GitHub: cloning and pushing with a token in a header, and what is refused."""

import base64
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..conftest import commit_all, git
from .conftest import client


def call(folder: Path, *args: str, token: str | None, url: str) -> subprocess.CompletedProcess[str]:
    """git with the token in the environment of this one process."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    if token:
        header = "Authorization: basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()
        environment |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"http.{url}.extraheader", "GIT_CONFIG_VALUE_0": header}
    return subprocess.run(["git", *args], cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(fake, repo, tmp_path):
    """A working copy, and git with a token of these permissions in it."""
    token = fake.token()
    done = call(tmp_path, "clone", "-q", repo.git_url, "work", token=token, url=repo.git_url)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "work"

    def run(*args: str, bearer: str | None = token) -> subprocess.CompletedProcess[str]:
        return call(folder, *args, token=bearer, url=repo.git_url)

    return folder, run


def edit(folder: Path, path: str = "train.py", text: str = "X = 7\n") -> str:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
    return commit_all(folder)


def test_a_clone_has_the_branches_and_no_credential(clone, repo):
    folder, _ = clone
    assert git(folder, "rev-parse", "origin/work") == repo.branch("work")
    assert "Authorization" not in (folder / ".git/config").read_text()


def test_a_push_moves_the_branch_and_its_pull_request(clone, repo, fake):
    folder, run = clone
    repo.open("alice", "work", "t")
    git(folder, "checkout", "-q", "work")
    sha = edit(folder)
    assert run("push", "-q", "origin", "work").returncode == 0
    assert (repo.branch("work"), repo.pulls[1].head_sha) == (sha, sha)
    assert [(entry.login, entry.status) for entry in fake.writes()] == [("github-actions[bot]", 200)]


def test_deleting_the_branch_closes_the_pull_request(clone, repo):
    _, run = clone
    repo.open("alice", "work", "t")
    assert run("push", "-q", "origin", ":work").returncode == 0
    assert repo.pulls[1].state == "closed"


def test_the_url_works_without_its_suffix(clone, repo, fake):
    _, run = clone
    done = run("ls-remote", repo.git_url.removesuffix(".git"), "refs/heads/main", bearer=None)
    assert "could not read Username" in done.stderr  # a 401, not a 404
    url = repo.git_url.removesuffix(".git")
    done = call(repo.path, "ls-remote", url, "refs/heads/main", token=fake.token(), url=url)
    assert done.stdout.split()[0] == repo.branch("main")


@pytest.mark.parametrize("token", [None, "no-such"])
def test_without_a_known_token_nothing_is_given(clone, token):
    _, run = clone
    done = run("fetch", "origin", bearer=token)
    assert done.returncode and ("could not read Username" in done.stderr or "Authentication failed" in done.stderr)


def test_reading_is_not_writing(clone, repo, fake):
    folder, run = clone
    before, reader = repo.branch("main"), fake.token({"contents": "read"})
    edit(folder)
    assert run("fetch", "-q", "origin", bearer=reader).returncode == 0
    done = run("push", "origin", "main", bearer=reader)
    assert "Permission to alice/demo.git denied to github-actions[bot]" in done.stderr and "403" in done.stderr
    assert repo.branch("main") == before


def test_another_repository_is_not_found(clone, fake):
    _, run = clone
    done = run("fetch", "origin", bearer=fake.token(repositories=["alice/other"]))
    assert "not found" in done.stderr


@pytest.mark.parametrize(("permissions", "moved"), [({"contents": "write"}, False), ({"contents": "write", "workflows": "write"}, True)])
def test_workflow_files_need_their_own_permission(clone, repo, fake, permissions, moved):
    folder, run = clone
    edit(folder, ".github/workflows/new.yml", "on: push\n")
    edit(folder, ".github/workflows/new.yml", "on: [push]\n")
    done = run("push", "origin", "HEAD:refs/heads/new", bearer=fake.token(permissions))
    assert (repo.branch("new") is not None, "refusing to allow a GitHub App" in done.stderr) == (moved, not moved)


def test_workflow_files_that_are_there_already_may_be_pushed_again(clone, repo, fake):
    folder, run = clone
    repo.push_as("alice", "main", {".github/workflows/new.yml": "on: push\n"})
    run("fetch", "-q", "origin")
    git(folder, "reset", "-q", "--hard", "origin/main")
    edit(folder)
    assert run("push", "-q", "origin", "HEAD:refs/heads/new").returncode == 0


def test_nobody_pushes_below_refs_pull(clone, repo):
    folder, run = clone
    edit(folder)
    assert run("push", "origin", "HEAD:refs/pull/1/head").returncode
    assert repo.git.refs("refs/pull/") == {}


def test_a_lease_holds_when_the_branch_has_moved(clone, repo):
    folder, run = clone
    old = repo.branch("work")
    sha = repo.push_as("bob", "work", {"train.py": "X = 5\n"}, amend=True)
    edit(folder)
    done = run("push", f"--force-with-lease=refs/heads/work:{old}", "origin", "HEAD:work")
    assert "stale info" in done.stderr and repo.branch("work") == sha


def test_a_big_push_arrives_in_chunks(clone, repo):
    folder, run = clone
    sha = edit(folder, "big", os.urandom(3_000_000).hex())
    assert run("push", "-q", "origin", "main").returncode == 0  # above http.postBuffer, 1 MiB
    assert repo.branch("main") == sha


@pytest.mark.parametrize(("after", "arrived"), [(False, False), (True, True)])
def test_a_push_can_lose_its_connection_before_or_after(clone, repo, fake, after, arrived):
    folder, run = clone
    sha = edit(folder)
    with fake.fail("POST", "/git-receive-pack$", drop=True, after=after, times=None):  # once is not enough: curl tries again
        assert run("push", "origin", "main").returncode
    assert (repo.branch("main") == sha) == arrived


def test_racing_pushes_to_one_branch_have_one_winner(fake, repo, tmp_path):
    folders = [tmp_path / str(i) for i in range(4)]
    token = fake.token()
    for i, folder in enumerate(folders):
        call(tmp_path, "clone", "-q", repo.git_url, str(folder), token=token, url=repo.git_url)
        edit(folder, text=f"X = {i + 10}\n")
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda each: call(each, "push", "-q", "origin", "main", token=token, url=repo.git_url).returncode, folders))
    assert codes.count(0) == 1
    assert repo.branch("main") == git(folders[codes.index(0)], "rev-parse", "HEAD")


def test_the_api_sees_what_git_pushed(clone, fake):
    folder, run = clone
    sha = edit(folder)
    run("push", "-q", "origin", "HEAD:refs/heads/autoresearch/demo")
    demo = client(fake)
    assert demo.get_branch("autoresearch/demo").commit.sha == sha
    assert demo.create_pull(base="main", head="autoresearch/demo", title="t").head.sha == sha
