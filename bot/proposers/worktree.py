"""The throw-away folder that a coding agent works in: the champion's files, as a small git repository without a past and without a remote.

Afterwards git is not run in it again, for what stands in its `.git` is the agent's; files are read without following a link.
"""

import ast
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from bot.edit import BOM, LARGEST_FILE, EditRejected
from bot.gitobjects import Entry, Objects
from bot.gitrepo import EXECUTABLE, IDENTITY, SYMLINK, GitRepo

SHOWN_BYTES, SHOWN_FILES = 64 << 20, 10_000  # of a larger repository the agent sees what a measurement sees, and the brief
MESSAGE_BYTES = 1 << 16
NAMED = 5  # paths in one sentence
PROMPT = ".autoresearch-prompt.md"
CONFIG = f"""[user]
\tname = {IDENTITY["NAME"]}
\temail = {IDENTITY["EMAIL"]}
[core]
\thooksPath = {os.devnull}
\tautocrlf = false
[commit]
\tgpgSign = false
[gc]
\tauto = 0
"""


class Worktree:
    """`texts`: the editable files as they stand at the beginning. `needed`: what a measurement needs beside them."""

    def __init__(self, folder: Path, texts: Mapping[str, str], needed: Iterable[str] = ()):
        self.folder, self.texts, self.needed = folder, dict(texts), tuple(needed)
        self.entries: dict[str, Entry] = {}

    def make(self, repo: GitRepo, sha: str) -> None:
        """The files of the commit `sha` with `texts` laid over them, in a repository's only commit."""
        self.objects = Objects(repo)
        entries = {path: entry for path, entry in self.objects.entries(sha).items() if entry.kind == "blob"}
        if len(entries) > SHOWN_FILES or sum(entry.size for entry in entries.values()) > SHOWN_BYTES:
            entries = {path: entry for path, entry in entries.items() if path in self.texts or within(path, self.needed)}
        self.entries = entries
        self.folder.mkdir()
        repo.export(sha, self.folder, list(entries))
        for path, text in self.texts.items():
            (self.folder / path).write_bytes(text.encode())
        own = GitRepo(self.folder)
        own._git("init", "--quiet", "--template=", "--initial-branch=main")
        info = self.folder / ".git/info"
        info.mkdir(exist_ok=True)
        (info / "exclude").write_text(f"/{PROMPT}\n")
        with (self.folder / ".git/config").open("a") as config:
            config.write(CONFIG)
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in IDENTITY.items()}
        own._git("add", "--all", "--force")
        own._git("commit", "--quiet", "--allow-empty", "--message", "the champion", env=who)
        (self.folder / ".git/COMMIT_EDITMSG").unlink(missing_ok=True)

    def edits(self) -> dict[str, str]:
        """path -> new text of every editable file that was changed. EditRejected for anything that cannot be measured as it stands."""
        found = {path: self._text(path) for path in self.texts}
        changed = {path: text for path, text in found.items() if text != self.texts[path]}
        if touched := self._touched():
            raise EditRejected(f"the agent changed {listed(touched)}; only {listed(self.texts)} may change")
        for path, text in changed.items():
            if new := self._new_modules(path, text):
                raise EditRejected(f"{path} imports {listed(new)}, which the agent added; only {listed(self.texts)} may change")
        return changed

    def message(self) -> str:
        """What the agent wrote to its last commit; empty if it made none."""
        try:
            raw = self._read(".git/COMMIT_EDITMSG", MESSAGE_BYTES) or b""
        except (EditRejected, OSError):
            return ""
        lines = raw.decode("utf-8", "replace").splitlines()
        return "\n".join(line for line in lines if not line.startswith("#")).strip()

    def _text(self, path: str) -> str:
        data = self._read(path, LARGEST_FILE)
        if data is None:
            raise EditRejected(f"{path} was deleted; only its text may change")
        mode = os.lstat(self.folder / path).st_mode
        if bool(mode & stat.S_IXUSR) != (path in self.entries and self.entries[path].mode == EXECUTABLE):
            raise EditRejected(f"the mode of {path} changed; only its text may change")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise EditRejected(f"{path} is not UTF-8 text (byte {error.start})") from error

    def _touched(self) -> list[str]:
        """What the agent changed beside the editable files. New files and hidden ones do not count: no measurement sees them."""
        others = (path for path in self.entries if path not in self.texts)
        return [path for path in others if (not hidden(path) or within(path, self.needed)) and not self._as_it_was(path)]

    def _as_it_was(self, path: str) -> bool:
        entry = self.entries[path]
        try:
            if entry.mode == SYMLINK:
                return self.objects.id(os.fsencode(os.readlink(self.folder / path))) == entry.id
            data = self._read(path, entry.size)
        except (EditRejected, OSError):
            return False
        return data is not None and self.objects.id(data) == entry.id

    def _read(self, path: str, limit: int) -> bytes | None:
        """The content of a plain file, None where there is none. EditRejected for anything else: a link may lead to the user's secrets."""
        place = self.folder
        *folders, name = PurePosixPath(path).parts
        try:
            for part in folders:
                place /= part
                if not stat.S_ISDIR(os.lstat(place).st_mode):
                    raise EditRejected(f"the folder of {path} was replaced by something else; only the file's text may change")
            found = os.lstat(place / name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:  # a folder that the agent closed
            raise EditRejected(f"{path} cannot be read any more: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "something that is not a file"
            raise EditRejected(f"{path} became {kind}; only its text may change")
        if found.st_size > limit:
            raise EditRejected(f"{path} has {found.st_size} bytes now; the limit is {limit}")
        try:
            return (place / name).read_bytes()
        except OSError as error:
            raise EditRejected(f"{path} cannot be read any more: {error.strerror}") from error

    def _new_modules(self, path: str, text: str) -> list[str]:
        """Files that were not there before and that `text` imports: a measurement would not have them."""
        if not path.endswith(".py"):
            return []
        places = {PurePosixPath(path).parent, PurePosixPath(".")}
        added = {str(place / name) for place in places for top in imported(text) for name in (f"{top}.py", top)}
        known = {str(parent) for known in self.entries for parent in (PurePosixPath(known), *PurePosixPath(known).parents)}
        return sorted(name for name in added - known if os.path.lexists(self.folder / name))


def imported(text: str) -> set[str]:
    """First names of the modules that a program imports; none where it cannot be read."""
    try:
        nodes = list(ast.walk(ast.parse(text.removeprefix(BOM))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names |= {node.module} if node.module else {alias.name for alias in node.names}
    return {name.partition(".")[0] for name in names}


def hidden(path: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(path).parts)


def within(path: str, places: Iterable[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(place) for place in places)


def listed(paths: Iterable[str]) -> str:
    names = sorted(paths)
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
