"""What the bot does on GitHub, one method each. All of it can be done again after a kill: what is there is found, not made twice.

Every method raises `ForgeError`, which names the fix, when GitHub does not do it within the patience. Not for several threads at once.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from .call import API
from .errors import ForgeError
from .records import Check, Comment, Pull, Run
from .retry import USUAL, Policy
from .session import Lookup, Session
from .tokens import Tokens

ACTIONS = "github-actions[bot]"  # who a job's GITHUB_TOKEN is
OURS = "autoresearch-"  # begins the external id of our check runs: a job of a workflow is one too, and may have the same name
READ_PULLS, PULLS = "pull-requests: read", "pull-requests: write"
CHECKS = "checks: write"
READ_RUNS, RUNS = "actions: read", "actions: write"
READ, PUSH = "contents: read", "contents: write"
UNFINISHED = ("in_progress", "queued", "pending", "waiting", "requested")


class Forge:
    """One repository ("owner/name") as `tokens` may see it."""

    def __init__(self, repository: str, tokens: Tokens, base_url: str = API, policy: Policy = USUAL):
        self.repository, self._tokens, self._note = repository, tokens, policy.note
        self._session = Session(repository, tokens, base_url, policy)
        self._login = ""

    @property
    def is_a_job(self) -> bool:
        """Whether it acts with a job's own token, for which GitHub has rules of its own."""
        return self._self() == ACTIONS

    def default_branch(self) -> str:
        return self._session.get("", "read the repository", READ)["default_branch"]

    def pulls(self, head: str, state: str = "all") -> list[Pull]:
        """Pull requests from the branch `head` of this repository, newest first."""
        items = self._session.items("/pulls", "list pull requests", READ_PULLS, self._from(head, state))
        return [pull for pull in map(Pull.read, items) if pull.head == head]

    def pull(self, number: int) -> Pull:
        return Pull.read(self._session.get(f"/pulls/{number}", "read the pull request", READ_PULLS))

    def open_pull(self, head: str, base: str, title: str, body: str, draft: bool, labels: Sequence[str]) -> Pull:
        """The open pull request from `head` into `base` with this title and body: a new one, or the one that exists, updated.

        `draft` and `labels` are for a new one: what people changed since stays. ForgeError.kind is `empty` where there is no change."""
        wanted = {"head": head, "base": base, "title": title, "body": body, "draft": draft}
        same = (head, base)
        made = Lookup("/pulls", READ_PULLS, lambda data: (Pull.read(data).head, Pull.read(data).base) == same, self._from(head, "open"))
        try:
            pull = Pull.read(self._session.write("POST", "/pulls", "open a pull request", PULLS, wanted, made))
        except ForgeError as error:
            if error.status == 422 and "already exists" in error.said:
                return self._update_existing(head, base, title, body, error)
            if not (draft and _without_drafts(error)):
                raise
            self._note("GitHub: this repository's plan has no draft pull requests, an ordinary one is opened")
            return self.open_pull(head, base, title, body, False, labels)
        return self._label(pull, labels) if labels else pull

    def update_pull(self, number: int, title: str, body: str) -> Pull:
        new = {"title": title, "body": body}
        return Pull.read(self._session.write("PATCH", f"/pulls/{number}", "update the pull request", PULLS, new))

    def set_draft(self, number: int, draft: bool) -> None:
        """Does nothing where it is as wanted, or where the repository's plan has no drafts."""
        pull = self.pull(number)
        if pull.draft == draft:
            return
        name = "convertPullRequestToDraft" if draft else "markPullRequestReadyForReview"
        query = f"mutation Mutation($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ clientMutationId }} }}"
        what = "make the pull request a draft" if draft else "mark the pull request ready for review"
        try:  # GitHub asks for both, though nothing is pushed
            self._session.graphql(query, {"input": {"pullRequestId": pull.node_id}}, what, f"{PULLS}` and `{PUSH}")
        except ForgeError as error:  # 422 also when an earlier try did it and its answer was lost
            if not (draft and _without_drafts(error)) and not (error.status == 422 and self.pull(number).draft == draft):
                raise

    def close_pull(self, number: int) -> None:
        self._session.write("PATCH", f"/pulls/{number}", "close the pull request", PULLS, {"state": "closed"})

    def find_comment(self, number: int, marker: str) -> Comment | None:
        """The first of `find_comments`."""
        return next(self.find_comments(number, marker), None)

    def find_comments(self, number: int, marker: str) -> Iterator[Comment]:
        """Comments that hold `marker` and were written by this identity or a job's token. Nobody else's is ever taken for ours."""
        for data in self._session.items(f"/issues/{number}/comments", "list comments", READ_PULLS, {}):
            if marker in (data.get("body") or "") and self._is_ours(data.get("user") or {}):
                yield Comment.read(data)

    def write_comment(self, number: int, body: str, id: int | None = None) -> Comment:
        """A new comment, or comment `id` with a new body (a new one where someone deleted it)."""
        if id is not None:
            try:
                return Comment.read(self._session.write("PATCH", f"/issues/comments/{id}", "edit a comment", PULLS, {"body": body}))
            except ForgeError as error:
                if error.status not in (404, 410):
                    raise
        path = f"/issues/{number}/comments"
        made = Lookup(path, READ_PULLS, lambda data: _lines(data.get("body")) == _lines(body))
        return Comment.read(self._session.write("POST", path, "comment on the pull request", PULLS, {"body": body}, made))

    def comment(self, id: int) -> Comment:
        return Comment.read(self._session.get(f"/issues/comments/{id}", "read the comment", READ_PULLS))

    def check(self, sha: str, name: str, title: str, summary: str, text: str = "", conclusion: str = "neutral") -> Check:
        """Our completed check run of this name on commit `sha`, written or brought up to date. Summary and text: at most 65,535 characters
        each."""
        output = {"title": title, "summary": summary, "text": text}
        body = {"name": name, "status": "completed", "conclusion": conclusion, "output": output}
        path, query, id = f"/commits/{sha}/check-runs", {"check_name": name}, f"{OURS}{uuid.uuid4().hex}"
        known = self._session.items(path, "list check runs", CHECKS, query | {"filter": "latest"}, "check_runs")
        if found := next((data for data in known if self._checked(data)), None):
            if found["conclusion"] == conclusion and all(_lines(found["output"][key]) == _lines(output[key]) for key in output):
                return Check.read(found)
            return Check.read(self._session.write("PATCH", f"/check-runs/{found['id']}", "update the check run", CHECKS, body))
        made = Lookup(path, CHECKS, lambda data: data["external_id"] == id, query | {"filter": "all"}, "check_runs")
        body |= {"head_sha": sha, "external_id": id}
        return Check.read(self._session.write("POST", "/check-runs", "write a check run", CHECKS, body, made))

    def permission(self, login: str) -> str:
        """admin, write, read or none, in GitHub's words. `none` for whom it does not know; any other failure raises."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+(\[bot\])?", login):
            return "none"
        try:
            return self._session.get(f"/collaborators/{quote(login)}/permission", "ask what a user may do", READ)["permission"]
        except ForgeError as error:
            if error.status == 404:
                return "none"
            raise

    def react(self, comment_id: int, content: str) -> None:
        """`content`: +1, -1, laugh, confused, heart, hooray, rocket or eyes. GitHub keeps one of a kind, however often it is done."""
        self._session.write("POST", f"/issues/comments/{comment_id}/reactions", "react to a comment", PULLS, {"content": content})

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        """Starts `workflow` (its file's name or its id) on the branch `ref`."""
        body, query = {"ref": ref, "inputs": dict(inputs)}, {"event": "workflow_dispatch", "branch": ref}
        made = Lookup(f"{_path(workflow)}/runs", READ_RUNS, lambda data: data["event"] == "workflow_dispatch", query, "workflow_runs")
        self._session.write("POST", f"{_path(workflow)}/dispatches", f"start the workflow {workflow}", RUNS, body, made)

    def running(self, workflow: str) -> list[Run]:
        """The workflow's runs that are in progress, queued or waiting."""
        path, what = f"{_path(workflow)}/runs", f"list runs of the workflow {workflow}"
        pages = [self._session.items(path, what, READ_RUNS, {"status": status}, "workflow_runs") for status in UNFINISHED]
        return sorted({Run.read(data) for page in pages for data in page}, key=lambda run: run.id)

    def cancel(self, run_id: int) -> None:
        """Asks GitHub to cancel a run. One that has ended stays as it is."""
        try:
            self._session.write("POST", f"/actions/runs/{run_id}/cancel", "cancel the run", RUNS)
        except ForgeError as error:
            if error.status != 409:
                raise

    def delete_branch(self, name: str) -> None:
        """Also fine when it is gone already. Its open pull request closes."""
        try:
            self._session.write("DELETE", f"/git/refs/heads/{quote(name)}", "delete the branch", PUSH)
        except ForgeError as error:
            if error.status != 404 and "does not exist" not in error.said:
                raise

    def _from(self, head: str, state: str) -> dict[str, str]:
        owner = self.repository.partition("/")[0]  # without it GitHub ignores `head` and lists everything
        return {"head": f"{owner}:{head}", "state": state, "sort": "created", "direction": "desc"}

    def _update_existing(self, head: str, base: str, title: str, body: str, error: ForgeError) -> Pull:
        existing = next((pull for pull in self.pulls(head, "open") if pull.base == base), None)
        if not existing:
            raise error
        same = (existing.title, _lines(existing.body)) == (title, _lines(body))
        return existing if same else self.update_pull(existing.number, title, body)

    def _label(self, pull: Pull, labels: Sequence[str]) -> Pull:
        try:
            self._session.write("POST", f"/issues/{pull.number}/labels", "label the pull request", PULLS, {"labels": list(labels)})
        except ForgeError as error:  # the pull request is there, which is what counts
            self._note(f"{error} (pull request {pull.number} stays without labels)")
            return pull
        return replace(pull, labels=(*pull.labels, *(label for label in labels if label not in pull.labels)))

    def _is_ours(self, user: Mapping[str, Any]) -> bool:
        login, authors = user.get("login", ""), {ACTIONS, self._self()}
        return login in authors or (user.get("type") == "Bot" and login.removesuffix("[bot]") in authors)

    def _checked(self, data: Mapping[str, Any]) -> bool:
        """Whether a check run is by this identity: GitHub lets no other change it."""
        app = data["app"] or {}
        return (data["external_id"] or "").startswith(OURS) and f"{app.get('slug')}[bot]" == self._self()

    def _self(self) -> str:
        self._login = self._login or self._tokens.login() or self._viewer()
        return self._login

    def _viewer(self) -> str:
        """Who the token is. GET /user refuses the tokens of jobs and Apps, this does not."""
        try:
            return self._session.graphql("query { viewer { login } }", {}, "ask who the token is", READ)["viewer"]["login"]
        except ForgeError as error:
            if error.kind != "permission":
                raise
            return ACTIONS


def _path(workflow: str) -> str:
    return f"/actions/workflows/{quote(workflow, safe='')}"


def _lines(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").strip()


def _without_drafts(error: ForgeError) -> bool:
    return error.status == 422 and "draft pull requests are not supported" in error.said.lower()
