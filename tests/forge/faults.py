"""Failures to order: which requests fail, how often, and how. Ready-made ones are spelled as GitHub spells them."""

import re
from dataclasses import dataclass, field
from typing import Any

DOCS = "https://docs.github.com/rest"
ACTIONS_MAY_NOT = "GitHub Actions is not permitted to create or approve pull requests."
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
MESSAGES = {400: "Bad Request", 401: "Bad credentials", 403: "Forbidden", 404: "Not Found", 429: SECONDARY, 500: "Server Error"}


@dataclass
class Fault:
    """Hits the next `times` requests (None: every one until `end()`, or until its `with` block is left) whose method matches
    `method` completely and whose path `path` anywhere. `after`: what was asked is done first, and only the answer is lost.

    Git repeats a request once when a kept connection was dropped: order `times=2`, or None, to make a push fail."""

    method: str
    path: str
    status: int = 500
    times: int | None = 1
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None  # JSON, or text as it is; None for GitHub's usual words
    drop: bool = False  # the connection closes without an answer
    after: bool = False
    delay: float = 0.0  # seconds before the answer
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        left = self.times is None or self.hits < self.times
        return left and bool(re.fullmatch(self.method, method)) and bool(re.search(self.path, path))

    def end(self) -> None:
        self.times = self.hits

    def __enter__(self) -> "Fault":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def content(self) -> Any:
        return {"message": MESSAGES.get(self.status, "Bad Gateway"), "documentation_url": DOCS} if self.body is None else self.body


def secondary(retry_after: int | None = 60, status: int = 403) -> dict[str, Any]:
    """A secondary rate limit: `fake.fail("POST", "/comments$", **secondary(1))`."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return {"status": status, "headers": headers, "body": {"message": SECONDARY, "documentation_url": DOCS}}


def primary(reset: float) -> dict[str, Any]:
    """The hourly limit, until `reset` in seconds since the epoch."""
    headers = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(reset))}
    return {"status": 403, "headers": headers, "body": {"message": "API rate limit exceeded for installation.", "documentation_url": DOCS}}


def unresolved() -> dict[str, Any]:
    """What GitHub sometimes says right after a pull request was made, while its copies do not know it yet."""
    error = {"resource": "PullRequest", "field": "number", "code": "invalid", "message": "Could not resolve to a node with the global id"}
    return {"status": 422, "body": {"message": "Validation Failed", "errors": [error], "documentation_url": DOCS}}
