"""Check runs, workflow runs and branches on a local GitHub."""

import pytest

from bot.forge.api import Forge
from bot.forge.errors import ForgeError
from bot.forge.retry import Policy
from bot.forge.tokens import Fixed
from tests.bot.githubs import BRANCH, NAME, github


def test_a_commit_has_one_check_run_which_is_kept_up_to_date():
    with github() as s:
        sha = s.repo.branch(BRANCH)
        check = s.forge.check(sha, "autoresearch", "proved", "summary", "text")
        assert s.as_().check(sha, "autoresearch", "unproved", "summary 2", conclusion="success") == check
        [made] = s.repo.checks.values()
        assert (made.status, made.conclusion, made.output["title"], made.sha) == ("completed", "success", "unproved", sha)
        assert made.output["text"] == ""


def test_a_check_run_that_says_so_already_is_left_alone():
    with github() as s:
        sha = s.repo.branch(BRANCH)
        check, writes = s.forge.check(sha, "autoresearch", "proved", "two\r\nlines"), len(s.fake.writes())
        assert s.as_().check(sha, "autoresearch", "proved", "two\nlines") == check and len(s.fake.writes()) == writes


def test_another_commit_and_another_name_have_check_runs_of_their_own():
    with github() as s:
        sha, base = s.repo.branch(BRANCH), s.repo.branch("main")
        made = [s.forge.check(*of, "proved", "summary").id for of in ((sha, "autoresearch"), (base, "autoresearch"), (sha, "other"))]
        assert sorted(s.repo.checks) == sorted(set(made)) == sorted(made)


def test_an_apps_check_run_is_its_own():
    with github() as s:
        sha, app = s.repo.branch(BRANCH), s.as_(login="research-bot[bot]")
        first, theirs = s.forge.check(sha, "autoresearch", "a", "b"), app.check(sha, "autoresearch", "a", "b")
        assert theirs.id != first.id and app.check(sha, "autoresearch", "c", "d") == theirs


def test_a_job_of_the_same_name_is_never_taken_for_our_check_run():
    with github() as s:
        sha = s.repo.branch(BRANCH)
        ours = s.forge.check(sha, "autoresearch", "a", "b")
        s.repo.checks[ours.id].external_id = "a job's"
        assert s.forge.check(sha, "autoresearch", "c", "d").id != ours.id and s.repo.checks[ours.id].output["title"] == "a"


def test_a_check_run_whose_answer_is_lost_is_written_once():
    with github() as s:
        sha = s.repo.branch(BRANCH)
        s.fake.fail("POST", "/check-runs$", after=True, drop=True)
        new = s.forge.check(sha, "autoresearch", "tonight", "summary")
        assert list(s.repo.checks) == [new.id] and s.repo.checks[new.id].output["title"] == "tonight"


def test_an_update_whose_answer_is_lost_is_done_again():
    with github() as s:
        sha = s.repo.branch(BRANCH)
        old = s.forge.check(sha, "autoresearch", "last night", "summary")
        s.fake.fail("PATCH", "/check-runs/", after=True, drop=True)
        assert s.forge.check(sha, "autoresearch", "tonight", "summary") == old and s.repo.checks[old.id].output["title"] == "tonight"


def test_another_publishers_check_run_is_not_taken_for_the_one_whose_request_was_lost():
    with github() as s:
        sha, other, theirs = s.repo.branch(BRANCH), s.as_(), []
        waits = Policy(sleep=lambda seconds: theirs.append(other.check(sha, "autoresearch", "theirs", "summary")))
        s.fake.fail("POST", "/check-runs$", drop=True)
        ours = Forge(NAME, Fixed(s.fake.token()), s.fake.url, waits).check(sha, "autoresearch", "ours", "summary")
        assert [*s.repo.checks] == [theirs[0].id, ours.id]


@pytest.mark.parametrize("fault", [{}, {"status": 500, "after": True}, {"status": 500}])
def test_a_workflow_is_started_once(fault):
    with github() as s:
        with s.ago(60):
            s.repo.run("nightly.yml", event="workflow_dispatch")
        if fault:
            s.fake.fail("POST", "/dispatches$", **fault)
        s.forge.dispatch("nightly.yml", "main", {"experiments": "7"})
        assert [run.inputs for run in s.repo.runs.values()] == [{}, {"experiments": "7"}]


def test_an_input_that_the_workflow_does_not_have_is_named():
    with github() as s, pytest.raises(ForgeError, match=r"start the workflow nightly.yml: .*Unexpected inputs provided: \['x'\]"):
        s.forge.dispatch("nightly.yml", "main", {"x": "7"})


def test_runs_that_have_not_ended_are_listed_beyond_the_first_page():
    with github() as s:
        running = [s.repo.run("nightly.yml", status).id for status in ("in_progress", "queued", "pending", "waiting")]
        for _ in range(120):
            s.repo.run("nightly.yml", "completed")
            running.append(s.repo.run("nightly.yml", "queued").id)
        assert [run.id for run in s.forge.running("nightly.yml")] == sorted(running)


def test_a_run_is_cancelled_and_one_that_has_ended_is_left():
    with github() as s:
        run = s.repo.run("nightly.yml")
        s.forge.cancel(run.id)
        assert run.conclusion == "cancelled"
        s.forge.cancel(run.id)


def test_a_branch_is_deleted_which_closes_its_pull_request_and_gone_is_fine():
    with github() as s:
        s.open()
        s.forge.delete_branch(BRANCH)
        assert s.repo.branch(BRANCH) is None and s.forge.pull(1).state == "closed"
        s.forge.delete_branch(BRANCH)
