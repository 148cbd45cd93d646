"""Reading and writing one repository through the retry policy: pages are followed, and nothing is created twice."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.errors import UsageError

from .call import API, Answer, Call
from .retry import USUAL, Policy, Retry
from .tokens import Tokens

SLACK = 2.0  # seconds: GitHub's times are whole seconds, and its clocks differ a little


@dataclass(frozen=True)
class Lookup:
    """How to find what a creation made although its answer was lost: the item of a list that `match` takes."""

    path: str
    needs: str
    match: Callable[[Mapping[str, Any]], bool]
    query: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""


class Session:
    """Paths are relative to the repository; `what` and `needs` as in `Call`, `key` names the list in an answer that is not one itself."""

    def __init__(self, repository: str, tokens: Tokens, base_url: str = API, policy: Policy = USUAL):
        from .http import Current, Http

        if not re.fullmatch(r"[A-Za-z0-9_-]+/(?!\.+$)[\w.-]+", repository, re.ASCII):
            raise UsageError(f"repository must be owner/name, not {repository!r}")
        if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", base_url):
            raise UsageError(f"the API's URL must be http(s)://host, not {base_url!r}")
        self.repository, self._clock = repository, policy.clock
        http = Http(base_url.rstrip("/"), Current(tokens), policy.patience)
        self._retry = Retry(http.send, tokens.renew, policy)

    def get(self, path: str, what: str, needs: str) -> Any:
        return self._retry.run(self._call("GET", path, what, needs)).data

    def items(self, path: str, what: str, needs: str, query: Mapping[str, Any], key: str = "") -> Iterator[dict[str, Any]]:
        """Every item of every page, page by page."""
        for answer in self._pages(self._call("GET", path, what, needs, query), self._retry.run):
            yield from answer.data[key] if key else answer.data

    def write(self, verb: str, path: str, what: str, needs: str, body: Mapping[str, Any] | None = None, made: Lookup | None = None) -> Any:
        """`made` belongs to every POST that may not be done twice."""
        call, started = self._call(verb, path, what, needs, body=body), self._clock()
        return self._retry.run(call, (lambda: self._find(made, started)) if made else (lambda: None)).data

    def graphql(self, query: str, variables: Mapping[str, Any], what: str, needs: str) -> Any:
        body = {"query": query, "variables": dict(variables)}
        return self._retry.run(Call("POST", "graphql", what, needs, body=body)).data["data"]

    def _call(
        self, verb: str, path: str, what: str, needs: str, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> Call:
        every = {"per_page": 100, **query} if query is not None else {}
        return Call(verb, f"/repos/{self.repository}{path}", what, needs, every, body)

    def _pages(self, call: Call, send: Callable[[Call], Answer]) -> Iterator[Answer]:
        following: Call | None = call
        while following:
            answer = send(following)
            yield answer
            following = answer.following(following)

    def _find(self, made: Lookup, started: float) -> Answer | None:
        """What this call made. Its age is by GitHub's clock, how long the call has lasted by ours: that the two differ does not matter."""
        call = self._call("GET", made.path, "see whether it was done", made.needs, made.query)
        for answer in self._pages(call, self._retry.once):
            oldest = answer.time - (self._clock() - started) - SLACK
            for data in answer.data[made.key] if made.key else answer.data:
                if made.match(data) and ("created_at" not in data or _seconds(data["created_at"]) >= oldest):
                    return Answer(200, answer.headers, data)
        return None


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
