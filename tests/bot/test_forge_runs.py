"""Check runs, workflow runs and branches on a local GitHub."""

import pytest

from bot.forge.errors import ForgeError
from tests.bot.githubs import BRANCH, github


def test_a_check_run_is_written_and_updated():
    with github() as s:
        sha = s.repo.branch(BRANCH)
        check = s.forge.check(sha, "autoresearch", "proved", "summary", "text")
        assert s.forge.check(sha, "autoresearch", "unproved", "summary 2", conclusion="success", id=check.id) == check
        made = s.repo.checks[check.id]
        assert (made.status, made.conclusion, made.output["title"], made.sha) == ("completed", "success", "unproved", sha)


def test_a_check_run_whose_answer_is_lost_is_written_once():
    with github() as s:
        sha = s.repo.branch(BRANCH)
        old = s.forge.check(sha, "autoresearch", "last night", "summary")
        s.fake.fail("POST", "/check-runs$", after=True, drop=True)
        new = s.forge.check(sha, "autoresearch", "tonight", "summary")
        assert new.id != old.id and len(s.repo.checks) == 2 and s.repo.checks[new.id].output["title"] == "tonight"


def test_an_earlier_check_run_is_not_taken_for_the_one_whose_answer_was_lost():
    with github() as s:
        sha = s.repo.branch(BRANCH)
        old = s.forge.check(sha, "autoresearch", "a second ago", "summary")
        s.fake.fail("POST", "/check-runs$", drop=True)
        assert s.forge.check(sha, "autoresearch", "now", "summary").id != old.id


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
        assert s.forge.running("nightly.yml") == sorted(running)


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
