"""PyGithub's transport: one call, one request, no retries of its own. The only module that imports PyGithub (half a second)."""

import json
import logging
from typing import Any

import github.Auth
import jwt
import requests
from github.Requester import Requester

from bot.errors import UsageError

from .call import Answer, Call, Dropped, Refused
from .errors import ForgeError
from .tokens import Tokens

TIMEOUT = 15  # seconds; GitHub itself gives up after 10
VERSION = "2022-11-28"  # the one that says which commit a merge made
GRAPHQL = "graphql"
GRAPHQL_STATUS = {"FORBIDDEN": 403, "NOT_FOUND": 404, "RATE_LIMITED": 429}

logging.getLogger("github.Requester").disabled = True  # at DEBUG it writes whole answers, an App's token among them


class Current(github.Auth.Auth):
    """The token as it is at the moment of each request, so that a renewed one is used at once."""

    token_type = "token"
    token = ""

    def __init__(self, tokens: Tokens):
        self._tokens = tokens

    def authentication(self, headers: dict[str, str]) -> None:
        headers["Authorization"] = f"token {self._tokens.current()}"


def signer(app_id: str, private_key: str) -> github.Auth.AppAuth:
    """Signs as a GitHub App; tried once. A key whose line breaks were written as `\\n` is read too. UsageError names the wrong input."""
    if not app_id.strip().isdigit() and not app_id.strip().startswith("Iv"):
        raise UsageError("app-id must be the App's number (App ID) or client ID, see the App's settings > General > About")
    try:
        auth = github.Auth.AppAuth(app_id.strip(), private_key.replace("\\n", "\n").strip() + "\n")
        auth.create_jwt()
    except (jwt.PyJWTError, ValueError, TypeError):  # their words may quote the key
        raise UsageError("app-private-key is not a private key: give the whole .pem file, from -----BEGIN to END-----") from None
    return auth


class Http:
    def __init__(self, base_url: str, auth: github.Auth.Auth, patience: float):
        self._requester = Requester(
            auth=auth,
            base_url=base_url,
            timeout=max(1, min(TIMEOUT, int(patience))),
            user_agent="autoresearch",
            per_page=100,
            verify=True,
            retry=None,
            pool_size=None,
            seconds_between_requests=0,
            seconds_between_writes=0,
            api_version=VERSION,
        )

    def send(self, call: Call) -> Answer:
        """A 2xx answer. Raises Refused for any other, Dropped when there was none that can be understood."""
        url = self._requester.graphql_url if call.path == GRAPHQL else call.path
        try:
            status, headers, text = self._requester.requestJson(call.verb, url, dict(call.query), None, call.body)
        except requests.RequestException as error:
            raise Dropped(_reason(error)) from None
        except RuntimeError as error:  # a redirection that PyGithub does not follow
            raise ForgeError(f"GitHub cannot {call.what}: {error}; check the API's URL", "missing") from None
        answer = Answer(status, headers, _decode(status, text))
        if not 200 <= status < 300:
            raise Refused(call, answer)
        if call.path == GRAPHQL and answer.data.get("errors"):
            raise Refused(call, Answer(_graphql_status(answer.data["errors"]), headers, answer.data))
        return answer


def _decode(status: int, text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        if 200 <= status < 300:
            raise Dropped("an answer that is not JSON") from None
        return None  # a gateway's page


def _graphql_status(errors: list[dict[str, Any]]) -> int:
    """A node that is not there yet reads as REST says it (422), because it is waited for in the same way."""
    if any("could not resolve to a node" in error.get("message", "").lower() for error in errors):
        return 422
    return next((GRAPHQL_STATUS[error["type"]] for error in errors if error.get("type") in GRAPHQL_STATUS), 422)


def _reason(error: BaseException) -> str:
    """The innermost cause: `[Errno 111] Connection refused` instead of the URL and pool around it."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    while error.__context__ is not None:
        error = error.__context__
    return str(error)[:200] or type(error).__name__
