"""Labels, comments and reactions of the local GitHub."""

import re

import pytest
from github import GithubException

from .conftest import client


@pytest.fixture
def pull(fake, repo):
    return client(fake).create_pull(base="main", head="work", title="t")


def test_labels_are_added_once(pull, repo):
    pull.add_to_labels("autoresearch")
    pull.add_to_labels("autoresearch", "gpu")
    assert [label.name for label in pull.get_labels()] == ["autoresearch", "gpu"]
    assert repo.pulls[1].labels == ["autoresearch", "gpu"]


def test_a_label_that_a_person_removed_is_gone(fake, pull, repo):
    pull.add_to_labels("autoresearch")
    repo.edit(1, labels=[])
    assert client(fake).get_pull(1).labels == []


def test_every_comment_is_found_across_the_pages_oldest_first(pull, repo):
    for i in range(65):
        repo.comment(1, "bob", f"comment {i}")
    found = list(pull.get_issue_comments())
    assert [each.body for each in found] == [f"comment {i}" for i in range(65)]
    assert {each.user.login for each in found} == {"bob"}


def test_a_pull_request_has_its_own_comments_only(pull, repo):
    repo.push_as("bob", "other", {"train.py": "X = 3\n"})
    repo.comment(repo.open("bob", "other", "his").number, "bob", "elsewhere")
    repo.comment(1, "bob", "here")
    assert [each.body for each in pull.get_issue_comments()] == ["here"]


def test_a_page_is_as_long_as_asked_and_links_to_the_others(fake, pull, repo):
    for i in range(5):
        repo.comment(1, "bob", f"comment {i}")
    headers, data = pull.requester.requestJsonAndCheck("GET", f"{pull.issue_url}/comments", parameters={"per_page": 2, "page": 2})
    assert [each["body"] for each in data] == ["comment 2", "comment 3"]
    pages = re.findall(r'[?&]page=(\d+)[^,]*; rel="(\w+)"', headers["link"])
    assert {name: int(page) for page, name in pages} == {"first": 1, "prev": 1, "next": 3, "last": 3}
    assert headers["link"].count(f"<{pull.issue_url}/comments?") == headers["link"].count("per_page=2") == 4


def test_a_comment_is_edited_in_place_and_deleted(pull, repo):
    comment = pull.create_issue_comment("before")
    comment.edit("after")
    assert pull.get_issue_comment(comment.id).body == "after"
    comment.delete()
    assert repo.comments == {}
    with pytest.raises(GithubException) as error:
        pull.get_issue_comment(comment.id)
    assert error.value.status == 404


@pytest.mark.parametrize(("body", "words"), [("x" * 65_537, "too long (maximum is 65536"), (" ", "cannot be blank")])
def test_a_comment_has_a_length(pull, body, words):
    with pytest.raises(GithubException) as error:
        pull.create_issue_comment(body)
    assert (error.value.status, words in error.value.data["errors"][0]["message"]) == (422, True)


def test_the_same_reaction_twice_is_one(pull, repo):
    comment = pull.create_issue_comment("x")
    for content in ("eyes", "eyes", "rocket"):
        comment.create_reaction(content)
    assert [each.content for each in comment.get_reactions()] == ["eyes", "rocket"]


def test_a_pull_request_that_is_not_there_has_no_comments(fake, repo):
    with pytest.raises(GithubException) as error:
        client(fake).requester.requestJsonAndCheck("POST", "/repos/alice/demo/issues/9/comments", input={"body": "x"})
    assert error.value.status == 404
