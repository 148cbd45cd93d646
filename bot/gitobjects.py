"""Git's objects without a checkout: files of any kind written into trees, read back, packed, and refs moved by compare-and-swap.

Whole folders of files in a handful of processes: ids are computed here, only what is new is written, in one `git fast-import`.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .errors import AutoresearchError
from .gitrepo import PLAIN, GitRepo


class Entry(NamedTuple):
    mode: str  # such as 100644; 160000 is a submodule
    kind: str  # blob | tree | commit
    id: str
    size: int  # bytes of a blob, 0 of anything else


class Change(NamedTuple):
    """One path that a commit changes. Mode 000000: there is no such file on that side."""

    commit: str
    path: str
    old_mode: str
    new_mode: str
    id: str  # of the new content


class Objects:
    def __init__(self, repo: GitRepo):
        self.repo, self.git = repo, repo._git
        self.format = self.git("rev-parse", "--show-object-format").strip()  # sha1 | sha256

    def id(self, data: bytes) -> str:
        """The id of a blob, without writing it."""
        return hashlib.new(self.format, b"blob %d\0" % len(data) + data).hexdigest()

    def entries(self, treeish: str | None, recurse: bool = True) -> dict[str, Entry]:
        """path -> entry, submodules included; `recurse=False`: of the top folder alone, folders as trees. None is the empty tree."""
        if not treeish:
            return {}
        out = self.git("ls-tree", "-z", "-l", "--full-tree", *(["-r"] if recurse else []), treeish, errors="surrogateescape")
        rows = (line.split("\t", 1) for line in out.split("\0") if line)
        split = ((path, meta.split()) for meta, path in rows)
        return {path: Entry(mode, kind, id, int(size) if size != "-" else 0) for path, (mode, kind, id, size) in split}

    def read(self, ids: Iterable[str]) -> dict[str, bytes]:
        """id -> content of blobs."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return {}
        done = self.repo._run("cat-file", "--batch", stdin="".join(id + "\n" for id in wanted))
        found, offset = {}, 0
        for id in wanted:
            end = done.stdout.find(b"\n", offset)
            fields = done.stdout[offset:end].split()
            if end < 0 or len(fields) != 3 or fields[1] != b"blob":
                raise AutoresearchError(f"git cat-file: there is no file {id} in this repository; run `git fsck` there")
            size = int(fields[2])
            found[id], offset = done.stdout[end + 1 : end + 1 + size], end + size + 2
        return found

    def named(self, names: Iterable[str]) -> dict[str, bytes]:
        """name -> content of those of `names` (`<commit>:<path>`, such as `1a2b3c4^:train.py`) that are files here."""
        wanted = list(dict.fromkeys(names))
        out, found, offset = self.repo._run("cat-file", "--batch", stdin="".join(name + "\n" for name in wanted)).stdout, {}, 0
        for name in wanted:
            end = out.find(b"\n", offset)
            fields, offset = out[offset:end].split(), end + 1
            if end >= 0 and len(fields) == 3 and fields[2].isdigit():
                size = int(fields[2])
                found.update({name: out[offset : offset + size]} if fields[1] == b"blob" else {})
                offset += size + 1
        return found

    def commits(self, ids: Iterable[str]) -> list[str]:
        """Those of `ids` that are commits of this repository, each once."""
        wanted = list(dict.fromkeys(ids))
        out = self.git("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin="".join(f"{id}\n" for id in wanted))
        return [id for id, line in zip(wanted, out.splitlines(), strict=True) if line == f"{id} commit"]

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """id -> bytes, of objects that are there."""
        out = self.git("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin="".join(f"{id}\n" for id in dict.fromkeys(ids)))
        return {id: int(size) for id, size in map(str.split, out.splitlines()) if size.isdigit()}

    def tree(self, base: str | None, edits: Mapping[str, bytes]) -> str:
        """The id of a tree: `base` (a commit or tree, None the empty one) with `edits` (path -> content) written over it as plain files."""
        have = self.entries(base)
        new = {path: (self.id(data), data) for path, data in edits.items()}
        new = {path: (id, data) for path, (id, data) in new.items() if path not in have or have[path].id != id}
        if base and not new:
            return self.repo.tree_of(base)
        self._write({data for _, data in new.values()})
        return self.graft(base, {path: id for path, (id, _) in new.items()})

    def graft(self, base: str | None, ids: Mapping[str, str | None]) -> str:
        """As `tree`, of blobs that are there already (path -> id). None takes a file out."""
        return self._graft(base, {PurePosixPath(path).parts: id for path, id in ids.items()})

    def _graft(self, base: str | None, files: Mapping[tuple[str, ...], str | None]) -> str:
        rows = self.entries(base, recurse=False)
        folders: dict[str, dict[tuple[str, ...], str | None]] = {}
        for (name, *rest), id in files.items():
            if rest:
                folders.setdefault(name, {})[tuple(rest)] = id
            elif id:
                rows[name] = Entry(PLAIN, "blob", id, 0)
            else:
                rows.pop(name, None)
        for name, inner in folders.items():
            below = rows[name].id if name in rows and rows[name].kind == "tree" else None
            rows[name] = Entry("040000", "tree", self._graft(below, inner), 0)
        lines = "".join(f"{row.mode} {row.kind} {row.id}\t{name}\0" for name, row in rows.items())
        return self.git("mktree", "-z", stdin=lines.encode(errors="surrogateescape")).strip()

    def _write(self, blobs: Collection[bytes]) -> None:
        stream = b"".join(b"blob\ndata %d\n%b\n" % (len(data), data) for data in blobs)
        self.git("fast-import", "--quiet", "--done", stdin=stream + b"done\n")

    def move(self, ref: str, new: str | None, old: str | None) -> bool:
        """Points `ref` to `new` (None: deletes it) if it still is at `old` (None: there is none). False if it is not."""
        if new is None:
            return self.repo._run("update-ref", "-d", ref, *([old] if old else [])).returncode == 0
        return self.repo._run("update-ref", "-m", "autoresearch", ref, new, old or "").returncode == 0

    def merge_base(self, one: str, other: str) -> str | None:
        return self.repo._try("merge-base", one, other).strip() or None

    def count(self, new: str, old: str | None = None) -> int:
        """Commits that `new` has and `old` has not."""
        return int(self.git("rev-list", "--count", new, *([f"^{old}"] if old else []), "--"))

    def parents(self, new: str, *old: str) -> list[tuple[str, list[str]]]:
        """(sha, parents) of every commit that `new` has and none of `old`, the oldest first."""
        out = self.git("rev-list", "--reverse", "--topo-order", "--parents", new, *(f"^{sha}" for sha in old), "--")
        return [(words[0], words[1:]) for words in map(str.split, out.splitlines())]

    def mainline(self, old: str, new: str, paths: Iterable[str], most: int) -> list[str]:
        """The newest `most` commits of the branch at `new`, in its own line, that `old` has not and that touch `paths`."""
        return self.git("rev-list", "--first-parent", f"--max-count={most}", new, f"^{old}", "--", *paths).split()

    def changes(self, commits: Iterable[str]) -> list[Change]:
        """What each of `commits` changes against its only parent."""
        options = ["--stdin", "--root", "-r", "-z", "--raw", "--no-renames"]
        out = self.git("diff-tree", *options, stdin="".join(f"{sha}\n" for sha in commits), errors="surrogateescape")
        found, commit, fields = [], "", iter(out.split("\0"))
        for field in fields:
            if field.startswith(":"):
                old_mode, new_mode, _, id, _ = field[1:].split()
                found.append(Change(commit, next(fields), old_mode, new_mode, id))
            else:
                commit = field
        return found

    def identities(self, commits: Iterable[str]) -> dict[str, tuple[str, str]]:
        """sha -> (author, committer), each as `name <email>`, as the commit itself says, mailmap or not."""
        shas = list(commits)
        if not shas:
            return {}
        form = "%H%n%an <%ae>%n%cn <%ce>"
        out = self.git("log", "--no-walk=unsorted", "-z", "--stdin", f"--format={form}", stdin="\n".join(shas), errors="surrogateescape")
        return {sha: (author, committer) for sha, author, committer in (entry.split("\n") for entry in out.split("\0") if entry)}

    def pack(self, new: str, old: str | None) -> None:
        """Packs the objects between two commits and drops their loose copies: a file that only grows then takes no more than its growth."""
        folder = self.git("rev-parse", "--path-format=absolute", "--git-path", "objects/pack").strip()
        self.git("pack-objects", "--revs", "--quiet", f"{folder}/pack", stdin=f"{new}\n" + (f"^{old}\n" if old else ""))
        self.git("prune-packed", "--quiet")


@contextmanager
def borrowing(repo: GitRepo) -> Iterator[GitRepo]:
    """An empty bare repository, gone afterwards, that sees every object of `repo` and adds none to it: for what is not trusted yet."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-") as folder:
        form = repo._git("rev-parse", "--show-object-format").strip()
        repo._git("init", "--quiet", "--bare", "--template=", f"--object-format={form}", "--initial-branch=main", "--", folder)
        objects, shallow = (_inside(repo, name) for name in ("objects", "shallow"))
        (Path(folder) / "objects/info").mkdir(exist_ok=True)
        (Path(folder) / "objects/info/alternates").write_text(f"{objects}\n")
        if shallow.exists():  # the parents of these commits are missing on purpose
            shutil.copy(shallow, Path(folder) / "shallow")
        yield GitRepo(Path(folder))


def _inside(repo: GitRepo, name: str) -> Path:
    return Path(repo._git("rev-parse", "--path-format=absolute", "--git-path", name).strip())
