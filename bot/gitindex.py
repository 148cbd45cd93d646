"""A throw-away index, so that git can write a tree without the user's own index."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .gitrepo import GitRepo


class Index:
    """A throw-away index file that holds one commit's tree."""

    def __init__(self, repo: "GitRepo", sha: str):
        self.repo, self.sha = repo, sha

    def __enter__(self) -> str:
        """In the git folder, named after this process: what a killed run left behind is found and removed by the next."""
        folder = Path(self.repo._git("rev-parse", "--path-format=absolute", "--git-path", "autoresearch-index").strip())
        folder.mkdir(exist_ok=True)
        self.path = folder / str(os.getpid())
        for old in folder.iterdir():
            if old.stem == self.path.name or not _alive(int(old.stem)):
                old.unlink(missing_ok=True)
        self.repo._git("read-tree", self.sha, index=str(self.path))
        return str(self.path)

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
