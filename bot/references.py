"""The champion's per-token bits, kept from its heavy run: the referee's probes look where a candidate gained most over them.

A cache: no value is read from it. A missing or old file makes probes less efficient, and the gap audit, which needs it, is left out.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from .gitrepo import GitRepo


class References:
    """`<folder>/<tree>-<context>.npz`. Named by tree, since a keep's commit has the tree of the commit that was measured."""

    def __init__(self, folder: Path, repo: GitRepo, context: str):
        self.folder, self.repo, self.context = folder, repo, context

    def path(self, sha: str) -> Path:
        return self.folder / f"{self.repo.tree_of(sha)}-{self.context}.npz"

    def find(self, sha: str) -> Path | None:
        path = self.path(sha)
        return path if path.exists() else None

    def take(self, file: Path, sha: str) -> None:
        """Moves a finished file in; whoever looks sees the old one or the new one, never half of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        os.replace(file, self.path(sha))

    def keep_only(self, shas: Iterable[str]) -> None:
        """Deletes what belongs to none of these commits, so that a long research does not fill the disk."""
        trees = {self.repo.tree_of(sha) for sha in shas}
        for path in self.folder.glob("*.npz"):
            if path.name.partition("-")[0] not in trees:
                path.unlink(missing_ok=True)
