"""Pull requests, labels, comments and reactions of the local GitHub as the JSON of its API."""

from typing import TYPE_CHECKING, Any

from .state import Comment, Pull, Reaction
from .views import number_of, repo_url, repository, user

if TYPE_CHECKING:
    from .repository import FakeRepo

EMOJI = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")


def label(repo: "FakeRepo", name: str) -> dict[str, Any]:
    number = number_of(name)
    fields = {"id": number, "node_id": f"LA_{number}", "url": f"{repo_url(repo)}/labels/{name}", "name": name}
    return fields | {"description": None, "color": "ededed", "default": False, "archived_by": None}


def side(repo: "FakeRepo", branch: str, sha: str) -> dict[str, Any]:
    return {
        "label": f"{repo.owner}:{branch}", "ref": branch, "sha": sha, "user": user(repo.forge, repo.owner), "repo": repository(repo),
    }  # fmt: skip


def association(repo: "FakeRepo", login: str) -> str:
    level = repo.permissions.get(login, "none")
    return "OWNER" if login == repo.owner else "NONE" if level == "none" else "COLLABORATOR"


def pull_simple(repo: "FakeRepo", pull: Pull, older: bool) -> dict[str, Any]:
    """`older`: with the fields that API version 2026-03-10 dropped."""
    forge, url = repo.forge, f"{repo_url(repo)}/pulls/{pull.number}"
    html, issue = f"{forge.server_url}/{repo.full_name}/pull/{pull.number}", f"{repo_url(repo)}/issues/{pull.number}"
    links = {
        "self": url, "html": html, "issue": issue, "comments": f"{issue}/comments", "review_comments": f"{url}/comments",
        "review_comment": f"{repo_url(repo)}/pulls/comments{{/number}}", "commits": f"{url}/commits",
        "statuses": f"{repo_url(repo)}/statuses/{pull.head_sha}",
    }  # fmt: skip
    urls = {f"{name}_url": href for name, href in links.items() if name != "self"}
    return urls | {
        "url": url, "id": pull.id, "node_id": pull.node_id, "diff_url": f"{html}.diff", "patch_url": f"{html}.patch",
        "number": pull.number, "state": pull.state, "locked": False, "title": pull.title, "user": user(forge, pull.login),
        "body": pull.body, "labels": [label(repo, name) for name in pull.labels], "milestone": None, "created_at": pull.created_at,
        "updated_at": pull.updated_at, "closed_at": pull.closed_at, "merged_at": pull.closed_at if pull.merged else None,
        "assignees": [], "requested_reviewers": [], "requested_teams": [], "draft": pull.draft, "auto_merge": None,
        "head": side(pull.head_repo, pull.head, pull.head_sha), "base": side(repo, pull.base, pull.base_sha),
        "_links": {name: {"href": href} for name, href in links.items()}, "author_association": association(repo, pull.login),
    } | ({"assignee": None, "merge_commit_sha": pull.merge_sha or repo.test_merge(pull)} if older else {})  # fmt: skip


def pull_request(repo: "FakeRepo", pull: Pull, older: bool) -> dict[str, Any]:
    added, deleted, files = repo.git.size(pull.base_sha, pull.head_sha)
    clean = repo.test_merge(pull) is not None
    state = "unknown" if pull.state == "closed" else "draft" if pull.draft else "clean" if clean else "dirty"
    return pull_simple(repo, pull, older) | {
        "merged": pull.merged, "mergeable": clean if pull.state == "open" else None, "rebaseable": clean, "mergeable_state": state,
        "merged_by": user(repo.forge, pull.merged_by) if pull.merged_by else None, "review_comments": 0, "maintainer_can_modify": False,
        "comments": sum(c.number == pull.number for c in repo.comments.values()), "additions": added, "deletions": deleted,
        "commits": len(repo.git.commits(pull.base_sha, pull.head_sha)), "changed_files": files,
    }  # fmt: skip


def comment(repo: "FakeRepo", found: Comment) -> dict[str, Any]:
    url = f"{repo_url(repo)}/issues/comments/{found.id}"
    counts = {name: sum(r.content == name for r in found.reactions) for name in EMOJI}
    return {
        "id": found.id, "node_id": f"IC_{found.id}", "url": url, "body": found.body, "user": user(repo.forge, found.login),
        "html_url": f"{repo.forge.server_url}/{repo.full_name}/pull/{found.number}#issuecomment-{found.id}",
        "created_at": found.created_at, "updated_at": found.updated_at, "issue_url": f"{repo_url(repo)}/issues/{found.number}",
        "author_association": association(repo, found.login),
        "reactions": {"url": f"{url}/reactions", "total_count": len(found.reactions), **counts},
    }  # fmt: skip


def reaction(repo: "FakeRepo", found: Reaction) -> dict[str, Any]:
    who = user(repo.forge, found.login)
    return {"id": found.id, "node_id": f"REA_{found.id}", "user": who, "content": found.content, "created_at": found.created_at}
