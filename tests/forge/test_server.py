"""The local GitHub itself: who gets in, what the schema lets through, faults on order, limits, and the log."""

import base64
import http.client
import time

import pytest
import requests
from github import Auth, GithubException, GithubIntegration

from . import faults, schema
from .conftest import FILES, client, github
from .limits import Limits
from .server import FakeGitHub


def get(fake: FakeGitHub, path: str, **headers: str) -> requests.Response:
    return requests.get(fake.url + path, headers=headers, timeout=10)


@pytest.mark.parametrize("header", ["token {}", "Bearer {}", "bearer {}"])
def test_a_known_token_gets_in(fake, repo, header):
    assert get(fake, "/repos/alice/demo", Authorization=header.format(fake.token())).json()["full_name"] == "alice/demo"


@pytest.mark.parametrize("header", [None, "token no-such", "Basic eDp5", ""])
def test_nobody_else_gets_in(fake, repo, header):
    headers = {} if header is None else {"Authorization": header}
    assert get(fake, "/repos/alice/demo", **headers).status_code == 401


def test_a_token_dies_when_its_time_or_its_job_ends(repo, fake):
    now = [1_000_000.0]
    fake.clock = lambda: now[0]
    short, job = fake.token(expires_at=now[0] + 60), fake.token()
    assert [get(fake, "/repos/alice/demo", Authorization=f"token {each}").status_code for each in (short, job)] == [200, 200]
    now[0] += 60
    fake.revoke(job)
    assert [get(fake, "/repos/alice/demo", Authorization=f"token {each}").status_code for each in (short, job)] == [401, 401]


def test_what_a_token_may_not_see_is_not_found(fake, repo):
    stranger = github(fake, fake.token(repositories=["alice/other"]))
    for name in ("alice/demo", "alice/absent"):
        with pytest.raises(GithubException) as error:
            stranger.get_repo(name)
        assert error.value.status == 404


@pytest.mark.parametrize(
    ("permissions", "act"),
    [
        ({"contents": "write"}, lambda demo: demo.get_pulls().totalCount),
        ({"pull-requests": "read"}, lambda demo: demo.create_pull(base="main", head="work", title="t")),
        ({"pull-requests": "write"}, lambda demo: demo.get_branch("main")),
        ({"contents": "read"}, lambda demo: demo.get_git_ref("heads/work").delete()),
        ({"contents": "write"}, lambda demo: demo.create_check_run("c", "0" * 40)),
        ({"actions": "read"}, lambda demo: demo.get_workflow("nightly.yml").create_dispatch("main", {"name": "n"}, throw=True)),
    ],
)
def test_a_lacking_permission_is_refused(fake, repo, permissions, act):
    with pytest.raises(GithubException) as error:
        act(client(fake, permissions=permissions))
    assert (error.value.status, error.value.data["message"]) == (403, "Resource not accessible by integration")


def test_comments_on_pulls_are_allowed_by_either_permission(fake, repo):
    repo.open("alice", "work", "t")
    for name in ("issues", "pull_requests"):
        token = fake.token({name: "write"})
        answer = requests.post(f"{fake.url}/repos/alice/demo/issues/1/comments", json={"body": "x"}, auth=Bearer(token), timeout=10)
        assert answer.status_code == 201


class Bearer(requests.auth.AuthBase):
    def __init__(self, token: str):
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def test_jobs_have_no_user_and_people_have(fake):
    with pytest.raises(GithubException) as error:
        github(fake, fake.token()).get_user().login  # noqa: B018
    assert error.value.status == 403
    assert github(fake, fake.token(login="carol")).get_user().login == "carol"


@pytest.mark.parametrize("login", ["github-actions[bot]", "carol"])
def test_graphql_says_who_the_token_is(fake, login):
    _, data = github(fake, fake.token(login=login)).requester.graphql_query("query { viewer { login } }", {})
    assert data == {"data": {"viewer": {"login": login}}}
    assert fake.writes() == []  # a POST, and yet no write


