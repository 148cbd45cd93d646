"""Remotes against a real git server that asks for a token: leases, failures by kind, and no trace of the token anywhere."""

import subprocess
import time
from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.gitrepo import GitRepo
from bot.remote import Remote, RemoteError
from bot.remote_words import explain
from tests.bot.gitserver import SECRET, TOKEN, GitServer
from tests.conftest import git

MAIN, BRANCH = "refs/heads/main", "refs/heads/autoresearch/demo"


@pytest.fixture
def server(tmp_path):
    with GitServer(tmp_path / "server") as started:
        yield started


@pytest.fixture
def repo(repo_root):
    return GitRepo(repo_root)


class Waits:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def connect(repo: GitRepo, server: GitServer, token: str | None = TOKEN, waits: Waits | None = None, **options) -> Remote:
    waits = waits or Waits()
    return Remote(repo, server.url, (lambda: token) if token else None, sleep=waits.sleep, clock=lambda: waits.now, **options)


def failure(work, *args, **options) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        work(*args, **options)
    assert TOKEN not in str(caught.value) and SECRET not in str(caught.value)
    return caught.value


def there(server: GitServer, ref: str = BRANCH) -> str:
    return git(server.path, "for-each-ref", "--format=%(objectname)", ref)


def test_pushes_lists_fetches_and_deletes(repo, server, tmp_path):
    remote, head = connect(repo, server), repo.head()[0]
    remote.push(head, BRANCH, None)
    remote.push(head, MAIN, None)
    assert remote.refs("refs/heads/autoresearch/*") == {BRANCH: head} and there(server) == head
    other = GitRepo(tmp_path / "other")
    git(tmp_path, "init", "-q", "other")
    connect(other, server).fetch({BRANCH: "refs/autoresearch/got"})
    assert other.resolve("refs/autoresearch/got") == head
    remote.delete(BRANCH, head)
    remote.delete(BRANCH, head)  # gone already
    assert remote.refs("*") == {MAIN: head}


def test_a_ref_that_only_ends_like_the_asked_one_is_another(repo, server):
    head = repo.head()[0]
    git(server.path, "fetch", "-q", str(repo.root), "HEAD:refs/x/refs/heads/main")
    assert connect(repo, server).refs(MAIN) == {} and connect(repo, server).refs("refs/x/*") == {"refs/x/refs/heads/main": head}


def test_a_push_loses_to_whoever_was_first(repo, server):
    first, remote = repo.head()[0], connect(repo, server)
    second = repo.commit(first, {"README.md": "two\n"}, "two", 1.0)
    third = repo.commit(first, {"README.md": "three\n"}, "three", 1.0)
    remote.push(second, BRANCH, None)
    for expected in (None, first):
        assert failure(remote.push, third, BRANCH, expected).kind == "moved"
    assert failure(remote.delete, BRANCH, first).kind == "moved"
    assert there(server) == second
    remote.push(third, BRANCH, second)  # no fast-forward: only the lease counts
    assert there(server) == third


def test_the_token_is_in_no_file_and_no_argument_list(repo, server, monkeypatch, tmp_path):
    """Checked while git talks to the server, and afterwards in every file of the repository and the home folder."""
    home, lists = tmp_path / "home", []
    home.mkdir()
    trace = tmp_path / "home/trace"
    (home / ".gitconfig").write_text(f"[trace2]\n\teventTarget = {trace}\n\tconfigParams = http.*\n\tenvVars = GIT_CONFIG_VALUE_0\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_TRACE_CURL", str(home / "curl"))
    server.faults = [lambda handler: lists.append(arguments())] * 3
    remote, head = connect(repo, server), repo.head()[0]
    git(repo.root, "remote", "add", "origin", server.url)
    remote.push(head, BRANCH, None)
    remote.fetch({BRANCH: "refs/remotes/origin/demo"})
    assert any("git-remote-http" in text or "remote-http" in text for text in lists)
    written = [path.read_bytes() for folder in (repo.root, home) for path in folder.rglob("*") if path.is_file()]
    for secret in (TOKEN, SECRET):
        assert not any(secret in text for text in lists)
        assert not any(secret.encode() in data for data in written)
    assert server.seen[0][2] == [f"Basic {SECRET}"]


