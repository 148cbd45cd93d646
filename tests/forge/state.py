"""What the local GitHub remembers, as plain records. Times are ISO 8601 in UTC."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .repository import FakeRepo

ACTIONS = "github-actions[bot]"


@dataclass
class Comment:
    id: int
    number: int
    login: str
    body: str
    created_at: str
    updated_at: str
    reactions: list["Reaction"] = field(default_factory=list)


@dataclass
class Reaction:
    id: int
    login: str
    content: str
    created_at: str


@dataclass
class Pull:
    """`head_sha` and `base_sha` follow their branches while it is open, and stay where they were once it is closed."""

    id: int
    number: int
    login: str
    title: str
    body: str | None
    head: str
    base: str
    head_repo: "FakeRepo"
    head_sha: str
    base_sha: str
    draft: bool
    created_at: str
    updated_at: str
    state: Literal["open", "closed"] = "open"
    labels: list[str] = field(default_factory=list)
    merged: bool = False
    merge_sha: str | None = None
    merged_by: str | None = None
    closed_at: str | None = None

    @property
    def node_id(self) -> str:
        return f"PR_{self.id:08d}"


@dataclass
class Check:
    id: int
    sha: str
    login: str
    name: str
    status: str
    conclusion: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    details_url: str | None = None
    external_id: str = ""
    output: dict = field(default_factory=dict)


@dataclass
class Run:
    """One run of a workflow: `workflow` is the file's name below .github/workflows."""

    id: int
    number: int
    workflow: str
    branch: str
    sha: str
    event: str
    login: str
    created_at: str
    status: str = "queued"
    conclusion: str | None = None
    inputs: dict = field(default_factory=dict)
    title: str = ""  # what `run-name:` made, where the workflow has one


@dataclass
class Settings:
    """A repository's settings, as a person would flip them."""

    actions_may_create_pulls: bool = True
    delete_branch_on_merge: bool = False


@dataclass
class Token:
    """Who a token speaks for, and what it may do: `permissions` as in a workflow file (`read` or `write` by name)."""

    login: str
    permissions: dict[str, str]
    repositories: frozenset[str] | None = None  # full names, None for every one
    expires_at: float | None = None  # seconds since the epoch, by the server's clock
    revoked: bool = False

    @property
    def integration(self) -> bool:
        """A GitHub App's token; the Actions token of a job is one too."""
        return self.login.endswith("[bot]")

    def sees(self, full_name: str) -> bool:
        return self.repositories is None or full_name in self.repositories

    def may(self, permission: str, level: str) -> bool:
        have = "read" if permission == "metadata" else self.permissions.get(permission, "none")
        return have == "write" or have == level
