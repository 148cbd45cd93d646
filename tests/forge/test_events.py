"""The event of a comment, as the local GitHub hands it to a workflow."""

import pytest

from .events import comment_event


@pytest.mark.parametrize("action", ["created", "edited"])
def test_the_event_names_who_said_what_on_which_pull_request(repo, action):
    """Its shape is checked against GitHub's schema of webhooks where it is made."""
    repo.permissions["bob"] = "write"
    repo.open("alice", "work", "Lower X")
    repo.edit(1, labels=["autoresearch"])
    event = comment_event(repo, repo.comment(1, "bob", "/autoresearch stop"), action)
    assert (event["action"], event["sender"]["login"], event["comment"]["body"]) == (action, "bob", "/autoresearch stop")
    assert (event["comment"]["user"]["type"], event["comment"]["author_association"]) == ("User", "COLLABORATOR")
    assert (event["issue"]["number"], event["issue"]["state"], event["issue"]["title"]) == (1, "open", "Lower X")
    assert event["issue"]["pull_request"]["url"] == f"{repo.forge.url}/repos/alice/demo/pulls/1"
    assert event["repository"]["full_name"] == "alice/demo"


def test_a_bot_is_told_from_a_person(repo):
    repo.open("alice", "work", "t")
    assert comment_event(repo, repo.comment(1, "github-actions[bot]", "/autoresearch stop"))["comment"]["user"]["type"] == "Bot"
