"""The kept commits beside the ledger, as a git bundle: a checkout that is made anew has none of them, and a night may not have been able
to push."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bot.gitrepo import GitRepo
from bot.history import History
from bot.report import files

if TYPE_CHECKING:
    from bot.settings import Settings


def place(settings: "Settings") -> Path:
    return files.state(settings) / "commits" / f"{settings.name}.bundle"


def ref(settings: "Settings") -> str:
    return f"refs/autoresearch/kept/{settings.name}"


def keep(repo: GitRepo, settings: "Settings", history: History) -> None:
    """Writes the line from the base to the champion down, if it is another one than the last time."""
    head, path = history.champion_sha, place(settings)
    if head == history.base or path.exists() and repo.resolve(ref(settings)) == head:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    repo._git("update-ref", ref(settings), head)
    temporary = path.with_suffix(".tmp")
    repo._git("bundle", "create", "--quiet", str(temporary.absolute()), ref(settings), f"^{history.base}")
    temporary.replace(path)


def recall(repo: GitRepo, settings: "Settings") -> None:
    """Brings the kept commits back into a repository that lacks them. AutoresearchError where it lacks what they build on, too."""
    if place(settings).exists():
        take(repo, place(settings), ref(settings), ref(settings))


def take(repo: GitRepo, path: Path, theirs: str, ours: str) -> None:
    repo._git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(path.absolute()), f"+{theirs}:{ours}")


def recall_from(repo: GitRepo, settings: "Settings", contents: Mapping[str, bytes]) -> None:
    """As `recall`, from what every machine has put beside its record on the ledger branch (path in it -> content)."""
    folder = place(settings).parent / "others"
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in contents.items():
        if path.endswith(".bundle"):
            file = folder / Path(path).name
            file.write_bytes(data)
            take(repo, file, ref(settings), f"refs/autoresearch/kept-elsewhere/{settings.name}/{file.stem}")
