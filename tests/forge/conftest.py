"""A local GitHub with one repository, and PyGithub as its client."""

import pytest
from github import Auth, Github
from github.Repository import Repository

from .repository import FakeRepo
from .server import FakeGitHub

NIGHTLY = """name: Nightly
on:
  schedule: [{cron: "17 2 * * *"}]
  workflow_dispatch:
    inputs:
      budget-minutes: {default: "480"}
      name: {required: true}
"""
FILES = {"train.py": "X = 1\n", ".github/workflows/nightly.yml": NIGHTLY, ".github/workflows/ci.yml": "name: CI\non: [push]\n"}


def github(fake: FakeGitHub, auth: str | Auth.Auth) -> Github:
    auth = Auth.Token(auth) if isinstance(auth, str) else auth
    return Github(auth=auth, base_url=fake.url, retry=None, seconds_between_requests=0, seconds_between_writes=0)


def client(fake: FakeGitHub, **token) -> Repository:
    """alice/demo as the bearer of a new token sees it."""
    return github(fake, fake.token(**token)).get_repo("alice/demo")


@pytest.fixture
def fake():
    with FakeGitHub() as forge:
        yield forge


@pytest.fixture
def repo(fake: FakeGitHub) -> FakeRepo:
    found = fake.repository("alice/demo", files=FILES)
    found.push_as("alice", "work", {"train.py": "X = 2\n"}, "lower X")
    return found
