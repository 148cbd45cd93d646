"""GraphQL where REST has no counterpart: a pull request becomes a draft or ready for review, and a job's token asks who it is."""

import re
from typing import Any

from .call import Call
from .state import Pull

DRAFT = {"convertPullRequestToDraft": True, "markPullRequestReadyForReview": False}
VIEWER = re.compile(r"(query\s*)?\{\s*viewer\s*\{\s*login\s*\}\s*\}")
SELECTION = re.compile(r"\{\s*(\w+)\s*\(\s*input\s*:\s*\$(\w+)\s*\)\s*\{")


def answer(call: Call) -> dict[str, Any]:
    """GraphQL answers 200 whatever happens; what went wrong is in `errors`. ValueError for what this server cannot read."""
    query, variables = call.body["query"], call.body.get("variables") or {}
    if extra := call.body.keys() - {"query", "variables", "operationName"}:
        raise ValueError(f"GraphQL request with {sorted(extra)}")
    if VIEWER.fullmatch(query.strip()):
        return {"data": {"viewer": {"login": call.caller.login}}}
    found = SELECTION.search(query)
    if not changes(query) or not found or found[1] not in DRAFT:
        raise ValueError(f"neither the viewer's login nor one of the mutations {', '.join(DRAFT)}: {query[:200]}")
    name, given = found[1], variables[found[2]]
    if extra := given.keys() - {"pullRequestId", "clientMutationId"}:
        raise ValueError(f"{name} has no input {sorted(extra)}")
    pull = _find(call, given["pullRequestId"])
    if pull is None:
        return _error(name, "NOT_FOUND", f"Could not resolve to a node with the global id of '{given['pullRequestId']}'.")
    # `contents: write` is needed too, which GitHub's documentation of the mutations does not say (cli/cli#8910).
    if not (call.caller.may("pull_requests", "write") and call.caller.may("contents", "write")):
        return _error(name, "FORBIDDEN", "Resource not accessible by integration")
    if pull.state == "closed" or pull.draft == DRAFT[name]:
        return _error(name, "UNPROCESSABLE", f"Pull request is {'closed' if pull.state == 'closed' else 'already so'}.")
    pull.draft, pull.updated_at = DRAFT[name], call.forge.now()
    selected = {"id": pull.node_id, "number": pull.number, "isDraft": pull.draft, "state": pull.state.upper()}
    shown = {field: value for field, value in selected.items() if re.search(rf"\b{field}\b", query[found.end() :])}
    return {"data": {name: {"clientMutationId": given.get("clientMutationId"), "pullRequest": shown}}}


def changes(query: str) -> bool:
    return query.lstrip().startswith("mutation")


def _find(call: Call, node_id: str) -> Pull | None:
    seen = [repo for repo in call.forge.repositories.values() if call.caller.sees(repo.full_name)]
    for repo in seen:
        repo.sync()
    return next((pull for repo in seen for pull in repo.pulls.values() if pull.node_id == node_id), None)


def _error(name: str, kind: str, message: str) -> dict[str, Any]:
    place = [{"line": 1, "column": 1}]
    return {"data": {name: None}, "errors": [{"type": kind, "path": [name], "locations": place, "message": message}]}