def arguments() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def gone(server: GitServer) -> bool:
    """Whether no process talks to the server any more; what was killed takes a moment to leave the list."""
    deadline = time.monotonic() + 5
    while server.url in arguments():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_what_the_user_configured_plays_no_part(repo, server, tmp_path):
    """A checkout's own header (two are refused), rewritten addresses, helpers that hand out or keep passwords, hooks."""
    ran = tmp_path / "ran"
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\necho $0 >> {ran}\necho password=wrong\n")
    helper.chmod(0o755)
    hook = repo.root / ".git/hooks/pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(helper.read_text() + "exit 1\n")
    hook.chmod(0o755)
    for key, value in {
        f"http.{server.root}/.extraheader": "AUTHORIZATION: basic b2xk", "http.extraheader": "AUTHORIZATION: basic b2xk",
        f"url.{tmp_path}/nowhere/.insteadOf": f"{server.root}/", f"url.{tmp_path}/elsewhere/.pushInsteadOf": f"{server.root}/",
        "credential.helper": str(helper), "core.askPass": str(helper), "push.gpgSign": "true", "fetch.prune": "true",
    }.items():  # fmt: skip
        git(repo.root, "config", key, value)
    remote = connect(repo, server)
    remote.push(repo.head()[0], BRANCH, None)
    remote.fetch({BRANCH: "refs/autoresearch/got"})
    assert failure(connect(repo, server, "wrong").refs, "*").kind == "auth"
    assert failure(connect(repo, server, None).refs, "*").kind == "auth"
    assert not ran.exists()


def test_what_is_wrong_with_the_token_is_said(repo, server):
    head = repo.head()[0]
    assert "no longer" in str(failure(connect(repo, server, "old").push, head, BRANCH, None))
    assert "github-token" in str(failure(connect(repo, server, None).push, head, BRANCH, None))
    server.faults = [403]
    error = failure(connect(repo, server).push, head, BRANCH, None)
    assert error.kind == "auth" and "contents: write" in str(error)
    server.faults = [403]
    assert "contents: read" in str(failure(connect(repo, server).refs, "*"))
    server.faults = [404]
    assert failure(connect(repo, server).refs, "*").kind == "auth"


def test_the_token_is_asked_for_before_each_try(repo, server):
    asked = []
    waits = Waits()
    server.faults = [503]
    remote = Remote(repo, server.url, lambda: asked.append(1) or TOKEN, sleep=waits.sleep, clock=lambda: waits.now)
    remote.refs("*", patience=60)
    assert len(asked) == 2


def test_network_failures_are_tried_again_as_long_as_patience_lasts(repo, server):
    waits = Waits()
    server.faults = [503, "drop", 502, 429]
    connect(repo, server, waits=waits).push(repo.head()[0], BRANCH, None, patience=60)
    assert there(server) and len(waits.slept) == 4
    assert all(0.5 * 2**i <= seconds <= 2**i for i, seconds in enumerate(waits.slept))
    waits, server.faults = Waits(), [503] * 20
    assert failure(connect(repo, server, waits=waits).refs, "*", patience=30).kind == "network"
    assert 0 < waits.now <= 30
    waits, server.faults = Waits(), [503]
    assert failure(connect(repo, server, waits=waits).refs, "*").kind == "network" and not waits.slept


def test_a_server_that_is_not_there_is_a_network_failure(repo, server):
    remote = connect(repo, server)
    remote.url = remote.url.replace(str(server.http.server_port), "1")
    assert failure(remote.refs, "*").kind == "network"


def test_other_failures_are_not_tried_again(repo, server):
    waits = Waits()
    assert failure(connect(repo, server, "wrong", waits).refs, "*", patience=600).kind == "auth"
    assert not waits.slept


def test_a_push_whose_answer_was_lost_is_done_when_tried_again(repo, server):
    head = repo.head()[0]
    server.faults = [None, "lose"]
    connect(repo, server).push(head, BRANCH, None, patience=60)
    assert there(server) == head
    server.faults = [None, "lose"]
    connect(repo, server).delete(BRANCH, head, patience=60)
    assert there(server) == ""


def test_a_redirect_is_not_followed(repo, server):
    server.faults = [302]
    error = failure(connect(repo, server).refs, "*")
    assert error.kind == "other" and "new address" in str(error) and len(server.seen) == 1


def test_a_rule_of_the_server_is_a_refusal(repo, server):
    hook = server.path / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho 'error: GH013: Repository rule violations' {TOKEN} {SECRET} >&2\nexit 1\n")
    hook.chmod(0o755)
    error = failure(connect(repo, server).push, repo.head()[0], BRANCH, None, patience=600)
    assert error.kind == "refused" and "Settings > Rules" in str(error) and "GH013" in str(error)


