"""GitHub's published schema, as githubkit's models, judges every body that the local GitHub takes or sends.

Unknown fields count as errors too: a client's misspelt field would be dropped in silence, a fake's invented one would be relied on.
"""

import functools
import json
import operator
from typing import Any

CURRENT, OLDER = "2026-03-10", "2022-11-28"  # what a request without `X-GitHub-Api-Version` gets is the older one
# Fields of 2022-11-28 that 2026-03-10, whose models githubkit installs, no longer has.
DROPPED = {
    "PullRequest": {"assignee", "merge_commit_sha"},
    "PullRequestSimple": {"assignee", "merge_commit_sha"},
    "RateLimitOverview": {"rate"},
    "ReposOwnerRepoActionsWorkflowsWorkflowIdDispatchesPostBody": {"return_run_details"},
}


class Violation(Exception):
    """A body that GitHub's schema does not allow."""


def check(shape: str, raw: bytes, version: str = CURRENT) -> None:
    """`shape` is a model's name, `list[NAME]`, or alternatives `A | B`. Violation where the JSON in `raw` is not of it."""
    from pydantic import ValidationError

    try:
        data = json.loads(raw)
        if version == OLDER:
            data = _without(data, DROPPED.get(_single(shape), set()))
        parsed = _adapter(shape).validate_json(json.dumps(data), strict=True)
    except (ValueError, ValidationError) as error:
        raise Violation(f"not a {shape}: {error}") from error
    known = _adapter(shape).dump_python(parsed, by_alias=True, exclude_unset=True, warnings=False)
    if extra := sorted(_extra(data, known)):
        raise Violation(f"{shape} has no field {', '.join(extra)}")


def _single(shape: str) -> str:
    return shape.removeprefix("list[").removesuffix("]")


def _without(data: Any, names: set[str]) -> Any:
    if isinstance(data, list):
        return [_without(each, names) for each in data]
    return {k: v for k, v in data.items() if k not in names} if isinstance(data, dict) else data


def _extra(data: Any, known: Any, path: str = "") -> set[str]:
    if isinstance(data, list) and isinstance(known, list):
        return {name for a, b in zip(data, known, strict=True) for name in _extra(a, b, path)}
    if not isinstance(data, dict) or not isinstance(known, dict):
        return set()
    missing = {f"{path}{key}" for key in data.keys() - known.keys()}
    return missing | {name for key in data.keys() & known.keys() for name in _extra(data[key], known[key], f"{path}{key}.")}


@functools.cache
def _adapter(shape: str) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(functools.reduce(operator.or_, [_type(part.strip()) for part in shape.split("|")]))


def _type(name: str) -> Any:
    from githubkit_schemas.v2026_03_10 import models

    if name.startswith("list["):
        return list[_type(_single(name))]
    return str if name == "str" else getattr(models, name)
