"""Endpoints of what pull requests share with issues: labels, comments and reactions."""

from typing import Any

from . import pull_views as views
from .call import LONGEST, Answer, Call, invalid, length, missing, route
from .rest_pulls import find
from .state import Comment, Reaction

REPO = "/repos/{owner}/{repo}"
READ, WRITE = "issues|pull_requests:read", "issues|pull_requests:write"
LABELS = "ReposOwnerRepoIssuesIssueNumberLabelsPostBodyOneof0 | list[str] | list[ReposOwnerRepoIssuesIssueNumberLabelsPostBodyOneof2Items]"


@route("GET", REPO + "/issues/{number}/labels", "list[Label]", needs=READ)
def labels(call: Call) -> Answer:
    return call.page(find(call).labels, lambda name: _label(call, name))


@route("POST", REPO + "/issues/{number}/labels", "list[Label]", LABELS, WRITE)
def add_labels(call: Call) -> list[dict[str, Any]]:
    pull, body = find(call), call.body
    names = body.get("labels", []) if isinstance(body, dict) else [each if isinstance(each, str) else each["name"] for each in body]
    pull.labels.extend(name for name in dict.fromkeys(names) if name not in pull.labels)
    return [_label(call, name) for name in pull.labels]


@route("GET", REPO + "/issues/{number}/comments", "list[IssueComment]", needs=READ)
def comments(call: Call) -> Answer:
    pull, since = find(call), call.query.get("since", "")
    found = [c for c in call.repo.comments.values() if c.number == pull.number and c.updated_at >= since]
    return call.page(found, lambda each: views.comment(call.repo, each))


@route("POST", REPO + "/issues/{number}/comments", "IssueComment", "ReposOwnerRepoIssuesIssueNumberCommentsPostBody", WRITE, 201)
def add_comment(call: Call) -> dict[str, Any]:
    pull = find(call)
    _check(call.body["body"])
    return views.comment(call.repo, call.repo.add_comment(pull.number, call.caller.login, call.body["body"]))


@route("GET", REPO + "/issues/comments/{id}", "IssueComment", needs=READ)
def get_comment(call: Call) -> dict[str, Any]:
    return views.comment(call.repo, _find(call))


@route("PATCH", REPO + "/issues/comments/{id}", "IssueComment", "ReposOwnerRepoIssuesCommentsCommentIdPatchBody", WRITE)
def edit_comment(call: Call) -> dict[str, Any]:
    comment = _find(call)
    _check(call.body["body"])
    comment.body, comment.updated_at = call.body["body"], call.forge.now()
    return views.comment(call.repo, comment)


@route("DELETE", REPO + "/issues/comments/{id}", None, needs=WRITE, status=204)
def delete_comment(call: Call) -> None:
    del call.repo.comments[_find(call).id]


@route("GET", REPO + "/issues/comments/{id}/reactions", "list[Reaction]", needs=READ)
def reactions(call: Call) -> Answer:
    return call.page(_find(call).reactions, lambda each: views.reaction(call.repo, each))


@route("POST", REPO + "/issues/comments/{id}/reactions", "Reaction", "ReposOwnerRepoIssuesCommentsCommentIdReactionsPostBody", WRITE, 201)
def react(call: Call) -> dict[str, Any] | Answer:
    """The same reaction twice is one: 200 instead of 201."""
    comment, content = _find(call), call.body["content"]
    for old in comment.reactions:
        if (old.login, old.content) == (call.caller.login, content):
            return Answer(views.reaction(call.repo, old), 200)
    new = Reaction(call.forge.next_id(), call.caller.login, content, call.forge.now())
    comment.reactions.append(new)
    return views.reaction(call.repo, new)


def _label(call: Call, name: str) -> dict[str, Any]:
    return views.label(call.repo, name) | {"archived_at": None}


def _find(call: Call) -> Comment:
    comment = call.repo.comments.get(call.number("id"))
    if comment is None:
        raise missing()
    return comment


def _check(body: str) -> None:
    if not body.strip():
        raise invalid("IssueComment", "data", "unprocessable", "Body cannot be blank")
    if length(body) > LONGEST:
        raise invalid("IssueComment", "data", "unprocessable", f"Body is too long (maximum is {LONGEST} characters)")
