"""The only caller of git. Commits are made from objects (a private index, no checkout), so the user's tree, index, branch
and hooks are never involved, and the same content with the same time is the same sha: doing it again after a kill changes nothing.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .errors import AutoresearchError, UsageError
from .gitindex import Index
from .helpers import started

IDENTITY = {"NAME": "autoresearch", "EMAIL": "autoresearch@users.noreply.github.com"}
OVERRIDES = {"core.hooksPath": os.devnull, "core.fsmonitor": "false", "core.quotePath": "false", "protocol.ext.allow": "never"}
PLAIN, EXECUTABLE, SYMLINK = "100644", "100755", "120000"
DIFF = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--text", "--src-prefix=a/", "--dst-prefix=b/"]


def _environment(config: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """The caller's environment without GIT_*: a variable left by a hook must not redirect us to another repository."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    pairs = [*OVERRIDES.items(), *config]
    for i, (key, value) in enumerate(pairs):
        clean |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
    fixed = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1"}
    return clean | fixed | {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_CONFIG_COUNT": str(len(pairs))}


class Commit(NamedTuple):
    sha: str
    author: str
    email: str
    subject: str


class GitRepo:
    def __init__(self, root: Path):
        self.root = root

    @classmethod
    def find(cls, directory: Path) -> "GitRepo":
        """The repository that `directory` is in. UsageError when there is none, or none of its commits."""
        if not directory.is_dir():
            raise UsageError(f"{directory} is not a folder")
        try:
            top = cls(directory)._git("rev-parse", "--show-toplevel").strip()
        except FileNotFoundError as error:
            raise UsageError("git is not installed or not on PATH") from error
        except AutoresearchError as error:
            if "not a git repository" in str(error):
                raise UsageError(f"{directory} is not a git repository; run `git init` there, commit your files, and try again") from error
            if "must be run in a work tree" in str(error):
                raise UsageError(f"{directory} is a bare repository; use a clone or a worktree that has the files") from error
            raise UsageError(str(error)) from error
        return cls(Path(top))

    def head(self) -> tuple[str, str | None]:
        """(sha, branch) of HEAD; branch is None when detached. UsageError in a repository without commits."""
        sha = self.resolve("HEAD")
        if not sha:
            raise UsageError("the repository has no commits yet; commit the files to be researched first")
        return sha, self._try("symbolic-ref", "--quiet", "--short", "HEAD").strip() or None

    def resolve(self, name: str) -> str | None:
        """Full sha of a commit-ish, None when there is no such thing."""
        return self._try("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip() or None

    def dirty(self, paths: list[str]) -> list[str]:
        """Those of `paths` that differ from HEAD in the index or the working tree, or are not tracked.

        What git ignores below a folder of `paths` does not count."""
        out = self._git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignored=matching", "--", *paths)
        entries = [(entry[:2], entry[3:]) for entry in out.split("\0") if entry]
        return [path for state, path in entries if state != "!!" or path in paths]

    def tree(self, sha: str, paths: list[str] | None = None) -> dict[str, tuple[str, str]]:
        """path -> (mode, blob) of a commit, submodules left out."""
        out = self._git("ls-tree", "-r", "-z", "--full-tree", sha, "--", *(paths or []), errors="surrogateescape")
        rows = (line.split("\t", 1) for line in out.split("\0") if line)
        return {path: (meta.split()[0], meta.split()[2]) for meta, path in rows if meta.split()[1] == "blob"}

    def changed(self, old: str, new: str) -> set[str]:
        """Paths whose content or mode differs between two commits."""
        return {path for path, _ in self.tree(old).items() ^ self.tree(new).items()}

    def read(self, sha: str, path: str) -> str:
        return self._git("cat-file", "blob", f"{sha}:{path}")

    def commit(self, parent: str, edits: Mapping[str, str], message: str, at: float) -> str:
        """A commit on `parent` with `edits` (path -> new text) written over it; no ref moves. Same arguments, same sha."""
        modes = self.tree(parent, list(edits))
        with Index(self, parent) as index:
            rows = []
            for path, text in edits.items():
                blob = self._git("hash-object", "-w", "--no-filters", "--stdin", stdin=text).strip()
                rows.append(f"{modes.get(path, (PLAIN,))[0]} {blob}\t{path}")
            self._git("update-index", "-z", "--index-info", stdin="".join(row + "\0" for row in rows), index=index)
            tree = self._git("write-tree", index=index).strip()
        return self.commit_tree(tree, parent, message, at)

    def commit_tree(self, tree: str, parents: str | Sequence[str] | None, message: str, at: float) -> str:
        parents = [parents] if isinstance(parents, str) else parents or []
        stamp = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in IDENTITY.items()}
        stamp |= {f"GIT_{who}_DATE": f"@{int(at)} +0000" for who in ("AUTHOR", "COMMITTER")}
        named = [word for parent in parents for word in ("-p", parent)]
        return self._git("commit-tree", tree, *named, "-F", "-", stdin=message, env=stamp).strip()

    def begin(self, message: str) -> None:
        """Makes a repository of the folder, with all its files in the first commit of `main`."""
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in IDENTITY.items()}
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("add", "--all")
        self._git("-c", "commit.gpgSign=false", "commit", "--quiet", "--message", message, env=who)

    def tree_of(self, sha: str) -> str:
        return self._git("rev-parse", "--verify", f"{sha}^{{tree}}").strip()

    def diff(self, old: str, new: str) -> str:
        """A patch that `git apply` takes, whatever the user's configuration and attributes say about diffs."""
        return self._git(*DIFF, "--full-index", old, new, "--")

    def lines_changed(self, old: str, new: str) -> tuple[int, int]:
        """(added, removed) lines."""
        rows = [row.split("\t") for row in self._git(*DIFF, "--numstat", old, new, "--").splitlines()]
        counted = [(int(row[0]), int(row[1])) for row in rows if row[0] != "-"]  # "-": an attribute says binary
        return sum(added for added, _ in counted), sum(removed for _, removed in counted)

    def apply_patch(self, parent: str, patch: str) -> dict[str, str | None]:
        """path -> new text (None: deleted) that `patch` makes of `parent`. ValueError with git's reason when it does not apply.

        A mode change, symlink or binary file in the patch is a ValueError too: only text of plain files may change."""
        with Index(self, parent) as index:
            try:
                self._git("apply", "--cached", "--whitespace=nowarn", "-", stdin=patch, index=index)
            except AutoresearchError as error:
                raise ValueError(str(error)) from error
            rows = self._git("diff-index", "--cached", "--no-renames", "-z", parent, "--", index=index).split("\0")
        changed: dict[str, str | None] = {}
        for meta, path in zip(rows[::2], rows[1::2], strict=False):
            old_mode, new_mode, _, blob, kind = meta.lstrip(":").split()
            if kind != "D" and (new_mode not in (PLAIN, EXECUTABLE) or (kind == "M" and old_mode != new_mode)):
                raise ValueError(f"{path}: only the text of plain files may change (mode {old_mode} -> {new_mode})")
            try:
                changed[path] = None if kind == "D" else self._git("cat-file", "blob", blob)
            except UnicodeDecodeError as error:
                raise ValueError(f"{path} is not UTF-8 text") from error
        return changed

    def merge(self, base: str, ours: str, theirs: str) -> str | None:
        """Both changes of the text `base` in one, None where they touch the same lines."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("ours", "base", "theirs")]
            for path, text in zip(paths, (ours, base, theirs), strict=True):
                path.write_bytes(text.encode())
            done = self._run("merge-file", "-p", "--quiet", *map(str, paths))
        if done.returncode > 127:
            raise AutoresearchError(f"git merge-file: {done.stderr.decode(errors='replace').strip()}")
        return None if done.returncode else done.stdout.decode()

    def export(self, sha: str, destination: Path, paths: list[str] | None = None) -> None:
        """Writes a commit's files (or those of `paths`) below `destination`, byte for byte, without `.git` and without filters."""
        tree = self.tree(sha, paths)
        batch = self._run("cat-file", "--batch", stdin="".join(blob + "\n" for _, blob in tree.values())).stdout
        offset = 0
        for path, (mode, _) in tree.items():
            end = batch.index(b"\n", offset)
            size = int(batch[offset:end].split()[2])
            content, offset = batch[end + 1 : end + 1 + size], end + size + 2
            target = destination / PurePosixPath(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if mode == SYMLINK:
                target.symlink_to(os.fsdecode(content))
                continue
            target.write_bytes(content)
            target.chmod(0o755 if mode == EXECUTABLE else 0o644)

    def move_branch(self, branch: str, new: str, old: str | None) -> None:
        """Creates (`old` None) or advances a branch, only if it still is where we left it. UsageError otherwise."""
        try:
            self._git("update-ref", "-m", "autoresearch", f"refs/heads/{branch}", new, old or "")
        except AutoresearchError as error:
            now = self.resolve(f"refs/heads/{branch}") or "missing"
            raise UsageError(f"branch {branch} was moved by someone else (expected {old or 'no branch'}, found {now})") from error

    def trailer(self, sha: str, key: str) -> str:
        """The value of one trailer of a commit's message, empty when there is none."""
        return self._try("log", "-1", f"--format=%(trailers:key={key},valueonly,separator=%x2C)", sha).strip()

    def ancestor(self, old: str, new: str) -> bool:
        """Whether `new` builds on `old`, or is it."""
        return self._run("merge-base", "--is-ancestor", old, new).returncode == 0

    def between(self, old: str, new: str) -> list[Commit]:
        """Every commit that `new` has and `old` has not, the oldest first."""
        out = self._git("log", "--reverse", "--topo-order", "-z", "--format=%H%n%an%n%ae%n%s", f"{old}..{new}", "--", errors="replace")
        return [Commit(*entry.split("\n", 3)) for entry in out.split("\0") if entry]

    def checked_out(self, branch: str) -> str | None:
        """The folder that has `branch` checked out, if any: moving it would make that checkout look edited."""
        blocks = self._git("worktree", "list", "--porcelain", errors="surrogateescape").split("\n\n")
        rows = (dict(line.partition(" ")[::2] for line in block.splitlines()) for block in blocks)
        return next((row["worktree"] for row in rows if row.get("branch") == f"refs/heads/{branch}"), None)

    def ignore(self, folder: str) -> None:
        """Adds `folder` to this clone's private exclude file, so that the state folder never shows up in `git status`."""
        path = Path(self._git("rev-parse", "--path-format=absolute", "--git-path", "info/exclude").strip())
        text, line = path.read_bytes() if path.exists() else b"", f"/{folder}/".encode()
        if line not in text.splitlines():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text + (b"" if text.endswith(b"\n") or not text else b"\n") + line + b"\n")

    def _try(self, *args: str) -> str:
        try:
            return self._git(*args)
        except AutoresearchError:
            return ""

    def _git(
        self, *args: str, stdin: str | bytes = "", index: str | None = None, env: Mapping[str, str] | None = None, errors: str = "strict"
    ) -> str:
        """What git prints. AutoresearchError with its words where it fails."""
        done = self._run(*args, stdin=stdin, env={**(env or {}), **({"GIT_INDEX_FILE": index} if index else {})})
        if done.returncode:
            raise AutoresearchError(f"git {args[0]}: {done.stderr.decode(errors='replace').strip() or f'exit code {done.returncode}'}")
        return done.stdout.decode(errors=errors)

    def _run(
        self,
        *args: str,
        stdin: str | bytes = "",
        env: Mapping[str, str] | None = None,
        config: Iterable[tuple[str, str]] = (),
        limit: float | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """In a session of its own, so that a Ctrl-C on the terminal reaches the bot and not a git that is half done.

        `config` is for this process alone, in no argument list and no file. After `limit` seconds it is killed with all that it started
        (subprocess.TimeoutExpired)."""
        data, pipe = stdin.encode() if isinstance(stdin, str) else stdin, subprocess.PIPE
        full = _environment(config) | (env or {})
        command = ["git", *args]
        with started(command, cwd=self.root, env=full, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            out, err = process.communicate(data, limit)
        return subprocess.CompletedProcess(command, process.returncode, out, err)
