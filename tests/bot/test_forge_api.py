"""Pull requests through the real client against a local GitHub, at a pace that GitHub allows."""

import subprocess
import sys
import time

import pytest

from bot.errors import UsageError
from bot.forge.api import Forge
from bot.forge.errors import ForgeError
from bot.forge.retry import Policy
from bot.forge.tokens import Fixed
from tests.bot.githubs import BRANCH, NAME, github
from tests.forge.limits import Limits


@pytest.mark.parametrize("draft", [True, False])
def test_a_pull_request_is_opened_as_asked(draft):
    with github() as s:
        pull = s.open("better by 1 %", "| a | b |", draft, ("autoresearch", "gpu"))
        assert (pull.number, pull.title, pull.body, pull.draft) == (1, "better by 1 %", "| a | b |", draft)
        assert (pull.base, pull.state) == ("main", "open")
        assert pull.labels == ("autoresearch", "gpu") and s.repo.pulls[1].labels == ["autoresearch", "gpu"]
        assert pull.head_sha == s.repo.branch(BRANCH) and pull.url.endswith("/alice/demo/pull/1")
        assert (pull.merged, pull.merge_sha, pull.closed_at) == (False, None, None)


def test_opening_again_changes_nothing():
    with github() as s:
        first, writes = s.open(), len(s.fake.writes())
        assert s.open() == first and len(s.fake.writes()) == writes and len(s.repo.pulls) == 1


def test_opening_again_with_news_updates_text_and_leaves_what_people_changed():
    with github() as s:
        s.open()
        s.repo.edit(1, labels=["mine"], draft=False)
        pull = s.open("even better", "more evidence")
        assert (pull.number, pull.title, pull.body, pull.labels, pull.draft) == (1, "even better", "more evidence", ("mine",), False)


def test_a_closed_one_is_not_opened_again_but_followed_by_a_new_one():
    with github() as s:
        s.open()
        s.repo.close(1)
        assert s.open().number == 2 and s.repo.pulls[1].state == "closed"


@pytest.mark.parametrize("fault", [{"status": 502}, {"drop": True}])
def test_a_creation_whose_answer_is_lost_makes_one_pull_request(fault):
    with github() as s:
        s.fake.fail("POST", "/pulls$", after=True, **fault)
        assert s.open().number == 1
        assert len(s.sent("POST", "/pulls$")) == 1 and s.repo.pulls[1].labels == ["autoresearch"]


def test_an_old_pull_request_is_not_taken_for_the_one_whose_answer_was_lost():
    """Else its text would stay as it was, and the labels that someone removed would come back."""
    with github() as s:
        with s.ago(60):
            s.open("old", labels=())
        s.fake.fail("POST", "/pulls$", drop=True)
        assert s.open("new").title == "new" and s.repo.pulls[1].labels == []


def test_labels_wait_until_github_finds_what_it_just_made():
    with github() as s:
        error = {"message": "Could not resolve to a node with the global id of 'PR_1'."}
        s.fake.fail("POST", "/labels$", times=2, status=422, body={"message": "Validation Failed", "errors": [error]})
        assert s.open().labels == ("autoresearch",) and s.repo.pulls[1].labels == ["autoresearch"]


def test_a_pull_request_that_cannot_be_labelled_is_still_a_pull_request():
    with github() as s:
        s.fake.fail("POST", "/labels$", status=403, body={"message": "Resource not accessible by integration"})
        assert s.open().labels == () and "label the pull request" in s.notes[-1] and "stays without labels" in s.notes[-1]


def test_where_drafts_do_not_exist_an_ordinary_one_is_opened():
    with github() as s:
        s.fake.fail("POST", "/pulls$", status=422, body={"message": "Draft pull requests are not supported in this repository."})
        assert not s.open(draft=True).draft and "no draft pull requests" in s.notes[-1]


def test_nothing_to_propose_is_told_apart():
    with github() as s, pytest.raises(ForgeError, match="the branch holds nothing that its base does not have") as error:
        s.forge.open_pull("main", "main", "t", "b", True, [])
    assert error.value.kind == "empty"


def test_titles_and_bodies_are_updated():
    with github() as s:
        s.open()
        assert s.forge.update_pull(1, "new", "text").title == "new" and s.repo.pulls[1].body == "text"


@pytest.mark.parametrize("draft", [True, False])
def test_a_draft_is_made_ready_and_back(draft):
    with github() as s:
        s.open(draft=not draft)
        s.forge.set_draft(1, draft)
        assert s.repo.pulls[1].draft is draft


