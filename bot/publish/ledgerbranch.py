"""The ledger branch: an orphan branch that holds what every worker recorded, so that a night can go on anywhere.

`<name>/<worker>.jsonl` are the events, `<name>/control.jsonl` is what humans asked for, `<name>/patches/` every diff, and beside them the
report, the plot and results.tsv. Nothing is checked out: commits are made from objects, on a local ref that always holds all that the
remote had when it was last seen, and ours on top (`bot.publish.lay`). What ours makes superfluous goes (`bot.publish.outgrown`).
"""

import random
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bot import kept
from bot.errors import AutoresearchError
from bot.gitobjects import Objects
from bot.gitrepo import GitRepo
from bot.publish.lay import CONTROL, lay
from bot.publish.outgrown import outgrown
from bot.publish.restore import bring_back
from bot.remote import Remote, RemoteError
from bot.report import files

if TYPE_CHECKING:
    from bot.settings import Settings

BRANCH = "refs/heads/autoresearch/ledger"  # the remote's
LOCAL, SEEN = "refs/autoresearch/ledger", "refs/autoresearch/ledger-seen"  # ours; what the remote had when we last looked
ROUNDS = 8  # pushes that may be overtaken by another worker's
PACK_EVERY = 50  # commits: loose objects are whole copies of a file that only grows
REPORTS = ("report.md", "progress.png", "results.tsv")


