"""What the local GitHub's API does with one request: who calls, how often it may, which endpoint, and the schema's verdict."""

import json
import traceback
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from . import auth, graphql, rest_actions, rest_issues, rest_pulls, rest_repository, schema
from .call import ROUTES, Answer, Call, Refusal, Route, forbidden, missing
from .faults import DOCS, primary, secondary

if TYPE_CHECKING:
    from .server import FakeGitHub

ENDPOINTS = (rest_actions, rest_issues, rest_pulls, rest_repository)  # imported for their routes


@dataclass
class Request:
    """`path` is without `/api/v3`, `raw` the body and `parsed` what it says; `login` becomes known on the way."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    raw: bytes = b""
    parsed: Any = None
    login: str = ""


def writes(method: str, path: str, body: Any) -> bool:
    """Whether a request asks for a change: anything of the API but a read, and git's push."""
    if path == "/graphql":
        return isinstance(body, dict) and graphql.changes(body.get("query", ""))
    return method not in ("GET", "HEAD") and not path.endswith(("/git-upload-pack", "/access_tokens"))


def answer(forge: "FakeGitHub", request: Request) -> Answer:
    """Never raises: what GitHub would refuse is an answer of 4xx, what is wrong here goes to the violations and is a 500."""
    try:
        with forge.lock:
            return _answer(forge, request)
    except Refusal as error:
        return _refused(error)
    except Exception:  # noqa: BLE001 - a bug of the fake, or a body outside the schema: the test must see it
        forge.violations.append(f"{request.method} {request.path}: {traceback.format_exc()}")
        return Answer({"message": "Server Error: see the violations", "documentation_url": DOCS}, 500)


def _answer(forge: "FakeGitHub", request: Request) -> Answer:
    try:
        caller = auth.api_caller(forge, request.headers)
    except auth.Denied as error:
        raise Refusal(error.status, str(error)) from error
    request.login, now = caller.login, forge.clock()
    version = request.headers.get("X-GitHub-Api-Version", schema.OLDER)
    if version not in (schema.OLDER, schema.CURRENT):
        raise Refusal(400, f"{version} is not a supported version")
    if over := forge.limits.take(caller.login, writes(request.method, request.path, request.parsed), now):
        limited = primary(forge.limits.state(caller.login, now)["reset"]) if over == "primary" else secondary()
        return Answer(limited["body"], limited["status"], limited["headers"])
    call = Call(forge, caller, request.path, {}, request.query, request.parsed, version)
    if request.path == "/graphql":
        return Answer(graphql.answer(call))
    used, found = _routed(call, request)
    headers = {f"x-ratelimit-{name}": str(value) for name, value in forge.limits.state(caller.login, now).items()}
    found.headers |= headers | {"x-github-api-version-selected": version, "x-github-media-type": "github.v3; format=json"}
    if found.data is not None and used.answer:
        schema.check(used.answer, json.dumps(found.data).encode(), version)
    return found


def _routed(call: Call, request: Request) -> tuple[Route, Answer]:
    """Finds the endpoint; then 404 for what the caller may not see, 403 for what it may not do, and only then the body."""
    matches = ((each, each.pattern.fullmatch(call.path)) for each in ROUTES if each.method == request.method)
    used, found = next(((each, match) for each, match in matches if match), (None, None))
    if used is None or found is None:
        raise ValueError("the local GitHub has no such endpoint")
    call.params = {name: unquote(value) for name, value in found.groupdict().items()}
    if "repo" in call.params:
        _allow(call, used)
    if used.body:
        schema.check(used.body, request.raw or b"{}", call.version)
    result = used.handler(call)
    return used, result if isinstance(result, Answer) else Answer(result, 204 if result is None else used.status)


def _allow(call: Call, used: Route) -> None:
    name = f"{call.params['owner']}/{call.params['repo']}"
    call.found, caller = call.forge.repositories.get(name), call.caller
    if call.found is None:
        raise missing()
    if isinstance(caller, auth.FakeApp):
        if used.needs:
            raise Refusal(401, "A JSON web token could not be used here; get an installation's token")
        return
    public = not call.found.private and used.needs.endswith(":read")
    if not caller.sees(name) and not public:
        raise missing() if call.found.private else forbidden()
    names, _, level = used.needs.partition(":")
    if used.needs and not public and not any(caller.may(each, level) for each in names.split("|")):
        raise forbidden()
    call.found.sync()


def _refused(error: Refusal) -> Answer:
    """Checked like every other answer: errors have a shape too."""
    body: dict[str, Any] = {"message": error.message, "documentation_url": DOCS}
    body |= {"errors": error.errors} if error.errors else {"status": str(error.status)}
    schema.check("ValidationError" if error.errors else "BasicError", json.dumps(body).encode())
    return Answer(body, error.status)
