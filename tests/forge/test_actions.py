"""Check runs, refs, workflows and their runs of the local GitHub."""

import pytest
from github import GithubException

from .conftest import client


@pytest.fixture
def demo(fake, repo):
    return client(fake)


def test_a_check_run_is_edited_field_by_field(demo, repo):
    output = {"title": "-0.04", "summary": "proved"}
    made = demo.create_check_run("autoresearch", repo.branch("work"), status="completed", conclusion="neutral", output=output)
    made.edit(output={"title": "-0.05", "summary": "proved again", "text": "all of it"})
    demo.requester.requestJsonAndCheck("PATCH", made.url, input={"output": {"summary": "and again"}})
    found = demo.get_check_run(made.id)
    assert (found.status, found.conclusion, found.head_sha) == ("completed", "neutral", repo.branch("work"))
    assert (found.output.title, found.output.summary, found.output.text) == ("-0.05", "and again", "all of it")


def test_a_conclusion_completes_a_check_run(demo, repo):
    made = demo.create_check_run("autoresearch", repo.branch("work"))
    assert (made.status, made.completed_at) == ("queued", None)
    made.edit(conclusion="success")
    assert (repo.checks[made.id].status, repo.checks[made.id].completed_at is not None) == ("completed", True)


def test_check_runs_of_a_commit_are_listed_by_name(demo, repo):
    sha = repo.branch("work")
    ids = [demo.create_check_run(name, sha).id for name in ("autoresearch", "other", "autoresearch")]
    asked = {"check_name": "autoresearch", "filter": "all"}
    _, data = demo.requester.requestJsonAndCheck("GET", f"{demo.url}/commits/{sha}/check-runs", parameters=asked)
    assert [each["id"] for each in data["check_runs"]] == [ids[2], ids[0]]


def test_only_the_newest_check_run_of_each_app_is_listed_unless_all_are_asked_for(fake, demo, repo):
    sha, other = repo.branch("work"), client(fake, login="other-app[bot]")
    old, new = (demo.create_check_run("autoresearch", sha).id for _ in range(2))
    theirs = other.create_check_run("autoresearch", sha).id
    path = f"{demo.url}/commits/{sha}/check-runs"

    def listed(**asked: str) -> list[int]:
        return [each["id"] for each in demo.requester.requestJsonAndCheck("GET", path, parameters=asked)[1]["check_runs"]]

    assert listed() == listed(filter="latest") == [theirs, new]
    assert listed(filter="all") == [theirs, new, old]


def test_a_person_makes_no_check_runs(fake, repo):
    with pytest.raises(GithubException, match="You must authenticate via a GitHub App"):
        client(fake, login="carol").create_check_run("autoresearch", repo.branch("work"))


def test_refs_are_made_read_and_deleted(demo, repo):
    sha = repo.branch("main")
    demo.create_git_ref("refs/heads/autoresearch/x", sha)
    assert demo.get_git_ref("heads/autoresearch/x").object.sha == sha
    assert demo.get_branch("autoresearch/x").commit.sha == sha
    assert [each.ref for each in demo.get_git_matching_refs("heads/auto")] == ["refs/heads/autoresearch/x"]
    demo.get_git_ref("heads/autoresearch/x").delete()
    assert repo.branch("autoresearch/x") is None


@pytest.mark.parametrize(
    ("ref", "known", "words"),
    [
        ("refs/heads/main", True, "Reference already exists"),
        ("refs/heads/new", False, "Object does not exist"),
        ("refs/main", True, "two slashes"),
    ],
)
def test_a_ref_that_cannot_be_is_refused(demo, repo, ref, known, words):
    with pytest.raises(GithubException, match=words) as error:
        demo.create_git_ref(ref, repo.branch("main") if known else "0" * 39 + "1")
    assert error.value.status == 422


def test_missing_refs_and_branches(demo):
    for ask in (lambda: demo.get_git_ref("heads/absent").object, lambda: demo.get_branch("absent")):
        with pytest.raises(GithubException) as error:
            ask()
        assert error.value.status == 404
    with pytest.raises(GithubException, match="Reference does not exist"):
        demo.requester.requestJsonAndCheck("DELETE", f"{demo.url}/git/refs/heads/absent")


def test_a_dispatch_starts_a_run_with_its_inputs(demo, repo):
    demo.get_workflow("nightly.yml").create_dispatch("main", {"name": "night"}, throw=True)
    run = next(iter(repo.runs.values()))
    assert (run.workflow, run.branch, run.event, run.status, run.inputs) == (
        "nightly.yml", "main", "workflow_dispatch", "queued", {"name": "night"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("workflow", "ref", "inputs", "words"),
    [
        ("nightly.yml", "main", {"name": "n", "command": "rm"}, "Unexpected inputs provided"),
        ("nightly.yml", "main", {}, "Required input 'name' not provided"),
        ("nightly.yml", "absent", {"name": "n"}, "No ref found for"),
        ("ci.yml", "main", {}, "does not have 'workflow_dispatch' trigger"),
    ],
)
def test_a_dispatch_that_cannot_be_is_refused(demo, workflow, ref, inputs, words):
    with pytest.raises(GithubException, match=words) as error:
        demo.get_workflow(workflow).create_dispatch(ref, inputs, throw=True)
    assert error.value.status == 422


def test_runs_are_listed_by_workflow_and_status(demo, repo):
    busy, done, other = repo.run("nightly.yml"), repo.run("nightly.yml"), repo.run("ci.yml")
    done.status, done.conclusion = "completed", "success"
    nightly = demo.get_workflow("nightly.yml")
    assert [run.id for run in nightly.get_runs()] == [done.id, busy.id]
    assert [run.id for run in nightly.get_runs(status="in_progress")] == [busy.id]
    assert [run.id for run in demo.get_workflow_runs(status="in_progress")] == [other.id, busy.id]
    assert [run.id for run in demo.get_workflow_runs(status="success")] == [done.id]


def test_a_run_is_cancelled_once(demo, repo):
    run = repo.run("nightly.yml")
    assert demo.get_workflow_run(run.id).cancel()
    assert (run.status, run.conclusion) == ("completed", "cancelled")
    assert not demo.get_workflow_run(run.id).cancel()


def test_a_workflow_that_is_not_there(demo):
    with pytest.raises(GithubException) as error:
        demo.get_workflow("absent.yml")
    assert error.value.status == 404
