"""The part of GitHub's expression language that action.yml uses: contexts, string literals, == != && || !, status functions."""

import re
from collections.abc import Mapping
from typing import Any

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<op>\|\||&&|==|!=|!|\(|\))|(?P<name>[A-Za-z_][\w.-]*(?:\(\))?)|(?P<end>$))")
STATUS = ("always()", "success()", "failure()", "cancelled()")


class Evaluator:
    """`contexts`: {"inputs": {...}, "steps": {...}, ...}; `functions`: the value of each status function now."""

    def __init__(self, contexts: Mapping[str, Any], functions: Mapping[str, bool]):
        self.contexts, self.functions = contexts, functions

    def text(self, template: str) -> str:
        """`template` with every `${{ }}` replaced."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda match: string(self.value(match[1])), template, flags=re.S)

    def holds(self, condition: str | None) -> bool:
        """A step's `if:`. One that names no status function is under an implied `success() &&`."""
        source = (condition or "success()").strip().removeprefix("${{").removesuffix("}}")
        implied = any(name in source for name in STATUS) or self.functions["success()"]
        return bool(implied and truthy(self.value(source)))

    def value(self, source: str) -> Any:
        self.tokens, at = [], 0
        while at < len(source.rstrip()):
            match = TOKEN.match(source, at)
            assert match, f"cannot read {source[at:]!r}"
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        found = self._either()
        assert not self.tokens, f"left over in {source!r}: {self.tokens}"
        return found

    def _either(self) -> Any:
        found = self._both()
        while self._next("||"):
            other = self._both()
            found = found if truthy(found) else other
        return found

    def _both(self) -> Any:
        found = self._equal()
        while self._next("&&"):
            other = self._equal()
            found = other if truthy(found) else found
        return found

    def _equal(self) -> Any:
        found = self._one()
        for word, same in (("==", True), ("!=", False)):
            if self._next(word):
                return (string(found).lower() == string(self._one()).lower()) is same
        return found

    def _one(self) -> Any:
        kind, word = self.tokens.pop(0)
        if word == "!":
            return not truthy(self._one())
        if word == "(":
            found = self._either()
            assert self._next(")"), "a bracket is not closed"
            return found
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if word in self.functions:
            return self.functions[word]
        if word in ("true", "false"):
            return word == "true"
        assert "(" not in word, f"unknown function {word}"
        found: Any = self.contexts
        for step in word.split("."):
            found = found.get(step, "") if isinstance(found, Mapping) else ""
        return found

    def _next(self, word: str) -> bool:
        if self.tokens and self.tokens[0][1] == word:
            self.tokens.pop(0)
            return True
        return False


def truthy(value: Any) -> bool:
    return value not in ("", None, False, 0)


def string(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