@pytest.mark.parametrize(
    ("login", "role", "expected"),
    [("alice", None, "admin"), ("bob", "maintain", "write"), ("bob", "triage", "read"), ("carol", None, "none")],
)
def test_the_permission_of_a_person(fake, repo, login, role, expected):
    fake.users.add(login)
    if role:
        repo.permissions[login] = role
    assert client(fake).get_collaborator_permission(login) == expected


def test_the_permission_of_nobody_is_not_found(fake, repo):
    with pytest.raises(GithubException) as error:
        client(fake).get_collaborator_permission("ghost")
    assert error.value.status == 404


def test_an_app_gets_tokens_for_its_signature(fake, repo):
    app = fake.app(permissions={"contents": "read", "pull_requests": "write"}, repositories=["alice/demo"])
    auth = Auth.AppAuth(app.app_id, app.private_key)
    found = GithubIntegration(auth=auth, base_url=fake.url, retry=None).get_repo_installation("alice", "demo")
    demo = github(fake, auth.get_installation_auth(found.id)).get_repo("alice/demo")
    assert demo.create_pull(base="main", head="work", title="t").user.login == "research-bot[bot]"
    with pytest.raises(GithubException, match="403"):
        demo.get_git_ref("heads/work").delete()


def test_an_app_with_another_key_is_refused(fake, repo):
    app, other = fake.app(), fake.app("other")
    forged = GithubIntegration(auth=Auth.AppAuth(app.app_id, other.private_key), base_url=fake.url, retry=None)
    with pytest.raises(GithubException) as error:
        forged.get_repo_installation("alice", "demo")
    assert error.value.status == 401


def test_a_request_outside_the_schema_is_a_violation(fake, repo):
    body = {"head": "work", "base": "main", "title": "t", "drafft": True}
    assert requests.post(f"{fake.url}/repos/alice/demo/pulls", json=body, auth=Bearer(fake.token()), timeout=10).status_code == 500
    assert "no field drafft" in fake.violations.pop() and not fake.violations and not repo.pulls


def test_a_response_outside_the_schema_is_a_violation(fake, repo):
    repo.open("alice", "work", "t")
    repo.edit(1, title=5)
    assert get(fake, "/repos/alice/demo/pulls/1", Authorization=f"token {fake.token()}").status_code == 500
    assert "not a PullRequest" in fake.violations.pop() and not fake.violations


def test_a_violation_fails_the_test_on_exit():
    with pytest.raises(AssertionError, match="no such endpoint"), FakeGitHub() as fake:
        get(fake, "/zen", Authorization=f"token {fake.token()}")


@pytest.mark.parametrize(
    ("shape", "data", "complaint"),
    [
        ("IssueComment", b'{"id": 1}', "node_id"),
        ("ReposOwnerRepoPullsPostBody", b'{"head": "a", "base": "b", "drafft": true}', "no field drafft"),
        ("ReposOwnerRepoPullsPostBody", b'{"head": "a", "base": 5}', "base"),
        ("ReposOwnerRepoPullsPostBody", b'{"head": "a", "base": "b", "draft": "true"}', "draft"),
        ("ReposOwnerRepoIssuesCommentsCommentIdReactionsPostBody", b'{"content": "thumb"}', "content"),
        ("list[CommitPropParentsItems]", b'[{"sha": "s", "url": "u"}, {"sha": "s", "url": "u", "x": {}}]', "no field x"),
        (
            "ReposOwnerRepoCheckRunsPostBodyPropOutput",
            b'{"title": "t", "summary": "s", "images": [{"alt": "a", "image_url": "u", "x": 1}]}',
            "images.x",
        ),
        ("BasicError", b"{", "not a BasicError"),
    ],
)
def test_the_schema_is_strict(shape, data, complaint):
    with pytest.raises(schema.Violation, match=complaint):
        schema.check(shape, data)