def test_a_branch_in_the_way_of_the_name_is_no_race(repo, server):
    connect(repo, server).push(repo.head()[0], "refs/heads/autoresearch", None)
    error = failure(connect(repo, server).push, repo.head()[0], BRANCH, None)
    assert error.kind == "refused" and "rename" in str(error)


def test_a_server_that_says_nothing_is_given_up_with_all_its_processes(repo, server):
    server.faults = ["hang"]
    assert failure(connect(repo, server, limit=1.0).refs, "*").kind == "network"
    assert gone(server)


@pytest.mark.parametrize("form", ["file://{}", "{}"])
def test_a_folder_needs_no_token(repo, server, form):
    remote = Remote(repo, form.format(server.path))
    remote.push(repo.head()[0], BRANCH, None)
    assert remote.refs(BRANCH) == {BRANCH: there(server)}
    assert failure(Remote(repo, form.format(server.path.parent / "missing.git")).refs, "*").kind == "other"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://x:secret@example.com/o/r.git", "password"),
        ("http://example.com/o/r.git", "unencrypted"),
        ("--upload-pack=touch x/y", "not the address"),
        ("ext::sh -c touch% x/y", "not the address"),
        ("origin", "not the address"),
    ],
)
def test_an_address_that_would_leak_or_run_something_is_refused(repo, url, words):
    with pytest.raises(UsageError, match=words) as caught:
        Remote(repo, url, lambda: TOKEN)
    assert "secret" not in str(caught.value)


def test_an_exception_in_the_middle_of_a_transfer_ends_git_too(repo, server, monkeypatch):
    """Such as a signal's."""

    def ended(*args, **options):
        raise KeyboardInterrupt

    server.faults = ["hang"]
    monkeypatch.setattr(subprocess.Popen, "communicate", ended)
    with pytest.raises(KeyboardInterrupt):
        connect(repo, server).refs("*")
    assert gone(server)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("fatal: unable to access 'https://h/': Could not resolve host: h", "network"),
        ("fatal: unable to access 'https://h/': Failed to connect to h port 443 after 130 ms: Couldn't connect to server", "network"),
        ("fatal: unable to access 'https://h/': Recv failure: Connection reset by peer", "network"),
        ("error: RPC failed; HTTP 504 curl 22 The requested URL returned error: 504\nfatal: the remote end hung up", "network"),
        ("fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate", "other"),
        ("remote: Permission to o/r.git denied to github-actions[bot].\nfatal: unable to access: The requested URL returned 403", "auth"),
        ("fatal: Authentication failed for 'https://h/'", "auth"),
        ("remote: Repository not found.\nfatal: repository 'https://h/' not found", "auth"),
        ("! a:b [remote rejected] (refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml` without "
         "`workflows` permission)", "refused"),
        ("! a:b [remote rejected] (protected branch hook declined)", "refused"),
        ("! a:b [remote rejected] (cannot lock ref 'b': is at 1 but expected 2)", "moved"),
        ("! a:b [rejected] (stale info)", "moved"),
        ("error: file write error: No space left on device", "other"),
        ("something new", "other"),
    ],
)  # fmt: skip
def test_gits_words_are_told_apart(said, kind):
    message, found = explain("git push https://h/", said, "write", True)
    assert found == kind and message.startswith("git push https://h/: ")


def test_a_message_is_one_line_whatever_the_server_sent():
    message, _ = explain("git push x/y", "remote: \x1b[31m::error::a\x07\nfatal: b\u0085c\n" + "remote: z" * 900, "write", True)
    assert "\n" not in message and "\x1b" not in message and "\u0085" not in message and len(message) < 600


def test_a_branch_of_another_clone_is_fetched_wherever_it_was(repo, server):
    remote, first = connect(repo, server), repo.head()[0]
    one, two = (repo.commit(first, {"README.md": text}, "x", 1.0) for text in ("one\n", "two\n"))
    remote.push(one, BRANCH, None)
    remote.fetch({BRANCH: "refs/autoresearch/got"})
    remote.push(two, BRANCH, one)
    remote.fetch({BRANCH: "refs/autoresearch/got"})
    assert repo.resolve("refs/autoresearch/got") == two
    assert git(repo.root, "status", "--porcelain") == ""
