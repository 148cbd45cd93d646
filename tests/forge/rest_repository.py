"""Endpoints of a repository, its refs and branches, its people, and of the caller: who it is, and how often it may call."""

from datetime import UTC, datetime
from typing import Any

from . import auth, run_views, views
from .call import Answer, Call, Refusal, forbidden, missing, route
from .state import Token

REPO = "/repos/{owner}/{repo}"


@route("GET", REPO, "FullRepository", needs="metadata:read")
def repository(call: Call) -> dict[str, Any]:
    return views.full_repository(call.repo)


@route("GET", REPO + "/branches/{branch*}", "BranchWithProtection", needs="contents:read")
def branch(call: Call) -> dict[str, Any]:
    name = call.params["branch"]
    if not (sha := call.repo.branch(name)):
        raise Refusal(404, "Branch not found")
    return views.branch(call.repo, name, sha)


@route("GET", REPO + "/git/ref/{ref*}", "GitRef", needs="contents:read")
def get_ref(call: Call) -> dict[str, Any]:
    return views.git_ref(call.repo, *_ref(call, 404, "Not Found"))


@route("GET", REPO + "/git/matching-refs/{ref*}", "list[GitRef]", needs="contents:read")
def matching_refs(call: Call) -> Answer:
    found = [(ref, sha) for ref, sha in call.repo.git.refs().items() if ref.startswith(f"refs/{call.params['ref']}")]
    return call.page(found, lambda each: views.git_ref(call.repo, *each))


@route("GET", REPO + "/git/refs", "list[GitRef]", needs="contents:read")
def refs(call: Call) -> Answer:
    return call.page(list(call.repo.git.refs().items()), lambda each: views.git_ref(call.repo, *each))


@route("POST", REPO + "/git/refs", "GitRef", "ReposOwnerRepoGitRefsPostBody", "contents:write", 201)
def create_ref(call: Call) -> dict[str, Any]:
    ref, sha = call.body["ref"], call.body["sha"]
    if not ref.startswith("refs/") or ref.count("/") < 2:
        raise Refusal(422, "Reference name must start with 'refs/' and have at least two slashes.")
    if not call.repo.git.resolve(sha):
        raise Refusal(422, "Object does not exist")
    if ref in call.repo.git.refs():
        raise Refusal(422, "Reference already exists")
    call.repo.git.update(ref, sha)
    call.repo.sync()
    return views.git_ref(call.repo, ref, sha)


@route("DELETE", REPO + "/git/refs/{ref*}", None, needs="contents:write", status=204)
def delete_ref(call: Call) -> None:
    ref, _ = _ref(call, 422, "Reference does not exist")
    call.repo.git.delete(ref)
    call.repo.sync()


@route("GET", REPO + "/collaborators/{login}/permission", "RepositoryCollaboratorPermission", needs="metadata:read")
def permission(call: Call) -> dict[str, Any]:
    login = call.params["login"]
    if login not in call.repo.permissions and login not in call.forge.users:
        raise Refusal(404, f"{login} is not a user")
    return views.collaborator(call.repo, login)


@route("GET", "/user", "PrivateUser | PublicUser")
def user(call: Call) -> dict[str, Any]:
    if not isinstance(call.caller, Token) or call.caller.integration:
        raise forbidden()
    return views.public_user(call.forge, call.caller.login)


@route("GET", "/rate_limit", "RateLimitOverview")
def rate_limit(call: Call) -> dict[str, Any]:
    now = call.forge.limits.state(call.caller.login, call.forge.clock())
    return {"resources": {"core": now, "search": now}} | ({"rate": now} if call.older else {})


@route("GET", REPO + "/installation", "Installation")
def installation(call: Call) -> dict[str, Any]:
    app = _app(call)
    if app.repositories is not None and call.repo.full_name not in app.repositories:
        raise missing()
    return run_views.installation(call.forge, app, call.repo.owner)


@route(
    "POST", "/app/installations/{id}/access_tokens", "InstallationToken", "AppInstallationsInstallationIdAccessTokensPostBody", status=201
)
def access_token(call: Call) -> dict[str, Any]:
    """A token with what the App was given, or with the part of it that the request names."""
    app, asked = _app(call), call.body or {}
    if call.number("id") != app.installation_id:
        raise missing()
    wanted = asked.get("permissions") or app.permissions
    if not all(Token(app.login, app.permissions).may(name, level) for name, level in wanted.items()):
        raise Refusal(422, "The permissions requested are not granted to this installation.")
    expires = call.forge.clock() + app.lifetime
    names = frozenset(f"{call.forge.owner_of(app)}/{name}" for name in asked["repositories"]) if "repositories" in asked else None
    secret = call.forge.add_token(auth.new_token(app=True), Token(app.login, wanted, names or app.repositories, expires))
    stamp = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"token": secret, "expires_at": stamp, "permissions": wanted, "repository_selection": "selected" if names else "all"}


def _app(call: Call) -> auth.FakeApp:
    if not isinstance(call.caller, auth.FakeApp):
        raise Refusal(401, "A JSON web token could not be decoded")
    return call.caller


def _ref(call: Call, status: int, otherwise: str) -> tuple[str, str]:
    ref = f"refs/{call.params['ref']}"
    sha = call.repo.git.refs().get(ref)
    if not sha:
        raise Refusal(status, otherwise)
    return ref, sha