def test_the_newer_api_version_has_fewer_fields(fake, repo):
    repo.open("alice", "work", "t")
    token, path = f"token {fake.token()}", "/repos/alice/demo/pulls/1"
    older = get(fake, path, Authorization=token).json()
    newer = get(fake, path, Authorization=token, **{"X-GitHub-Api-Version": schema.CURRENT}).json()
    assert older.keys() - newer.keys() == {"assignee", "merge_commit_sha"}


def test_a_fault_hits_as_often_as_ordered_and_in_order(fake, repo):
    fake.fail("GET", "/pulls$", status=502, times=2)
    fake.fail("GET", "/pulls$", **faults.secondary(retry_after=7))
    found = [get(fake, "/repos/alice/demo/pulls", Authorization=f"token {fake.token()}") for _ in range(4)]
    assert [each.status_code for each in found] == [502, 502, 403, 200]
    assert found[2].headers["retry-after"] == "7"
    assert get(fake, "/repos/alice/demo/branches/main", Authorization=f"token {fake.token()}").ok


def test_a_dropped_connection_has_no_answer(fake, repo):
    token = fake.token()
    with fake.fail(".*", ".*", drop=True, times=None), pytest.raises(requests.ConnectionError):
        get(fake, "/repos/alice/demo", Authorization=f"token {token}")
    assert get(fake, "/repos/alice/demo", Authorization=f"token {token}").ok
    assert [entry.status for entry in fake.log] == [0, 200]


@pytest.mark.parametrize(("after", "made"), [(False, 0), (True, 1)])
def test_a_fault_strikes_before_or_after_the_deed(fake, repo, after, made):
    demo = client(fake)
    fake.fail("POST", "/pulls$", status=500, after=after)
    with pytest.raises(GithubException):
        demo.create_pull(base="main", head="work", title="t")
    assert len(repo.pulls) == made


def test_the_limits_are_counted_by_the_clock():
    now = [1_000_000.0]
    with FakeGitHub(clock=lambda: now[0], limits=Limits(calls_hour=6, writes_minute=2)) as fake:
        fake.repository("alice/demo", files=FILES).push_as("alice", "work", {"train.py": "X = 2\n"})
        fake.repositories["alice/demo"].open("alice", "work", "t")
        token = Bearer(fake.token())

        def comment() -> requests.Response:
            return requests.post(f"{fake.url}/repos/alice/demo/issues/1/comments", json={"body": "x"}, auth=token, timeout=10)

        assert [comment().status_code for _ in range(3)] == [201, 201, 403]
        now[0] += 61
        assert [comment().status_code for _ in range(3)] == [201, 201, 403]
        answer = requests.get(f"{fake.url}/repos/alice/demo", auth=token, timeout=10)
        assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (403, "0")
        assert "API rate limit exceeded" in answer.json()["message"]
        now[0] = float(answer.headers["x-ratelimit-reset"])
        assert requests.get(f"{fake.url}/rate_limit", auth=token, timeout=10).json()["rate"]["remaining"] > 0


def test_the_log_tells_reads_from_writes(fake, repo):
    demo = client(fake)
    pull = demo.create_pull(base="main", head="work", title="t")
    pull.get_issue_comments().totalCount  # noqa: B018
    assert [(entry.method, entry.path, entry.status, entry.login) for entry in fake.writes()] == [
        ("POST", "/repos/alice/demo/pulls", 201, "github-actions[bot]")
    ]
    assert fake.writes()[0].body["title"] == "t"
    assert abs(fake.writes()[0].at - time.time()) < 60
    assert {entry.method for entry in fake.log} == {"GET", "POST"}


def test_two_credentials_at_once_are_refused(fake, repo):
    connection = http.client.HTTPConnection(fake.server_url.removeprefix("http://"))
    connection.putrequest("GET", "/alice/demo.git/info/refs?service=git-upload-pack")
    for _ in range(2):
        connection.putheader("Authorization", "basic " + base64.b64encode(f"x-access-token:{fake.token()}".encode()).decode())
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, b"Duplicate header" in answer.read()) == (400, True)
    connection.close()
