"""What the bot knows of a pull request, a comment and a check run, read from GitHub's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Pull:
    """`head_sha` is the branch's commit that GitHub shows; `merge_sha` is what the merge made on the base, None unless merged."""

    number: int
    url: str
    state: Literal["open", "closed"]
    merged: bool
    draft: bool
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
        return cls(
            number=data["number"],
            url=data["html_url"],
            state=data["state"],
            merged=merged,
            draft=bool(data.get("draft")),
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
