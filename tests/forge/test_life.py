"""Many at once and over time: what a soak test leans on."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests
from github import Auth, GithubException, GithubIntegration

from .conftest import client, github
from .server import FakeGitHub


def test_of_many_clients_at_once_one_makes_the_pull_request(fake, repo):
    clients = [client(fake) for _ in range(8)]

    def create(demo) -> int:
        try:
            return demo.create_pull(base="main", head="work", title="t").number
        except GithubException as error:
            return error.status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, clients)) == [1, *[422] * 7]
    assert len(repo.pulls) == 1


def test_numbers_and_state_last_over_many_nights(fake, repo):
    demo = client(fake)
    for night in range(12):
        repo.push_as("autoresearch", f"night-{night % 3}", {"train.py": f"X = {night}\nY = {night}\n"})
        pull = demo.create_pull(base="main", head=f"night-{night % 3}", title=f"night {night}")
        [lambda n: repo.merge(n, delete_branch=True), repo.close, lambda n: repo.delete_branch(f"night-{n % 3}")][night % 3](pull.number)
        repo.git.delete(f"refs/heads/night-{night % 3}")
    found = list(demo.get_pulls(state="all", direction="asc"))
    assert [pull.title for pull in found] == [f"night {night}" for night in range(12)]
    assert [pull.merged_at is not None for pull in found] == [True, False, False] * 4


def test_an_apps_token_expires_and_is_renewed(fake, repo):
    app = fake.app()
    app.lifetime = 3600.0
    auth = Auth.AppAuth(app.app_id, app.private_key)
    id = GithubIntegration(auth=auth, base_url=fake.url, retry=None).get_repo_installation("alice", "demo").id
    installed = auth.get_installation_auth(id)
    demo = github(fake, installed).get_repo("alice/demo")
    first, ends = installed.token, fake.tokens[installed.token].expires_at
    assert abs(datetime.fromtimestamp(ends, UTC) - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)
    fake.tokens[first].revoked = True
    with pytest.raises(GithubException) as error:
        demo.get_branch("main")
    assert error.value.status == 401
    again = auth.get_installation_auth(id)
    github(fake, again).get_repo("alice/demo")
    assert again.token != first


def test_an_app_gives_no_more_than_it_has(fake, repo):
    app = fake.app(permissions={"contents": "read"})
    auth = Auth.AppAuth(app.app_id, app.private_key)
    with pytest.raises(GithubException) as error:
        GithubIntegration(auth=auth, base_url=fake.url, retry=None).get_access_token(app.installation_id, {"contents": "write"})
    assert error.value.status == 422


def test_everybody_reads_a_public_repository_and_nobody_else_writes(fake):
    repo = fake.repository("alice/open", files={"a": "1"}, private=False)
    repo.push_as("alice", "work", {"a": "2"})
    stranger = github(fake, fake.token(repositories=["bob/other"])).get_repo("alice/open")
    assert stranger.get_branch("work").commit.sha == repo.branch("work")
    with pytest.raises(GithubException) as error:
        stranger.create_pull(base="main", head="work", title="t")
    assert error.value.status == 403


def test_a_slow_answer_makes_an_impatient_client_give_up(fake, repo):
    fake.fail("GET", ".*", delay=1.0)
    with pytest.raises(requests.Timeout):
        requests.get(f"{fake.url}/repos/alice/demo", headers={"Authorization": f"token {fake.token()}"}, timeout=0.2)


def test_after_the_end_kept_connections_are_closed():
    with requests.Session() as session:
        with FakeGitHub() as fake:
            session.headers["Authorization"] = f"token {fake.token()}"
            assert session.get(f"{fake.url}/rate_limit", timeout=5).ok
        with pytest.raises(requests.ConnectionError):
            session.get(f"{fake.url}/rate_limit", timeout=5)
