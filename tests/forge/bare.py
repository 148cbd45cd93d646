"""What the local GitHub asks of git: refs, commits, merges and commits of people, all in a bare repository without a checkout."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import hooks

CONFIG = {
    "http.receivepack": "true",
    "uploadpack.allowReachableSHA1InWant": "true",
    "receive.hideRefs": "refs/pull",  # as on GitHub, nobody pushes there
    "receive.autogc": "false",
    "gc.auto": "0",
}


@dataclass(frozen=True)
class Commit:
    """Times in ISO 8601 with an offset."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    author_email: str
    authored_at: str
    committer: str
    committer_email: str
    committed_at: str
    message: str


FORMAT = "%x00".join(["%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"]) + "%x00%x01"


class Bare:
    """Commits, trees and comparisons never change, so what was asked about a pair of shas is kept."""

    def __init__(self, path: Path):
        self.path = path
        self._known: dict[tuple, object] = {}

    @classmethod
    def create(cls, path: Path, default_branch: str) -> "Bare":
        path.mkdir(parents=True)
        bare = cls(path)
        bare.run("init", "--quiet", "--bare", f"--initial-branch={default_branch}")
        for key, value in CONFIG.items():
            bare.run("config", key, value)
        hooks.install(path)
        return bare

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Full ref name -> sha."""
        rows = self.run("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(row.split(" ") for row in rows)

    def resolve(self, name: str) -> str | None:
        """The full sha of a commit-ish, None where there is none."""
        done = self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return done.stdout.decode().strip() or None

    def update(self, ref: str, new: str, old: str | None = None) -> None:
        self.run("update-ref", ref, new, *([old] if old else []))

    def delete(self, ref: str) -> None:
        self.run("update-ref", "-d", ref)

    def fetch(self, source: Path, ref: str, into: str) -> None:
        self.run("fetch", "--quiet", "--no-tags", str(source), f"+{ref}:{into}")

    def contains(self, tip: str, sha: str) -> bool:
        """Whether `sha` is `tip` or one of its ancestors."""
        return self._once("contains", tip, sha, ask=lambda: self._try("merge-base", "--is-ancestor", sha, tip).returncode == 0)

    def commits(self, base: str, head: str) -> list[Commit]:
        """What `head` has and `base` has not, oldest first."""
        return self._once("commits", base, head, ask=lambda: self._log("--reverse", "--topo-order", f"{base}..{head}"))

    def commit(self, sha: str) -> Commit:
        return self._once("commit", sha, ask=lambda: self._log("-1", sha)[0])

    def size(self, base: str, head: str) -> tuple[int, int, int]:
        """(lines added, lines deleted, files changed) since the point where `head` left `base`."""
        rows = self._once("size", base, head, ask=lambda: self.run("diff", "--numstat", "--no-renames", f"{base}...{head}").splitlines())
        counts = [[0 if n == "-" else int(n) for n in row.split("\t")[:2]] for row in rows]
        return sum(n[0] for n in counts), sum(n[1] for n in counts), len(counts)

    def read(self, sha: str, path: str) -> str | None:
        done = self._try("cat-file", "blob", f"{sha}:{path}")
        return None if done.returncode else done.stdout.decode(errors="replace")

    def files(self, sha: str, folder: str) -> list[str]:
        return self.run("ls-tree", "--name-only", sha, f"{folder}/").splitlines()

    def merged(self, ours: str, theirs: str) -> str | None:
        """The tree of both, None where they conflict."""
        done = self._once("merged", ours, theirs, ask=lambda: self._try("merge-tree", "--write-tree", ours, theirs))
        return None if done.returncode else done.stdout.decode().split("\n")[0]

    def trial(self, ours: str, theirs: str, who: tuple[str, str]) -> str | None:
        """A merge commit that no branch has, None where they conflict."""
        tree, message = self.merged(ours, theirs), f"Merge {theirs} into {ours}"
        return tree and self._once("trial", ours, theirs, ask=lambda: self.commit_tree(tree, [ours, theirs], message, who, 0))

    def commit_tree(self, tree: str, parents: list[str], message: str, who: tuple[str, str], at: float) -> str:
        """`who` is a name and an address, `at` in seconds since the epoch."""
        arguments = [part for parent in parents for part in ("-p", parent)]
        return self.run("commit-tree", tree, *arguments, "-F", "-", stdin=message.encode(), env=_signature(who, at)).strip()

    def write(self, parent: str | None, files: Mapping[str, str | bytes | None], message: str, who: tuple[str, str], at: float) -> str:
        """A commit on `parent` with `files` (path -> content, None deletes) written over it."""
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            if parent:
                self.run("read-tree", parent, env=index)
            for path, content in files.items():
                if content is None:
                    self.run("update-index", "--force-remove", path, env=index)
                    continue
                data = content.encode() if isinstance(content, str) else content
                blob = self.run("hash-object", "-w", "--stdin", stdin=data).strip()
                self.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
            tree = self.run("write-tree", env=index).strip()
        return self.commit_tree(tree, [parent] if parent else [], message, who, at)

    def replayed(self, base: str, head: str, who: tuple[str, str], at: float) -> str | None:
        """The commits of `base..head` one by one on top of `base`, committed by `who`; the last one's sha, None on a conflict."""
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder) / "work"
            self.run("worktree", "add", "--quiet", "--detach", str(work), base)
            try:
                signature = {k: v for k, v in _signature(who, at).items() if "COMMITTER" in k}
                done = _git(work, "cherry-pick", "--allow-empty", "--no-ff", f"{base}..{head}", env=signature)
                return None if done.returncode else _git(work, "rev-parse", "HEAD").stdout.decode().strip()
            finally:
                self.run("worktree", "remove", "--force", str(work))

    def _log(self, *args: str) -> list[Commit]:
        text = self.run("log", f"--format={FORMAT}", *args)
        rows = [row.strip("\n").split("\0") for row in text.split("\0\x01") if row.strip("\n")]
        return [Commit(row[0], row[1], tuple(row[2].split()), *row[3:9], message=row[9].rstrip("\n")) for row in rows]

    def _once(self, *key: str, ask):
        if key not in self._known:
            self._known[key] = ask()
        return self._known[key]

    def _try(self, *args: str) -> subprocess.CompletedProcess[bytes]:
        return _git(self.path, *args)

    def run(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        done = _git(self.path, *args, stdin=stdin, env=env)
        if done.returncode:
            raise RuntimeError(f"git {' '.join(args[:3])}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")


def _signature(who: tuple[str, str], at: float) -> dict[str, str]:
    name, email = who
    each = {"NAME": name, "EMAIL": email, "DATE": f"@{int(at)} +0000"}
    return {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in each.items()}


def _git(folder: Path, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Without the user's own configuration, and never in the repository that a GIT_* variable of the caller names."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", **(env or {})}
    return subprocess.run(["git", *args], cwd=folder, env=clean, input=stdin, capture_output=True, check=False)
