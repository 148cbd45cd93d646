"""The local GitHub's pull requests: GitHub's rules when they are made, and how they follow their branches."""

import pytest
from github import GithubException

from .conftest import client, github
from .repository import FakeRepo
from .server import FakeGitHub


def refused(error: pytest.ExceptionInfo[GithubException]) -> str:
    """What a 422 says."""
    assert error.value.status == 422
    found = error.value.data["errors"][0]
    return found.get("message") or f"{found['field']} {found['code']}"


@pytest.fixture
def demo(fake: FakeGitHub, repo: FakeRepo):
    return client(fake)


def test_a_pull_request_is_read_back_as_it_was_made(demo, repo):
    demo.create_pull(base="main", head="work", title="Lower X", body="because", draft=True)
    found = demo.get_pull(1)
    assert (found.title, found.body, found.draft, found.state, found.merged) == ("Lower X", "because", True, "open", False)
    assert (found.head.ref, found.head.sha, found.base.ref) == ("work", repo.branch("work"), "main")
    assert (found.user.login, found.commits, found.additions, found.deletions) == ("github-actions[bot]", 1, 1, 1)


def test_a_second_open_one_for_the_same_branches_is_refused(demo):
    demo.create_pull(base="main", head="work", title="first")
    with pytest.raises(GithubException) as error:
        demo.create_pull(base="main", head="work", title="second")
    assert refused(error) == "A pull request already exists for alice:work."


def test_after_the_first_is_closed_a_second_is_allowed(demo):
    demo.create_pull(base="main", head="work", title="first").edit(state="closed")
    assert demo.create_pull(base="main", head="work", title="second").number == 2


def test_without_commits_of_its_own_a_branch_is_refused(demo, repo):
    repo.git.update("refs/heads/empty", repo.branch("main"))
    with pytest.raises(GithubException) as error:
        demo.create_pull(base="main", head="empty", title="nothing")
    assert refused(error) == "No commits between main and empty"


@pytest.mark.parametrize(("head", "base", "field"), [("absent", "main", "head"), ("work", "absent", "base"), ("bob:work", "main", "head")])
def test_a_branch_that_is_not_there_is_named(demo, head, base, field):
    with pytest.raises(GithubException) as error:
        demo.create_pull(base=base, head=head, title="t")
    assert refused(error) == f"{field} invalid"


@pytest.mark.parametrize(("unit", "limit"), [("x", 65_536), ("\N{ROCKET}", 32_768)])
def test_the_body_is_limited_in_utf16_units(demo, unit, limit):
    demo.create_pull(base="main", head="work", title="t", body=unit * limit)
    with pytest.raises(GithubException) as error:
        demo.get_pull(1).edit(body=unit * (limit + 1))
    assert refused(error) == "body is too long (maximum is 65536 characters)"


def test_a_long_title_is_refused(demo):
    with pytest.raises(GithubException) as error:
        demo.create_pull(base="main", head="work", title="t" * 257)
    assert refused(error) == "title is too long (maximum is 256 characters)"


def test_jobs_may_not_create_pulls_where_the_setting_is_off(fake, repo):
    repo.settings.actions_may_create_pulls = False
    with pytest.raises(GithubException) as error:
        client(fake).create_pull(base="main", head="work", title="t")
    assert (error.value.status, "not permitted to create or approve pull requests" in error.value.data["message"]) == (403, True)
    client(fake, login="carol").create_pull(base="main", head="work", title="t")  # the setting binds jobs only


def test_the_list_is_filtered_by_state_head_and_base_newest_first(demo, repo):
    repo.push_as("alice", "other", {"train.py": "X = 3\n"})
    for head in ("work", "other"):
        demo.create_pull(base="main", head=head, title=head)
    demo.get_pull(1).edit(state="closed")
    demo.create_pull(base="main", head="work", title="again")
    numbers = [
        [each.number for each in demo.get_pulls(**query)]
        for query in ({}, {"state": "all"}, {"state": "all", "head": "alice:work"}, {"head": "alice:other"}, {"base": "absent"})
    ]
    assert numbers == [[3, 2], [3, 2, 1], [3, 1], [2], []]


def test_draft_is_changed_by_graphql_both_ways(demo):
    pull = demo.create_pull(base="main", head="work", title="t", draft=True)
    pull.mark_ready_for_review()
    assert not demo.get_pull(1).draft
    pull.convert_to_draft()
    assert demo.get_pull(1).draft


def test_ready_for_review_needs_contents_too(fake, repo):
    demo = client(fake, permissions={"pull-requests": "write", "contents": "read"})
    pull = demo.create_pull(base="main", head="work", title="t", draft=True)
    with pytest.raises(GithubException, match="Resource not accessible by integration"):
        pull.mark_ready_for_review()


def test_graphql_knows_no_pull_request_of_another_repository(fake, repo):
    pull = client(fake).create_pull(base="main", head="work", title="t", draft=True)
    stranger = github(fake, fake.token(repositories=["alice/other"]))
    with pytest.raises(GithubException, match="Could not resolve to a node"):
        stranger.requester.graphql_named_mutation("markPullRequestReadyForReview", {"pullRequestId": pull.node_id}, "clientMutationId")


