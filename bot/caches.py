"""What torch compiled in the warm-ups of earlier runs, so that repeats and small changes start in seconds. Losing it costs a slow start.

A snapshot is what a run's compile folder held before its first real batch (`eval.snapshot`), so nothing in it was learned. Still it is a
candidate's: it goes to runs of the same files, and only a champion's, made by a run that began with an empty folder, goes to others. So
nothing travels further than from a champion to its own rivals, and nothing is worth more the longer a line of champions gets.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .gitrepo import GitRepo
from .records import Role

RIVALS: tuple[Role, ...] = ("screen", "confirm", "retest", "ablate")  # runs of what stands on a champion; all others stand for themselves
NEWEST, BYTES = 8, 6 << 30
COLD, WARM = "cold", "warm"  # how the run began that made it


class Caches:
    """`<folder>/<tree>-<context>.<how>/`. By tree, since a keep's commit has the tree of the commit that was measured."""

    def __init__(self, folder: Path, repo: GitRepo, context: str):
        self.folder, self.repo, self.context = folder, repo, context

    def path(self, sha: str, how: str) -> Path:
        return self.folder / f"{self.repo.tree_of(sha)}-{self.context}.{how}"

    def given(self, role: Role, sha: str, champion: str) -> Path | None:
        """What a run of `sha` begins with: what the same files left, else what `champion` did."""
        places = [self.path(sha, COLD)]
        if role in RIVALS:
            places += [self.path(sha, WARM), *([self.path(champion, COLD)] if champion else [])]
        found = next((path for path in places if path.is_dir()), None)
        if found:
            os.utime(found)
        return found

    def wanted(self, sha: str, given: Path | None) -> bool:
        """Whether what a run that began with `given` compiles is news."""
        return given is None or given not in (self.path(sha, COLD), self.path(sha, WARM))

    def take(self, folder: Path, sha: str, given: Path | None) -> None:
        """Moves in what a run of `sha` left, in place of what is there; nothing where it left nothing. Whole or not there."""
        target = self.path(sha, WARM if given else COLD)
        self.drop(target)
        if not folder.is_dir():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        folder.replace(target)
        os.utime(target)
        self._bound()

    def drop(self, path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)

    def _bound(self) -> None:
        """The newest by use stay, as far as they fit."""
        room = BYTES
        for count, path in enumerate(sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True), 1):
            room -= sum(sizes(path))
            if count > NEWEST or room < 0:
                self.drop(path)


def sizes(folder: Path) -> Iterator[int]:
    """Bytes of each file below."""
    for parent, _, names in os.walk(folder):
        yield from (os.lstat(os.path.join(parent, name)).st_size for name in names)