def test_a_draft_whose_answer_is_lost_is_made_ready_all_the_same():
    with github() as s:
        s.open()
        s.fake.fail("POST", "graphql", after=True, drop=True)
        s.forge.set_draft(1, False)
        assert s.repo.pulls[1].draft is False


def test_a_draft_that_is_one_is_left_alone():
    with github() as s:
        s.open(draft=True)
        writes = len(s.fake.writes())
        s.forge.set_draft(1, True)
        assert len(s.fake.writes()) == writes


def test_closing_closes():
    with github() as s:
        s.open()
        s.forge.close_pull(1)
        assert s.repo.pulls[1].state == "closed" and s.forge.pull(1).closed_at


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_merge_is_seen_with_the_commit_that_it_made(how):
    with github() as s:
        s.open(draft=False)
        sha = s.repo.merge(1, how)
        [pull] = s.forge.pulls(BRANCH)
        assert (pull.state, pull.merged, pull.merge_sha) == ("closed", True, sha) and s.forge.pull(1) == pull


def test_pulls_are_listed_newest_first_and_by_state():
    with github() as s:
        for _ in range(3):
            s.open(draft=False)
            s.repo.close(len(s.repo.pulls))
        s.open()
        assert [pull.number for pull in s.forge.pulls(BRANCH)] == [4, 3, 2, 1]
        assert [pull.number for pull in s.forge.pulls(BRANCH, "open")] == [4]


def test_only_the_branch_of_this_repository_counts():
    """A fork's branch of the same name, and every other branch, even where GitHub's redirection loses the filter."""
    with github() as s:
        fork = s.repo.fork("mallory")
        fork.push_as("mallory", BRANCH, {"train.py": "X = 3\n"})
        s.repo.open("mallory", BRANCH, "mine", source=fork)
        s.repo.push_as("bob", "other", {"train.py": "X = 4\n"})
        s.repo.open("bob", "other", "his")
        assert s.forge.pulls(BRANCH) == []
        s.fake.fail("GET", "/pulls$", status=301, headers={"location": f"{s.fake.url}/repos/{NAME}/pulls"}, body={"message": "Moved"})
        assert s.forge.pulls(BRANCH) == []


def test_its_own_pace_keeps_it_below_githubs_limits():
    """80 writes a minute, on a clock that only waiting moves; the server enforces them."""
    with github() as s:
        now, waits = [time.time()], []
        s.fake.clock, s.fake.limits = lambda: now[0], Limits(calls_hour=1000, writes_minute=80, writes_hour=500)

        def sleep(seconds):
            waits.append(seconds)
            now[0] += seconds

        forge = Forge(NAME, Fixed(s.fake.token()), s.fake.url, Policy(sleep=sleep, clock=lambda: now[0]))
        forge.open_pull(BRANCH, "main", "t", "b", True, [])
        for i in range(170):
            forge.update_pull(1, f"t {i}", "b")
        assert {entry.status for entry in s.fake.log} == {200, 201} and waits == [60.0, 60.0]


def test_githubs_hourly_limit_is_waited_for():
    with github() as s:
        now = [time.time()]
        s.fake.clock, s.fake.limits = lambda: now[0], Limits(calls_hour=3)

        def sleep(seconds):
            now[0] += seconds

        forge = Forge(NAME, Fixed(s.fake.token()), s.fake.url, Policy(4000, sleep, lambda: now[0]))
        assert {forge.default_branch() for _ in range(4)} == {"main"} and [entry.status for entry in s.fake.log][-2:] == [403, 200]


def test_the_default_branch_is_githubs():
    with github() as s:
        s.repo.default_branch = "trunk"
        assert s.forge.default_branch() == "trunk"


def test_pygithub_is_not_loaded_before_it_is_needed():
    """It takes half a second, which `autoresearch --help` does not have."""
    code = "import bot.forge.api, bot.forge.tokens, sys; sys.exit('github' in sys.modules or 'requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("repository", ["demo", "alice/demo/x", "alice/..", "alice/de mo", "/demo", "alice/demo?x"])
def test_what_is_no_repository_is_refused(repository):
    with pytest.raises(UsageError, match="owner/name"):
        Forge(repository, Fixed("x"))


@pytest.mark.parametrize("url", ["api.github.com", "ftp://api.github.com", "https://"])
def test_what_is_no_url_of_an_api_is_refused(url):
    with pytest.raises(UsageError, match="URL"):
        Forge(NAME, Fixed("x"), url)
