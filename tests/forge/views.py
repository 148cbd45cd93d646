"""People, repositories and commits of the local GitHub as the JSON of its API. Links lead to this server: PyGithub follows no other."""

import zlib
from typing import TYPE_CHECKING, Any

from .bare import Commit

if TYPE_CHECKING:
    from .repository import FakeRepo
    from .server import FakeGitHub

# Fields `NAME_url`: the schema wants them all, nobody follows them.
USER_LINKS = ["followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events", "received_events"]
REPO_LINKS = [
    *["archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare", "contents", "contributors"],
    *["deployments", "downloads", "events", "forks", "git_commits", "git_refs", "git_tags", "hooks", "issue_comment", "issue_events"],
    *["issues", "keys", "labels", "languages", "merges", "milestones", "notifications", "pulls", "releases", "stargazers", "statuses"],
    *["subscribers", "subscription", "tags", "teams", "trees"],
]
LEVELS = {"admin": "admin", "maintain": "write", "write": "write", "triage": "read", "read": "read", "none": "none"}


def number_of(text: str) -> int:
    """An id that is the same in every run."""
    return zlib.crc32(text.encode()) % 10_000_000 + 1


def user(forge: "FakeGitHub", login: str) -> dict[str, Any]:
    url, bot = f"{forge.url}/users/{login}", login.endswith("[bot]")
    links = {f"{name}_url": f"{url}/{name}" for name in USER_LINKS}
    return {
        "login": login, "id": number_of(login), "node_id": f"U_{number_of(login)}", "avatar_url": f"{forge.server_url}/avatars/{login}",
        "gravatar_id": "", "url": url, "html_url": f"{forge.server_url}/{login}", "type": "Bot" if bot else "User", "site_admin": False,
    } | links  # fmt: skip


def public_user(forge: "FakeGitHub", login: str) -> dict[str, Any]:
    blank = dict.fromkeys(["name", "company", "blog", "location", "email", "hireable", "bio"])
    counts = dict.fromkeys(["public_repos", "public_gists", "followers", "following"], 0)
    return user(forge, login) | blank | counts | {"created_at": forge.born, "updated_at": forge.born}


def minimal_repository(repo: "FakeRepo") -> dict[str, Any]:
    forge, url = repo.forge, repo_url(repo)
    links = {f"{name}_url": f"{url}/{name}" for name in REPO_LINKS}
    return {
        "id": repo.id, "node_id": f"R_{repo.id}", "name": repo.name, "full_name": repo.full_name, "owner": user(forge, repo.owner),
        "private": repo.private, "html_url": f"{forge.server_url}/{repo.full_name}", "description": None, "url": url,
        "fork": repo.parent is not None,
    } | links  # fmt: skip


def repository(repo: "FakeRepo") -> dict[str, Any]:
    zeros = dict.fromkeys(["forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size"], 0)
    yes = dict.fromkeys(["has_issues", "has_projects", "has_wiki"], True)
    no = dict.fromkeys(["has_pages", "has_discussions", "archived", "disabled"], False)
    none = dict.fromkeys(["license", "mirror_url", "homepage", "language"])
    git = f"{repo.forge.server_url}/{repo.full_name}.git"
    urls = {"git_url": git, "ssh_url": git, "clone_url": git, "svn_url": git.removesuffix(".git")}
    times = dict.fromkeys(["created_at", "updated_at", "pushed_at"], repo.created_at)
    opened = sum(pull.state == "open" for pull in repo.pulls.values())
    counts = {"open_issues": opened, "open_issues_count": opened, "default_branch": repo.default_branch}
    return minimal_repository(repo) | zeros | yes | no | none | urls | times | counts


def full_repository(repo: "FakeRepo") -> dict[str, Any]:
    return repository(repo) | {"subscribers_count": 0, "network_count": 0}


def repo_url(repo: "FakeRepo") -> str:
    return f"{repo.forge.url}/repos/{repo.full_name}"


def commit(repo: "FakeRepo", found: Commit) -> dict[str, Any]:
    url = repo_url(repo)
    html = f"{repo.forge.server_url}/{repo.full_name}/commit"
    return {
        "url": f"{url}/commits/{found.sha}", "sha": found.sha, "node_id": f"C_{found.sha}", "html_url": f"{html}/{found.sha}",
        "comments_url": f"{url}/commits/{found.sha}/comments", "author": None, "committer": None,
        "parents": [{"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{html}/{sha}"} for sha in found.parents],
        "commit": {
            "url": f"{url}/git/commits/{found.sha}", "message": found.message, "comment_count": 0,
            "author": {"name": found.author, "email": found.author_email, "date": found.authored_at},
            "committer": {"name": found.committer, "email": found.committer_email, "date": found.committed_at},
            "tree": {"sha": found.tree, "url": f"{url}/git/trees/{found.tree}"},
        },
    }  # fmt: skip


def collaborator(repo: "FakeRepo", login: str) -> dict[str, Any]:
    role = repo.permissions.get(login, "none" if repo.private else "read")
    level = LEVELS[role]
    may = {"pull": level != "none", "triage": role in ("triage", "write", "maintain", "admin"), "push": level in ("write", "admin")}
    may |= {"maintain": role in ("maintain", "admin"), "admin": role == "admin"}
    return {"permission": level, "role_name": role, "user": user(repo.forge, login) | {"permissions": may, "role_name": role}}


def git_ref(repo: "FakeRepo", ref: str, sha: str) -> dict[str, Any]:
    url = repo_url(repo)
    target = {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"}
    return {"ref": ref, "node_id": f"REF_{number_of(ref)}", "url": f"{url}/git/{ref}", "object": target}


def branch(repo: "FakeRepo", name: str, sha: str) -> dict[str, Any]:
    url = f"{repo_url(repo)}/branches/{name}"
    return {
        "name": name, "commit": commit(repo, repo.git.commit(sha)), "protected": False, "protection_url": f"{url}/protection",
        "_links": {"html": f"{repo.forge.server_url}/{repo.full_name}/tree/{name}", "self": url}, "protection": {"enabled": False},
    }  # fmt: skip