class LedgerBranch:
    """`name` is the research's, `worker` this machine's: both are parts of file names."""

    def __init__(self, repo: GitRepo, name: str, worker: str):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", worker) or worker == CONTROL.removesuffix(".jsonl"):
            raise AutoresearchError(f"{worker!r} cannot name a worker's file; use letters, digits, `-` and `_`, such as `gpu-1`")
        self.repo, self.name, self.worker, self.objects = repo, name, worker, Objects(repo)

    def of(self, name: str) -> "LedgerBranch":
        """The same branch, for another research."""
        return LedgerBranch(self.repo, name, self.worker)

    @property
    def tip(self) -> str | None:
        """The newest commit here, pushed or not."""
        return self.repo.resolve(LOCAL)

    def path(self, file: str) -> str:
        """Where a file of this research is in the branch."""
        return f"{self.name}/{file}"

    def commit(self, files: Mapping[str, bytes], message: str, at: float) -> str:
        """Puts `files` (path in the branch -> content) on top and returns the tip, which is the old one where nothing is new.

        What others wrote stays (see `lay`). `at` is the commit's date in Unix seconds."""
        if foreign := [path for path in files if not path.startswith(self.path(""))]:
            raise AutoresearchError(f"{foreign[0]} is not below {self.path('')}; a research writes only its own files of the ledger branch")
        return self._settle(lambda tip: self._on_top(tip, files, message, at))

    def collect(self, settings: "Settings") -> dict[str, bytes]:
        """path in the branch -> content of everything that the state folder holds for it. Lines that a kill tore are left out."""
        ledger = files.ledger(settings)
        patches = sorted((ledger.folder / "patches").glob("*.patch"))
        sources = {f"{self.worker}.jsonl": ledger.path, f"{self.worker}.bundle": kept.place(settings)}
        sources |= {f"patches/{path.name}": path for path in patches}
        sources |= {name: files.folder(settings) / name for name in REPORTS}
        found = {self.path(name): path.read_bytes() for name, path in sources.items() if path.is_file()}
        return {path: whole_lines(data) if path.endswith(".jsonl") else data for path, data in found.items()}

    def push(self, remote: Remote, patience: float = 0.0) -> str:
        """Brings the remote to the tip, over what others pushed meanwhile. Returns the sha; AutoresearchError where nothing is committed.

        RemoteError of kind `moved` only after ROUNDS lost races."""
        for round in range(ROUNDS):
            tip, seen = self.tip, self.repo.resolve(SEEN)
            if not tip:
                raise AutoresearchError("the ledger branch has no commit to push yet; commit the state folder's files first")
            if tip == seen or self._pushed(remote, tip, seen, patience):
                return tip
            remote.sleep(random.uniform(0, 0.25 * 2**round))
            self.fetch(remote, patience)
        raise RemoteError(f"the ledger branch was moved by other workers {ROUNDS} times in a row; it is pushed with the next one", "moved")

    def fetch(self, remote: Remote, patience: float = 0.0) -> str | None:
        """What the remote has now, with what we have not pushed yet on top. Returns the tip, None while there is none anywhere."""
        theirs = remote.refs(BRANCH, patience).get(BRANCH)
        if theirs and theirs != self.repo.resolve(SEEN):
            remote.fetch({BRANCH: SEEN}, patience)
            theirs = self.repo.resolve(SEEN)
        if not theirs:  # never there, or deleted: what is here is pushed whole
            self.repo._try("update-ref", "-d", SEEN)
            return self.tip
        return self._settle(lambda tip: self._rebased(tip, theirs))

    def read(self, path: str) -> bytes | None:
        """A file of the branch as it is here; None where there is none."""
        tip = self.tip
        entry = self.objects.entries(tip).get(path) if tip else None
        return self.objects.read([entry.id])[entry.id] if entry else None

    def restore(self, settings: "Settings", remote: Remote, patience: float = 0.0) -> str:
        """Fetches, then brings back what the state folder lost (see `bot.publish.restore`). Returns what it did, "" for nothing."""
        self.fetch(remote, patience)
        return bring_back(settings, self.worker, {w: self.path(f"{w}.jsonl") for w in self.workers(self.name)}, self.contents(self.name))

    def names(self) -> list[str]:
        """Every research that the branch knows."""
        return sorted(name for name, entry in self.objects.entries(self.tip, recurse=False).items() if entry.kind == "tree")

    def workers(self, name: str) -> list[str]:
        """Whose events it has for a research."""
        paths = self.objects.entries(self.tip)
        found = (re.fullmatch(rf"{re.escape(name)}/([^/]+)\.jsonl", path) for path in paths)
        return sorted(match[1] for match in found if match and match[1] != CONTROL.removesuffix(".jsonl"))

    def contents(self, name: str, suffix: str = "") -> dict[str, bytes]:
        """path in the branch -> content of every file of a research that ends so."""
        entries = self.objects.entries(self.tip).items()
        ids = {path: entry.id for path, entry in entries if path.startswith(f"{name}/") and path.endswith(suffix)}
        blobs = self.objects.read(ids.values())
        return {path: blobs[id] for path, id in ids.items()}

    def _pushed(self, remote: Remote, tip: str, seen: str | None, patience: float) -> bool:
        if seen and not self.repo.ancestor(seen, tip):  # another process of this clone has seen more than is in ours yet
            return False
        try:
            remote.push(tip, BRANCH, seen, patience)
        except RemoteError as error:
            if error.kind != "moved":
                raise
            return False
        self.repo._git("update-ref", "-m", "autoresearch", SEEN, tip)
        return True

    def _settle(self, make: Callable[[str | None], str]) -> str:
        """Moves the local ref to what `make` makes of it, again if another process moved it meanwhile."""
        while True:
            tip = self.tip
            new = make(tip)
            if new == tip or self.objects.move(LOCAL, new, tip):
                break
        if new != tip and (number := self.objects.count(new)) % PACK_EVERY == 0:
            self.objects.pack(new, f"{new}~{PACK_EVERY}" if number > PACK_EVERY else None)
        return new

    def _on_top(self, tip: str | None, ours: Mapping[str, bytes], message: str, at: float) -> str:
        have = self.objects.entries(tip)
        new = {path: data for path, data in ours.items() if path not in have or have[path].id != self.objects.id(data)}
        laid = lay(new, have.__contains__, lambda path: self.objects.read([have[path].id])[have[path].id], self.worker)
        tree = self.objects.tree(tip, laid)
        if gone := outgrown(self.objects, laid, have, tree):
            tree = self.objects.graft(tree, dict.fromkeys(gone))
        if tip and tree == self.repo.tree_of(tip):
            return tip
        return self.repo.commit_tree(tree, tip, message, at)

    def _rebased(self, tip: str | None, theirs: str) -> str:
        if not tip or self.repo.ancestor(tip, theirs):
            return theirs
        if self.repo.ancestor(theirs, tip):
            return tip
        known = self.objects.entries(self.objects.merge_base(tip, theirs))
        mine = {path: entry.id for path, entry in self.objects.entries(tip).items() if known.get(path) != entry}
        blobs = self.objects.read(mine.values())
        at = float(self.repo._git("log", "-1", "--format=%ct", tip))
        message = self.repo._git("log", "-1", "--format=%B", tip).strip() + "\n"
        return self._on_top(theirs, {path: blobs[id] for path, id in mine.items()}, message, at)


def whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]
