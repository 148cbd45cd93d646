"""What the bot knows of a pull request, a comment, a check run and a workflow's run, read from GitHub's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Pull:
    """`head` is the branch, empty where it is another repository's; `head_sha` its commit that GitHub shows; `merge_sha` is what the
    merge made on the base, None unless merged."""

    number: int
    url: str
    state: Literal["open", "closed"]
    merged: bool
    draft: bool
    head: str
    head_sha: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...]
    node_id: str
    merge_sha: str | None
    closed_at: str | None  # ISO 8601, UTC

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Pull":
        merged = data.get("merged_at") is not None  # `merged` itself is missing in lists
        source = data["head"]["repo"]  # None: a fork that is deleted
        return cls(
            number=data["number"],
            url=data["html_url"],
            state=data["state"],
            merged=merged,
            draft=bool(data.get("draft")),
            head=data["head"]["ref"] if source is not None and source["id"] == data["base"]["repo"]["id"] else "",
            head_sha=data["head"]["sha"],
            base=data["base"]["ref"],
            title=data["title"],
            body=data["body"] or "",
            labels=tuple(label["name"] for label in data["labels"]),
            node_id=data["node_id"],
            merge_sha=data["merge_commit_sha"] if merged else None,  # of an open one it is a trial merge's
            closed_at=data["closed_at"],
        )


@dataclass(frozen=True)
class Comment:
    """`author` is a login, empty when the account is gone."""

    id: int
    url: str
    author: str
    body: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Comment":
        return cls(data["id"], data["html_url"], (data.get("user") or {}).get("login", ""), data.get("body") or "")


@dataclass(frozen=True)
class Check:
    id: int
    url: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Check":
        return cls(data["id"], data.get("html_url") or "")


@dataclass(frozen=True)
class Run:
    """One run of a workflow. `title` is what its page shows: `run-name:` of the workflow, where it has one."""

    id: int
    title: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Run":
        return cls(data["id"], data.get("display_title") or "")
