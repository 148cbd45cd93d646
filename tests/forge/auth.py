"""Who calls: tokens of jobs, people and GitHub Apps, and the Apps' signed requests (JSON Web Tokens)."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import TYPE_CHECKING

from .state import Token

if TYPE_CHECKING:
    from .server import FakeGitHub

USUAL = dict.fromkeys(["contents", "pull_requests", "issues", "checks", "actions"], "write")  # all that this project ever asks for


@dataclass
class FakeApp:
    """An installed GitHub App; `private_key` is its PEM. `lifetime`, in seconds, is that of the tokens it gets from now on."""

    app_id: int
    slug: str
    installation_id: int
    private_key: str = field(repr=False)
    public_key: str = field(repr=False)
    permissions: dict[str, str]
    repositories: frozenset[str] | None
    lifetime: float = 3600.0

    @property
    def login(self) -> str:
        return f"{self.slug}[bot]"


class Denied(Exception):
    """Not authenticated: status 401, or 400 for a request that carries two credentials."""

    def __init__(self, message: str, status: int = 401):
        super().__init__(message)
        self.status = status


def normal(permissions: Mapping[str, str]) -> dict[str, str]:
    """Names as the API spells them; a workflow file writes `pull-requests`."""
    return {name.replace("-", "_"): level for name, level in permissions.items()}


def new_token(app: bool = False) -> str:
    return ("ghs_" if app else "ghp_") + secrets.token_hex(18)


def new_app(app_id: int, installation_id: int, slug: str, permissions: dict[str, str], repositories: frozenset[str] | None) -> FakeApp:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    return FakeApp(app_id, slug, installation_id, private, public, permissions, repositories)


def api_caller(forge: "FakeGitHub", headers: Message) -> Token | FakeApp:
    """The token's bearer, or the App that signed the request. Denied for everyone else."""
    scheme, _, secret = _header(headers).partition(" ")
    if scheme.lower() not in ("token", "bearer"):
        raise Denied("Requires authentication")
    if secret.count(".") == 2:
        return _app(forge, secret)
    return _known(forge, secret)


def git_caller(forge: "FakeGitHub", headers: Message) -> Token:
    """The token that is the password of a basic header. Denied for everyone else."""
    scheme, _, secret = _header(headers).partition(" ")
    if scheme.lower() != "basic":
        raise Denied("Authentication is required")
    try:
        user, _, password = base64.b64decode(secret, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Denied("Invalid username or token") from error
    if not user:
        raise Denied("Invalid username or token")
    return _known(forge, password)


def _header(headers: Message) -> str:
    values = headers.get_all("Authorization") or [""]
    if len(values) > 1:
        raise Denied('Duplicate header: "Authorization"', status=400)
    return values[0]


def _known(forge: "FakeGitHub", secret: str) -> Token:
    token = forge.tokens.get(secret)
    if token is None or token.revoked or (token.expires_at is not None and token.expires_at <= forge.clock()):
        raise Denied("Bad credentials")
    return token


def _app(forge: "FakeGitHub", signed: str) -> FakeApp:
    import jwt

    try:
        issuer = str(jwt.decode(signed, options={"verify_signature": False}).get("iss"))
        app = forge.apps[int(issuer)]
        claims = jwt.decode(signed, app.public_key, algorithms=["RS256"], issuer=issuer, options={"require": ["exp", "iat", "iss"]})
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        raise Denied("A JSON web token could not be decoded") from error
    if claims["exp"] - claims["iat"] > 660:  # ten minutes, and the minute that clients date it back
        raise Denied("'Expiration time' claim ('exp') is too far in the future")
    return app
