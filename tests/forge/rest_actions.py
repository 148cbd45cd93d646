"""Endpoints of check runs, workflows and their runs."""

from typing import Any

from . import run_views as views
from .call import Answer, Call, Refusal, missing, route
from .state import Check, Run
from .views import number_of

REPO = "/repos/{owner}/{repo}"
CREATE = "ReposOwnerRepoCheckRunsPostBodyOneof0 | ReposOwnerRepoCheckRunsPostBodyOneof1"
EDIT = "ReposOwnerRepoCheckRunsCheckRunIdPatchBodyAnyof0 | ReposOwnerRepoCheckRunsCheckRunIdPatchBodyAnyof1"
RUNS = "ReposOwnerRepoActionsWorkflowsWorkflowIdRunsGetResponse200"


@route("POST", REPO + "/check-runs", "CheckRun", CREATE, "checks:write", 201)
def create_check(call: Call) -> dict[str, Any]:
    """Only Apps and jobs may; a person's token cannot, whatever it is allowed."""
    if not call.caller.integration:
        raise Refusal(403, "You must authenticate via a GitHub App.")
    body = call.body
    if not call.repo.git.resolve(body["head_sha"]):
        raise Refusal(422, f"No commit found for SHA: {body['head_sha']}")
    check = Check(call.forge.next_id(), body["head_sha"], call.caller.login, body["name"], "queued", started_at=call.forge.now())
    call.repo.checks[check.id] = check
    return _edited(call, check)


@route("PATCH", REPO + "/check-runs/{id}", "CheckRun", EDIT, "checks:write")
def edit_check(call: Call) -> dict[str, Any]:
    check = _check(call)
    if check.login != call.caller.login:
        raise Refusal(403, "Invalid app_id - check run can only be modified by the GitHub App that created it.")
    return _edited(call, check)


@route("GET", REPO + "/check-runs/{id}", "CheckRun", needs="checks:read")
def get_check(call: Call) -> dict[str, Any]:
    return views.check_run(call.repo, _check(call))


@route("GET", REPO + "/commits/{ref}/check-runs", "ReposOwnerRepoCommitsRefCheckRunsGetResponse200", needs="checks:read")
def list_checks(call: Call) -> Answer:
    """The newest first: of each App's check runs of one name the newest alone, unless `filter=all` asks for the older ones too."""
    sha, name = call.repo.git.resolve(call.params["ref"]), call.query.get("check_name")
    if not sha:
        raise Refusal(422, f"No commit found for SHA: {call.params['ref']}")
    found = [each for each in call.repo.checks.values() if each.sha == sha and name in (None, each.name)]
    if call.query.get("filter", "latest") == "latest":
        found = [*{(each.login, each.name): each for each in found}.values()]
    return call.page(sorted(found, key=lambda each: -each.id), lambda each: views.check_run(call.repo, each), "check_runs")


@route("GET", REPO + "/actions/workflows/{workflow}", "Workflow", needs="actions:read")
def get_workflow(call: Call) -> dict[str, Any]:
    file, content = _workflow(call)
    return views.workflow(call.repo, file, content)


@route(
    "POST", REPO + "/actions/workflows/{workflow}/dispatches", "WorkflowDispatchResponse",
    "ReposOwnerRepoActionsWorkflowsWorkflowIdDispatchesPostBody", "actions:write", 204,
)  # fmt: skip
def dispatch(call: Call) -> Answer | None:
    """The older API answers with nothing, unless `return_run_details` asks for more."""
    file, content = _workflow(call)
    body, triggers = call.body, content.get("on", content.get(True))  # YAML 1.1 reads the key `on` as true
    if "workflow_dispatch" not in (triggers if isinstance(triggers, dict | list) else [triggers]):
        raise Refusal(422, "Workflow does not have 'workflow_dispatch' trigger")
    declared = ((triggers.get("workflow_dispatch") or {}).get("inputs") or {}) if isinstance(triggers, dict) else {}
    given, branch = body.get("inputs") or {}, body["ref"].removeprefix("refs/heads/")
    if unknown := sorted(given.keys() - declared.keys()):
        raise Refusal(422, f"Unexpected inputs provided: {unknown}")
    if lacking := [name for name, each in declared.items() if (each or {}).get("required") and name not in given and "default" not in each]:
        raise Refusal(422, f"Required input '{lacking[0]}' not provided")
    if not call.repo.branch(branch):
        raise Refusal(422, f"No ref found for: {body['ref']}")
    run = call.repo.add_run(file, branch, "workflow_dispatch", call.caller.login, given)
    if call.older and not body.get("return_run_details"):
        return None
    shown = views.workflow_run(call.repo, run)
    return Answer({"workflow_run_id": run.id, "run_url": shown["url"], "html_url": shown["html_url"]})


@route("GET", REPO + "/actions/workflows/{workflow}/runs", RUNS, needs="actions:read")
def workflow_runs(call: Call) -> Answer:
    file, _ = _workflow(call)
    return _runs(call, [run for run in call.repo.runs.values() if run.workflow == file])


@route("GET", REPO + "/actions/runs", "ReposOwnerRepoActionsRunsGetResponse200", needs="actions:read")
def all_runs(call: Call) -> Answer:
    return _runs(call, list(call.repo.runs.values()))


@route("GET", REPO + "/actions/runs/{id}", "WorkflowRun", needs="actions:read")
def get_run(call: Call) -> dict[str, Any]:
    return views.workflow_run(call.repo, _run(call))


@route("POST", REPO + "/actions/runs/{id}/cancel", "EmptyObject", needs="actions:write", status=202)
def cancel(call: Call) -> dict[str, Any]:
    run = _run(call)
    if run.status == "completed":
        raise Refusal(409, "Cannot cancel a workflow run that is completed.")
    run.status, run.conclusion = "completed", "cancelled"
    return {}


def _edited(call: Call, check: Check) -> dict[str, Any]:
    """Naming a conclusion completes a check run, as does completing it."""
    body = call.body
    for name in ("name", "details_url", "external_id", "started_at", "completed_at", "conclusion", "status"):
        setattr(check, name, body.get(name, getattr(check, name)))
    check.output |= body.get("output", {})
    if check.conclusion:
        check.status, check.completed_at = "completed", check.completed_at or call.forge.now()
    return views.check_run(call.repo, check)


def _check(call: Call) -> Check:
    check = call.repo.checks.get(call.number("id"))
    if check is None:
        raise missing()
    return check


def _run(call: Call) -> Run:
    run = call.repo.runs.get(call.number("id"))
    if run is None:
        raise missing()
    return run


def _runs(call: Call, runs: list[Run]) -> Answer:
    """`status` may name a conclusion too, as GitHub's filter does."""
    status, branch, event = (call.query.get(name) for name in ("status", "branch", "event"))
    found = [
        run for run in runs
        if status in (None, run.status, run.conclusion) and branch in (None, run.branch) and event in (None, run.event)
    ]  # fmt: skip
    return call.page(found[::-1], lambda run: views.workflow_run(call.repo, run), "workflow_runs")


def _workflow(call: Call) -> tuple[str, dict]:
    """By file name or id, among those of the default branch."""
    for file, content in call.repo.workflows().items():
        if call.params["workflow"] in (file, str(number_of(file))):
            return file, content
    raise missing()
