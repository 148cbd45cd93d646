"""One repository of the local GitHub: a bare git repository, its pull requests, comments, checks and runs, and what people do to it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import yaml

from .bare import Bare
from .state import Check, Comment, Pull, Run, Settings

if TYPE_CHECKING:
    from .server import FakeGitHub

WORKFLOWS = ".github/workflows"
WEB = ("GitHub", "noreply@github.com")  # commits what is merged in the browser


class FakeRepo:
    """`permissions` holds what each login may do: none, read, triage, write, maintain or admin.

    Every method takes the server's lock, so a test may act while clients talk to the server."""

    def __init__(self, forge: "FakeGitHub", full_name: str, default_branch: str, private: bool, parent: "FakeRepo | None" = None):
        self.forge, self.full_name, self.default_branch, self.private, self.parent = forge, full_name, default_branch, private, parent
        self.owner, self.name = full_name.split("/")
        self.path = forge.root / f"{full_name}.git"
        self.git = Bare.create(self.path, default_branch)
        self.id, self.created_at = forge.next_id(), forge.now()
        self.settings = Settings()
        self.permissions: dict[str, str] = {self.owner: "admin"}
        self.pulls: dict[int, Pull] = {}
        self.comments: dict[int, Comment] = {}
        self.checks: dict[int, Check] = {}
        self.runs: dict[int, Run] = {}

    @property
    def git_url(self) -> str:
        return f"{self.forge.server_url}/{self.full_name}.git"

    def branch(self, name: str) -> str | None:
        """The sha a branch points at."""
        return self.git.refs("refs/heads/").get(f"refs/heads/{name}")

    def push_as(
        self, login: str, branch: str, files: Mapping[str, str | bytes | None], message: str = "change", amend: bool = False
    ) -> str:
        """One commit by `login` on `branch` (made from the default branch where it is new); `amend` replaces its tip: a forced push."""
        with self.forge.lock:
            self.forge.users.add(login)
            tip = self.branch(branch) or self.branch(self.default_branch)
            who = (login, f"{login}@users.noreply.github.com")
            above = self.git.commit(tip).parents[0] if amend and tip else tip
            sha = self.git.write(above, files, message, who, self.forge.clock())
            self.git.update(f"refs/heads/{branch}", sha)
            self.sync()
            return sha

    def delete_branch(self, branch: str) -> None:
        with self.forge.lock:
            self.git.delete(f"refs/heads/{branch}")
            self.sync()

    def fork(self, login: str) -> "FakeRepo":
        """`login`'s own copy, with the branches of now."""
        fork = self.forge.repository(f"{login}/{self.name}", self.default_branch, private=self.private, parent=self)
        fork.git.fetch(self.path, "refs/heads/*", "refs/heads/*")
        return fork

    def open(self, login: str, head: str, title: str, body: str = "", base: str | None = None, source: "FakeRepo | None" = None) -> Pull:
        """A pull request by a person, from a branch of this repository or of the fork `source`."""
        with self.forge.lock:
            self.forge.users.add(login)
            return self.add_pull(login, head, base or self.default_branch, title, body, draft=False, source=source or self)

    def comment(self, number: int, login: str, body: str) -> Comment:
        with self.forge.lock:
            self.forge.users.add(login)
            return self.add_comment(number, login, body)

    def merge(self, number: int, how: str = "merge", login: str = "alice", delete_branch: bool = False) -> str:
        """What the button does, by `merge`, `squash` or `rebase`; the new tip of the base branch. AssertionError on a conflict."""
        with self.forge.lock:
            self.sync()
            pull = self.pulls[number]
            assert pull.state == "open" and not pull.draft, f"#{number} is {'a draft' if pull.draft else 'closed'}"
            sha = self._combine(pull, how, login)
            assert sha, f"#{number} has conflicts with {pull.base}"
            pull.merged, pull.merge_sha, pull.merged_by = True, sha, login
            self.git.update(f"refs/heads/{pull.base}", sha, pull.base_sha)
            self._close(pull)
            if delete_branch or self.settings.delete_branch_on_merge:
                pull.head_repo.git.delete(f"refs/heads/{pull.head}")
            self.sync()
            return sha

    def _combine(self, pull: Pull, how: str, login: str) -> str | None:
        at, author = self.forge.clock(), (login, f"{login}@users.noreply.github.com")
        if how == "rebase":
            return self.git.replayed(pull.base_sha, pull.head_sha, WEB, at)
        tree = self.git.merged(pull.base_sha, pull.head_sha)
        if tree is None:
            return None
        if how == "squash":
            return self.git.commit_tree(tree, [pull.base_sha], f"{pull.title} (#{pull.number})\n\n{pull.body or ''}\n", author, at)
        assert how == "merge", f"{how}: merge, squash or rebase"
        message = f"Merge pull request #{pull.number} from {pull.head_repo.owner}/{pull.head}\n\n{pull.title}\n"
        return self.git.commit_tree(tree, [pull.base_sha, pull.head_sha], message, author, at)

    def test_merge(self, pull: Pull) -> str | None:
        """GitHub's trial merge, None where the branches conflict: `merge_commit_sha` names it before anything is merged."""
        return self.git.trial(pull.base_sha, pull.head_sha, WEB)

    def close(self, number: int) -> None:
        with self.forge.lock:
            self.sync()
            self._close(self.pulls[number])

    def edit(self, number: int, **fields: object) -> None:
        """Sets fields of a pull request, as a person would: `title`, `body`, `labels`, `draft`."""
        with self.forge.lock:
            for name, value in fields.items():
                assert hasattr(self.pulls[number], name), name
                setattr(self.pulls[number], name, value)

    def run(self, workflow: str, status: str = "in_progress", branch: str | None = None, event: str = "schedule") -> Run:
        """A run of a workflow file, as a schedule starts it; set its `status` to `completed` to end it."""
        with self.forge.lock:
            return self.add_run(workflow, branch or self.default_branch, event, "alice", {}, status)

    def workflows(self) -> dict[str, dict]:
        """File name -> content of the workflows on the default branch."""
        tip = self.branch(self.default_branch)
        paths = self.git.files(tip, WORKFLOWS) if tip else []
        return {path.split("/")[-1]: yaml.safe_load(self.git.read(tip, path)) for path in paths if path.endswith((".yml", ".yaml"))}

    def add_pull(self, login: str, head: str, base: str, title: str, body: str | None, draft: bool, source: "FakeRepo") -> Pull:
        now, number = self.forge.now(), len(self.pulls) + 1
        head_sha, base_sha = source.branch(head), self.branch(base)
        assert head_sha and base_sha, f"no branch {base if head_sha else head}"
        pull = Pull(self.forge.next_id(), number, login, title, body, head, base, source, head_sha, base_sha, draft, now, now)
        self.pulls[number] = pull
        self._show(pull)
        return pull

    def add_comment(self, number: int, login: str, body: str) -> Comment:
        now = self.forge.now()
        comment = Comment(self.forge.next_id(), number, login, body, now, now)
        self.comments[comment.id] = comment
        return comment

    def add_run(self, workflow: str, branch: str, event: str, login: str, inputs: dict, status: str = "queued") -> Run:
        sha = self.git.resolve(branch)
        assert sha, f"no branch {branch}"
        run = Run(self.forge.next_id(), len(self.runs) + 1, workflow, branch, sha, event, login, self.forge.now(), status, inputs=inputs)
        self.runs[run.id] = run
        return run

    def sync(self) -> None:
        """Lets the pull requests follow their branches: new commits show up, a deleted head closes, a base that has it all merges."""
        here = self.git.refs("refs/heads/")
        for pull in [each for each in self.pulls.values() if each.state == "open"]:
            source = here if pull.head_repo is self else pull.head_repo.git.refs("refs/heads/")
            head, base = source.get(f"refs/heads/{pull.head}"), here.get(f"refs/heads/{pull.base}")
            if not head or not base:
                self._close(pull)
                continue
            if (head, base) == (pull.head_sha, pull.base_sha):
                continue
            moved, pull.head_sha, pull.base_sha = head != pull.head_sha, head, base
            self._show(pull)
            if self.git.contains(base, head):
                pull.merged, pull.merge_sha = not moved, None if moved else base
                self._close(pull)

    def _show(self, pull: Pull) -> None:
        """Keeps the head's commits reachable below refs/pull, whatever becomes of the branch."""
        ref = f"refs/pull/{pull.number}/head"
        if pull.head_repo is self:
            self.git.update(ref, pull.head_sha)
        else:
            self.git.fetch(pull.head_repo.path, f"refs/heads/{pull.head}", ref)
        pull.updated_at = self.forge.now()

    def _close(self, pull: Pull) -> None:
        pull.state, pull.closed_at, pull.updated_at = "closed", self.forge.now(), self.forge.now()
