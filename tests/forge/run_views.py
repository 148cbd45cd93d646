"""Check runs, workflows and their runs of the local GitHub as the JSON of its API."""

from typing import TYPE_CHECKING, Any

from .auth import FakeApp
from .state import Check, Run
from .views import minimal_repository, number_of, repo_url, user

if TYPE_CHECKING:
    from .repository import FakeRepo
    from .server import FakeGitHub


def integration(forge: "FakeGitHub", login: str) -> dict[str, Any]:
    slug, number = login.removesuffix("[bot]"), number_of(login)
    return {
        "id": number, "slug": slug, "node_id": f"A_{number}", "owner": user(forge, "github"), "name": slug, "description": None,
        "external_url": f"{forge.server_url}/{slug}", "html_url": f"{forge.server_url}/apps/{slug}", "created_at": forge.born,
        "updated_at": forge.born, "permissions": {"checks": "write"}, "events": [],
    }  # fmt: skip


def check_run(repo: "FakeRepo", check: Check) -> dict[str, Any]:
    url = f"{repo_url(repo)}/check-runs/{check.id}"
    html = f"{repo.forge.server_url}/{repo.full_name}/runs/{check.id}"
    output = {name: check.output.get(name) for name in ("title", "summary", "text")}
    return {
        "id": check.id, "head_sha": check.sha, "node_id": f"CR_{check.id}", "external_id": check.external_id, "url": url, "html_url": html,
        "details_url": check.details_url or html, "status": check.status, "conclusion": check.conclusion, "started_at": check.started_at,
        "completed_at": check.completed_at, "name": check.name, "check_suite": {"id": number_of(check.sha)}, "pull_requests": [],
        "app": integration(repo.forge, check.login), "output": output | {"annotations_count": 0, "annotations_url": f"{url}/annotations"},
    }  # fmt: skip


def workflow(repo: "FakeRepo", file: str, content: dict) -> dict[str, Any]:
    number, web = number_of(file), f"{repo.forge.server_url}/{repo.full_name}"
    return {
        "id": number, "node_id": f"W_{number}", "name": content.get("name") or file, "path": f".github/workflows/{file}",
        "state": "active", "created_at": repo.created_at, "updated_at": repo.created_at,
        "url": f"{repo_url(repo)}/actions/workflows/{number}", "badge_url": f"{web}/actions/workflows/{file}/badge.svg",
        "html_url": f"{web}/blob/{repo.default_branch}/.github/workflows/{file}",
    }  # fmt: skip


def workflow_run(repo: "FakeRepo", run: Run) -> dict[str, Any]:
    url, commit = f"{repo_url(repo)}/actions/runs/{run.id}", repo.git.commit(run.sha)
    links = {f"{name}_url": f"{url}/{name}" for name in ("jobs", "logs", "artifacts", "cancel", "rerun")}
    who, suite = user(repo.forge, run.login), number_of(str(run.id))
    author = {"name": commit.author, "email": commit.author_email}
    committer = {"name": commit.committer, "email": commit.committer_email}
    return links | {
        "id": run.id, "name": run.workflow, "node_id": f"WFR_{run.id}", "head_branch": run.branch, "head_sha": run.sha,
        "path": f".github/workflows/{run.workflow}", "run_number": run.number, "run_attempt": 1, "event": run.event, "status": run.status,
        "conclusion": run.conclusion, "workflow_id": number_of(run.workflow), "url": url, "pull_requests": [], "check_suite_id": suite,
        "html_url": f"{repo.forge.server_url}/{repo.full_name}/actions/runs/{run.id}", "created_at": run.created_at,
        "updated_at": run.created_at, "run_started_at": run.created_at, "actor": who, "triggering_actor": who,
        "check_suite_url": f"{repo_url(repo)}/check-suites/{suite}", "display_title": run.title or run.workflow,
        "workflow_url": f"{repo_url(repo)}/actions/workflows/{number_of(run.workflow)}",
        "head_commit": {
            "id": commit.sha, "tree_id": commit.tree, "message": commit.message, "timestamp": commit.committed_at, "author": author,
            "committer": committer,
        },
        "repository": minimal_repository(repo), "head_repository": minimal_repository(repo),
    }  # fmt: skip


def installation(forge: "FakeGitHub", app: FakeApp, owner: str) -> dict[str, Any]:
    url = f"{forge.url}/app/installations/{app.installation_id}"
    return {
        "id": app.installation_id, "account": user(forge, owner), "repository_selection": "selected" if app.repositories else "all",
        "access_tokens_url": f"{url}/access_tokens", "repositories_url": f"{forge.url}/installation/repositories", "html_url": url,
        "app_id": app.app_id, "app_slug": app.slug, "target_id": number_of(owner), "target_type": "User", "permissions": app.permissions,
        "events": [], "created_at": forge.born, "updated_at": forge.born, "single_file_name": None, "suspended_by": None,
        "suspended_at": None,
    }  # fmt: skip