def test_new_commits_show_up(demo, repo):
    demo.create_pull(base="main", head="work", title="t")
    sha = repo.push_as("bob", "work", {"train.py": "X = 3\n"}, "more")
    found = demo.get_pull(1)
    assert found.head.sha == sha
    assert [each.commit.message for each in found.get_commits()] == ["lower X", "more"]
    assert [each.commit.author.name for each in found.get_commits()] == ["alice", "bob"]


def test_deleting_the_head_branch_closes_it_unmerged(demo, repo):
    demo.create_pull(base="main", head="work", title="t")
    demo.get_git_ref("heads/work").delete()
    found = demo.get_pull(1)
    assert (found.state, found.merged, found.closed_at is not None) == ("closed", False, True)
    assert found.get_commits().totalCount == 1  # its commits stay, as refs/pull/1/head


def test_resetting_the_head_to_the_base_closes_it_unmerged(demo, repo):
    demo.create_pull(base="main", head="work", title="t")
    repo.git.update("refs/heads/work", repo.branch("main"))
    assert (demo.get_pull(1).state, demo.get_pull(1).merged) == ("closed", False)


def test_a_base_that_came_to_hold_the_head_merges_it(demo, repo):
    demo.create_pull(base="main", head="work", title="t")
    repo.git.update("refs/heads/main", repo.branch("work"))
    assert (demo.get_pull(1).state, demo.get_pull(1).merged) == ("closed", True)


def test_merge_keeps_the_commits(demo, repo):
    demo.create_pull(base="main", head="work", title="Lower X")
    sha = repo.merge(1, login="bob")
    found = demo.get_pull(1)
    assert (found.merged, found.merge_commit_sha, found.merged_by.login, repo.branch("main")) == (True, sha, "bob", sha)
    assert repo.git.contains("main", repo.branch("work"))
    assert repo.git.commit(sha).message == "Merge pull request #1 from alice/work\n\nLower X"


def test_squash_makes_one_new_commit(demo, repo):
    repo.push_as("alice", "work", {"train.py": "X = 3\n"})
    demo.create_pull(base="main", head="work", title="Lower X")
    before = repo.branch("main")
    sha = repo.merge(1, how="squash")
    assert repo.git.commit(sha).parents == (before,)
    assert repo.git.read(sha, "train.py") == "X = 3\n"
    assert not repo.git.contains("main", repo.branch("work"))
    assert demo.get_pull(1).merge_commit_sha == sha


def test_rebase_makes_each_commit_anew_even_where_it_could_be_kept(demo, repo):
    repo.push_as("bob", "work", {"train.py": "X = 3\n"}, "more")
    demo.create_pull(base="main", head="work", title="t")
    before, head = repo.branch("main"), repo.branch("work")
    repo.merge(1, how="rebase")
    made = repo.git.commits(before, repo.branch("main"))
    assert [(each.author, each.committer, each.message) for each in made] == [("alice", "GitHub", "lower X"), ("bob", "GitHub", "more")]
    assert not repo.git.contains("main", head)


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_conflict_cannot_be_merged(demo, repo, how):
    demo.create_pull(base="main", head="work", title="t")
    repo.push_as("alice", "main", {"train.py": "X = 9\n"})
    assert (demo.get_pull(1).mergeable, demo.get_pull(1).mergeable_state) == (False, "dirty")
    with pytest.raises(AssertionError, match="conflicts"):
        repo.merge(1, how=how)
    assert demo.get_pull(1).state == "open"


def test_merging_deletes_the_branch_where_it_is_asked_to(demo, repo):
    repo.settings.delete_branch_on_merge = True
    demo.create_pull(base="main", head="work", title="t")
    repo.merge(1)
    assert (repo.branch("work"), demo.get_pull(1).merged) == (None, True)


def test_the_trial_merge_of_an_open_one_is_no_commit_of_the_base(demo, repo):
    """A client that takes merge_commit_sha for a merge is wrong, here as on GitHub."""
    demo.create_pull(base="main", head="work", title="t")
    trial = demo.get_pull(1).merge_commit_sha
    assert trial and not repo.git.contains("main", trial)


def test_a_merged_one_cannot_be_reopened(demo, repo):
    demo.create_pull(base="main", head="work", title="t")
    repo.merge(1)
    with pytest.raises(GithubException) as error:
        demo.get_pull(1).edit(state="open")
    assert "cannot be changed" in refused(error)


def test_a_person_closes_and_a_client_reopens(demo, repo):
    demo.create_pull(base="main", head="work", title="t")
    repo.close(1)
    assert demo.get_pull(1).state == "closed"
    demo.get_pull(1).edit(state="open")
    assert demo.get_pull(1).state == "open"


def test_a_fork_is_another_repository(demo, repo):
    fork = repo.fork("mallory")
    sha = fork.push_as("mallory", "work", {"train.py": "X = 0\n"})
    repo.open("mallory", "work", "mine", source=fork)
    found = demo.get_pull(1)
    assert (found.head.repo.full_name, found.head.repo.fork, found.head.sha, found.base.repo.full_name) == (
        "mallory/demo", True, sha, "alice/demo",
    )  # fmt: skip
    assert found.author_association == "NONE"
    assert [each.number for each in demo.get_pulls(head="alice:work")] == []
    repo.merge(1)
    assert repo.git.contains("main", sha)
