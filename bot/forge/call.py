"""One request to GitHub's API and what came of it: an answer, a refusal, or nothing that can be understood."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any

API = "https://api.github.com"
NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')


@dataclass(frozen=True)
class Call:
    """`what` completes "cannot ..."; `needs` is the key of a job's `permissions:` that allows it. Both are for people."""

    verb: str
    path: str  # from the API's root, or an absolute URL below it
    what: str
    needs: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None

    @property
    def writes(self) -> bool:
        return self.verb != "GET"

    @property
    def creates(self) -> bool:
        """Whether doing it twice may make two things."""
        return self.verb == "POST"


@dataclass(frozen=True)
class Answer:
    """`headers` in lower case; `data` is the decoded JSON, None where there was none."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    data: Any = None

    @property
    def said(self) -> str:
        """GitHub's own words for a refusal, with those of every error that it lists."""
        if not isinstance(self.data, dict):
            return ""
        errors = self.data.get("errors")
        words = [self.data.get("message"), *(_words(error) for error in (errors if isinstance(errors, list) else []))]
        return "; ".join(str(word) for word in words if word)

    @property
    def time(self) -> float:
        """GitHub's clock when it answered, Unix seconds; this machine's where it does not say."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except ValueError:
            return time.time()

    def seconds(self, header: str) -> float | None:
        """The number that a header holds; None without one."""
        value = self.headers.get(header, "")
        return float(value) if value.isascii() and value.isdigit() else None

    def following(self, call: Call) -> Call | None:
        """The call for the next page."""
        found = NEXT.search(self.headers.get("link", ""))
        return replace(call, path=found[1], query={}) if found else None


class Dropped(Exception):
    """No answer that can be understood; the request may have been carried out all the same."""


class Refused(Exception):
    """Any status but 2xx."""

    def __init__(self, call: Call, answer: Answer):
        super().__init__(f"{answer.status} {answer.said}")
        self.call, self.answer = call, answer


def _words(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return error.get("message") or " ".join(str(error[key]) for key in ("resource", "field", "code") if error.get(key))
