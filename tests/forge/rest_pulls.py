"""Endpoints of pull requests."""

from typing import Any

from . import pull_views as views
from . import views as common
from .call import LONGEST, Answer, Call, Refusal, invalid, length, missing, route
from .faults import ACTIONS_MAY_NOT
from .repository import FakeRepo
from .state import ACTIONS, Pull

PULLS = "/repos/{owner}/{repo}/pulls"


def find(call: Call) -> Pull:
    pull = call.repo.pulls.get(call.number("number"))
    if pull is None:
        raise missing()
    return pull


@route("GET", PULLS, "list[PullRequestSimple]", needs="pull_requests:read")
def list_pulls(call: Call) -> Answer:
    state, head, base = call.query.get("state", "open"), call.query.get("head"), call.query.get("base")
    found = [
        pull for pull in call.repo.pulls.values()
        if state in ("all", pull.state) and base in (None, "", pull.base)
        and (not head or ":" not in head or head == f"{pull.head_repo.owner}:{pull.head}")
    ]  # fmt: skip
    key = "updated_at" if call.query.get("sort") == "updated" else "number"
    newest_first = call.query.get("direction", "desc" if call.query.get("sort", "created") == "created" else "asc") == "desc"
    found.sort(key=lambda pull: (getattr(pull, key), pull.number), reverse=newest_first)
    return call.page(found, lambda pull: views.pull_simple(call.repo, pull, call.older))


@route("POST", PULLS, "PullRequest", "ReposOwnerRepoPullsPostBody", "pull_requests:write", 201)
def create(call: Call) -> dict[str, Any]:
    if call.caller.login == ACTIONS and not call.repo.settings.actions_may_create_pulls:
        raise Refusal(403, ACTIONS_MAY_NOT)
    body = call.body
    source, head = _source(call, body["head"])
    head_sha, base_sha = source.branch(head), call.repo.branch(body["base"])
    if not head_sha:
        raise invalid("PullRequest", "head")
    if not base_sha:
        raise invalid("PullRequest", "base")
    _check(body.get("title", ""), body.get("body"))
    _unique(call.repo, source, head, body["base"])
    if source is call.repo and call.repo.git.contains(base_sha, head_sha):
        raise Refusal(422, "Validation Failed", [_custom(f"No commits between {body['base']} and {head}")])
    return _shown(call, call.repo.add_pull(
        call.caller.login, head, body["base"], body["title"], body.get("body"), body.get("draft", False), source
    ))  # fmt: skip


@route("GET", PULLS + "/{number}", "PullRequest", needs="pull_requests:read")
def get(call: Call) -> dict[str, Any]:
    return _shown(call, find(call))


@route("PATCH", PULLS + "/{number}", "PullRequest", "ReposOwnerRepoPullsPullNumberPatchBody", "pull_requests:write")
def update(call: Call) -> dict[str, Any]:
    pull, body = find(call), call.body
    _check(body.get("title", pull.title), body.get("body", pull.body))
    if not call.repo.branch(base := body.get("base", pull.base)):
        raise invalid("PullRequest", "base")
    if body.get("state") == "open" and pull.state == "closed":
        _reopen(call.repo, pull)
    pull.title, pull.body, pull.base, pull.updated_at = body.get("title", pull.title), body.get("body", pull.body), base, call.forge.now()
    if body.get("state") == "closed" and pull.state == "open":
        call.repo.close(pull.number)
    call.repo.sync()
    return _shown(call, pull)


@route("GET", PULLS + "/{number}/commits", "list[Commit]", needs="pull_requests:read")
def commits(call: Call) -> Answer:
    pull = find(call)
    found = call.repo.git.commits(pull.base_sha, pull.head_sha)[:250]  # GitHub lists no more
    return call.page(found, lambda each: common.commit(call.repo, each))


def _shown(call: Call, pull: Pull) -> dict[str, Any]:
    return views.pull_request(call.repo, pull, call.older)


def _source(call: Call, head: str) -> tuple[FakeRepo, str]:
    """The repository and the branch of `branch` or `owner:branch`."""
    owner, _, branch = head.rpartition(":")
    if owner in ("", call.repo.owner):
        return call.repo, branch
    fork = call.forge.repositories.get(f"{owner}/{call.repo.name}")
    if fork is None or fork.parent is not call.repo:
        raise invalid("PullRequest", "head")
    return fork, branch


def _check(title: str, body: str | None) -> None:
    if not title.strip():
        raise invalid("PullRequest", "title", "missing_field")
    if length(title) > 256:
        raise invalid("Issue", "title", "custom", "title is too long (maximum is 256 characters)")
    if length(body) > LONGEST:
        raise invalid("Issue", "body", "custom", f"body is too long (maximum is {LONGEST} characters)")


def _unique(repo: FakeRepo, source: FakeRepo, head: str, base: str) -> None:
    if any((p.state, p.head_repo, p.head, p.base) == ("open", source, head, base) for p in repo.pulls.values()):
        raise Refusal(422, "Validation Failed", [_custom(f"A pull request already exists for {source.owner}:{head}.")])


def _reopen(repo: FakeRepo, pull: Pull) -> None:
    """Possible while both branches are there, and not after a merge."""
    if pull.merged or not pull.head_repo.branch(pull.head) or not repo.branch(pull.base):
        raise invalid("PullRequest", "state", "invalid", "state cannot be changed. The branch was deleted or merged.")
    _unique(repo, pull.head_repo, pull.head, pull.base)
    pull.state, pull.closed_at = "open", None


def _custom(message: str) -> dict[str, str]:
    return {"resource": "PullRequest", "code": "custom", "message": message}
