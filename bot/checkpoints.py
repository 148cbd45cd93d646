"""Checkpoints of the final comparison, kept until the sealed split has been read: the same models on other text, without training again."""

import shutil
from collections.abc import Collection
from pathlib import Path


class Checkpoints:
    """`<folder>/<sha>-<seed>/`. Losing one costs a run, never a number."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, sha: str, seed: int) -> Path:
        return self.folder / f"{sha}-{seed}"

    def kept(self) -> set[tuple[str, int]]:
        """(sha, seed) of every whole one."""
        names = (path.name.rpartition("-") for path in self.folder.glob("*-*") if not path.name.startswith("."))
        return {(sha, int(seed)) for sha, _, seed in names if seed.isdecimal()}

    def take(self, folder: Path, sha: str, seed: int) -> None:
        """Moves a finished one in; whoever looks sees all of it or nothing."""
        target = self.path(sha, seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        folder.replace(target)

    def drop(self, sha: str, seed: int) -> None:
        shutil.rmtree(self.path(sha, seed), ignore_errors=True)

    def keep_only(self, wanted: Collection[tuple[str, int]]) -> None:
        """Deletes all others."""
        for sha, seed in self.kept() - {*wanted}:
            self.drop(sha, seed)
