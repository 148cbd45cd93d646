"""One request of the local GitHub's API: the table of endpoints, what a handler gets, and what it may answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .auth import FakeApp
from .schema import OLDER
from .state import Token

if TYPE_CHECKING:
    from .repository import FakeRepo
    from .server import FakeGitHub

LONGEST = 65_536  # characters of a pull request's body or a comment


class Refusal(Exception):
    """An answer of 4xx, in GitHub's words."""

    def __init__(self, status: int, message: str, errors: list[dict[str, str]] | None = None):
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors


@dataclass
class Answer:
    data: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    shape: str | None = None  # where it is not the endpoint's


@dataclass(frozen=True)
class Route:
    """`needs` is `PERMISSION:LEVEL`, with alternatives as `issues|pull_requests:write`; empty for any token."""

    method: str
    pattern: re.Pattern[str]
    handler: Callable[["Call"], Any]
    answer: str | None
    body: str | None
    needs: str
    status: int


ROUTES: list[Route] = []


def route(method: str, template: str, answer: str | None, body: str | None = None, needs: str = "", status: int = 200):
    """Registers a handler. `{name}` is one path segment, `{name*}` the rest of the path; shapes as in `schema.check`."""
    pattern = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", template)
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)

    def register(handler: Callable[["Call"], Any]):
        ROUTES.append(Route(method, re.compile(pattern), handler, answer, body, needs, status))
        return handler

    return register


@dataclass
class Call:
    """`params` come from the path, `query` from behind the question mark, `body` is the parsed JSON."""

    forge: "FakeGitHub"
    caller: Token | FakeApp
    path: str
    params: dict[str, str]
    query: dict[str, str]
    body: Any = None
    version: str = OLDER
    found: "FakeRepo | None" = None

    @property
    def repo(self) -> "FakeRepo":
        assert self.found
        return self.found

    @property
    def older(self) -> bool:
        return self.version == OLDER

    def number(self, name: str) -> int:
        """A path parameter that is a number. 404 otherwise."""
        if not self.params[name].isdigit():
            raise missing()
        return int(self.params[name])

    def page(self, items: list, view: Callable[[Any], Any], key: str | None = None) -> Answer:
        """The asked-for page of `items`, with links to the others; below `key` beside the total where a list has that envelope."""
        size, page = min(self._whole("per_page", 30), 100), self._whole("page", 1)
        last = max(1, -(-len(items) // size))
        at = {"first": 1, "prev": page - 1} if page > 1 else {}
        at |= {"next": page + 1, "last": last} if page < last else {}
        links = [f'<{self.forge.url}{self.path}?{urlencode(self.query | {"page": n})}>; rel="{rel}"' for rel, n in at.items()]
        rows = [view(item) for item in items[(page - 1) * size : page * size]]
        data = rows if key is None else {"total_count": len(items), key: rows}
        return Answer(data, headers={"Link": ", ".join(links)} if links else {})

    def _whole(self, name: str, otherwise: int) -> int:
        text = self.query.get(name, "")
        return max(1, int(text)) if text.isdigit() else otherwise


def missing() -> Refusal:
    return Refusal(404, "Not Found")


def forbidden() -> Refusal:
    return Refusal(403, "Resource not accessible by integration")


def invalid(resource: str, field_name: str, code: str = "invalid", message: str = "") -> Refusal:
    error = {"resource": resource, "field": field_name, "code": code} | ({"message": message} if message else {})
    return Refusal(422, "Validation Failed", [error])


def length(text: str | None) -> int:
    """UTF-16 units, the strictest reading of GitHub's `characters`."""
    return len((text or "").encode("utf-16-le", "surrogatepass")) // 2
