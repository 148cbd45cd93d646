"""What a user reads when GitHub refuses: the words name the fix, and never a secret."""

import logging
import traceback

import pytest

from bot.forge.errors import ForgeError
from bot.forge.tokens import Fixed
from tests.bot.githubs import BRANCH, NAME, github

ALL = {name: "write" for name in ("contents", "pull_requests", "issues", "checks", "actions")}
NEEDS = {
    "pulls": ("pull_requests", lambda s, forge: forge.pulls(BRANCH), "pull-requests: read"),
    "open_pull": ("pull_requests", lambda s, forge: forge.open_pull(BRANCH, "main", "t", "b", True, []), "pull-requests: write"),
    "update_pull": ("pull_requests", lambda s, forge: forge.update_pull(1, "t", "b"), "pull-requests: write"),
    "close_pull": ("pull_requests", lambda s, forge: forge.close_pull(1), "pull-requests: write"),
    "set_draft": ("contents", lambda s, forge: forge.set_draft(1, False), "pull-requests: write` and `contents: write"),
    "find_comment": ("pull_requests issues", lambda s, forge: forge.find_comment(1, "x"), "pull-requests: read"),
    "write_comment": ("pull_requests issues", lambda s, forge: forge.write_comment(1, "x"), "pull-requests: write"),
    "comment": ("pull_requests issues", lambda s, forge: forge.comment(1), "pull-requests: read"),
    "react": ("pull_requests issues", lambda s, forge: forge.react(1, "eyes"), "pull-requests: write"),
    "check": ("checks", lambda s, forge: forge.check(s.repo.branch(BRANCH), "n", "t", "s"), "checks: write"),
    "dispatch": ("actions", lambda s, forge: forge.dispatch("nightly.yml", "main", {}), "actions: write"),
    "running": ("actions", lambda s, forge: forge.running("nightly.yml"), "actions: read"),
    "cancel": ("actions", lambda s, forge: forge.cancel(1), "actions: write"),
    "delete_branch": ("contents", lambda s, forge: forge.delete_branch(BRANCH), "contents: write"),
}


@pytest.mark.parametrize("call", NEEDS)
def test_a_missing_permission_is_named(call):
    lacking, act, named = NEEDS[call]
    with github() as s:
        s.open()
        forge = s.as_({name: level for name, level in ALL.items() if name not in lacking.split()})
        with pytest.raises(ForgeError, match="Resource not accessible by integration") as error:
            act(s, forge)
        assert error.value.kind == "permission" and f"lacks `{named}`: add it to the job's `permissions:`" in str(error.value)


def test_the_setting_that_forbids_pull_requests_is_named():
    with github() as s:
        s.repo.settings.actions_may_create_pulls = False
        with pytest.raises(ForgeError) as error:
            s.open()
        assert error.value.kind == "setting" and len(s.sent("POST", "/pulls$")) == 1
        path = "Settings > Actions > General > Workflow permissions > Allow GitHub Actions to create and approve pull requests"
        assert path in str(error.value) and "GitHub App" in str(error.value)


def test_a_token_that_has_ended_says_why_and_what_to_do():
    with github() as s:
        token = s.fake.token()
        forge = s.client(Fixed(token))
        assert forge.default_branch() == "main"
        s.fake.revoke(token)
        with pytest.raises(ForgeError, match="24 hours at the latest") as error:
            forge.default_branch()
        assert error.value.kind == "auth" and "app-id" in str(error.value) and "mode: publish" in str(error.value)


def test_a_repository_that_the_token_may_not_see_is_named():
    with github() as s:
        forge = s.client(Fixed(s.fake.token(repositories=["alice/other"])))
        with pytest.raises(ForgeError, match=f"there is no /repos/{NAME}.*or the token may not see it") as error:
            forge.default_branch()
        assert error.value.kind == "missing"


def test_a_check_run_by_a_person_says_who_may():
    with github() as s, pytest.raises(ForgeError, match="with a personal token: use the job's GITHUB_TOKEN with `checks: write`"):
        s.as_(login="alice").check(s.repo.branch(BRANCH), "n", "t", "s")


def test_single_sign_on_is_named():
    with github() as s:
        s.fake.fail("GET", "", status=403, headers={"x-github-sso": "required; url=https://github.com/orgs/x/sso"}, body={"message": "No."})
        with pytest.raises(ForgeError, match="authorise the token for the organisation's single sign-on"):
            s.forge.default_branch()


def test_a_body_that_is_too_long_is_refused_in_githubs_words():
    with github() as s, pytest.raises(ForgeError, match="body is too long"):
        s.open(body="x" * 65_537)


def test_a_renamed_repository_says_so():
    with github() as s:
        s.fake.fail("POST", "/pulls$", status=307, headers={"location": f"{s.fake.url}/repositories/1/pulls"}, body={"message": "Moved"})
        with pytest.raises(ForgeError, match="has moved .307.; use the repository's present name"):
            s.open()


def test_what_github_says_is_one_line_without_workflow_commands():
    with github() as s:
        s.fake.fail("GET", "", status=400, body={"message": "::error::no\n##[group]x" + "y" * 1000})
        with pytest.raises(ForgeError) as error:
            s.forge.default_branch()
        assert "\n" not in str(error.value) and "##[" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("fault", [{"status": 502, "body": "<html>Bad"}, {"status": 200, "body": "<html>Log in"}, {"drop": True}])
def test_a_gateway_in_between_is_waited_for(fault):
    with github() as s:
        s.fake.fail("GET", "", times=2, **fault)
        assert s.forge.default_branch() == "main" and len(s.notes) == 2


def test_a_server_that_does_not_answer_is_given_up_in_time():
    with github() as s:
        s.fake.fail("GET", "", times=None, delay=1.5)
        with pytest.raises(ForgeError, match=r"cannot read the repository: no answer \(no answer in time\), for 1 s") as error:
            s.as_(patience=1).default_branch()
        assert error.value.kind == "network"


def test_a_server_that_is_gone_is_told_by_its_cause():
    with github() as s:
        forge = s.as_(patience=0.1)
    with pytest.raises(ForgeError, match="Connection refused") as error:
        forge.default_branch()
    assert "HTTPConnectionPool" not in str(error.value)


@pytest.mark.parametrize("fault", [{"status": 401}, {"status": 403}, {"status": 500}, {"drop": True}, {"status": 200, "body": "not JSON"}])
def test_no_error_note_or_log_shows_the_token(fault, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "github")
    with github() as s:
        token = s.fake.token()
        forge = s.client(Fixed(token), patience=0.2)
        forge.default_branch()
        s.fake.fail("GET", "", times=None, **fault)
        with pytest.raises(ForgeError) as error:
            forge.default_branch()
        text = "".join(traceback.format_exception(error.value)) + repr(forge) + repr(vars(error.value)) + caplog.text + "".join(s.notes)
        assert caplog.text and token not in text
