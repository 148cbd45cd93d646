"""What a workflow finds at $GITHUB_EVENT_PATH when somebody has commented on a pull request, as GitHub's schema has it."""

import json
from typing import TYPE_CHECKING, Any, Literal

from . import pull_views, schema, views
from .state import Comment

if TYPE_CHECKING:
    from .repository import FakeRepo


def comment_event(repo: "FakeRepo", comment: Comment, action: Literal["created", "edited"] = "created") -> dict[str, Any]:
    """The event `issue_comment`. Edited comments carry what they said before; here that is nothing."""
    issue = _issue(repo, comment.number)
    event = {
        "action": action, "issue": issue, "repository": views.repository(repo), "sender": views.user(repo.forge, comment.login),
        "comment": pull_views.comment(repo, comment) | {"performed_via_github_app": None},
    }  # fmt: skip
    event |= {"changes": {"body": {"from": ""}}} if action == "edited" else {}
    schema.check(f"WebhookIssueComment{action.capitalize()}", json.dumps(event).encode())
    return event


def _issue(repo: "FakeRepo", number: int) -> dict[str, Any]:
    """The pull request as the issue that it also is; `pull_request` in it tells it from an ordinary one."""
    url, pull = f"{views.repo_url(repo)}/issues/{number}", pull_views.pull_simple(repo, repo.pulls[number], older=False)
    same = ["id", "node_id", "number", "title", "body", "state", "locked", "user", "milestone", "author_association", "assignees", "draft"]
    same += ["created_at", "updated_at", "closed_at", "html_url"]
    links = {f"{name}_url": f"{url}/{name}" for name in ("comments", "events", "labels", "timeline")}
    no_reactions = {"url": f"{url}/reactions", "total_count": 0} | dict.fromkeys(pull_views.EMOJI, 0)
    return {name: pull[name] for name in same} | links | {
        "url": url, "repository_url": views.repo_url(repo), "active_lock_reason": None, "assignee": None, "reactions": no_reactions,
        "labels": [{k: v for k, v in each.items() if k != "archived_by"} for each in pull["labels"]],
        "comments": sum(each.number == number for each in repo.comments.values()),
        "pull_request": {
            "url": pull["url"], "html_url": pull["html_url"], "diff_url": pull["diff_url"], "patch_url": pull["patch_url"],
            "merged_at": pull["merged_at"],
        },
    }  # fmt: skip
