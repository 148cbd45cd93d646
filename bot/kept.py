"""The commits that the record names, beside the ledger as a git bundle: a checkout that is made anew has none of them, and a night may
not have been able to push.

They are held by one ref, whose commit has them all as parents; so git prunes none of them either.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import AutoresearchError
from bot.gitobjects import Objects
from bot.gitrepo import GitRepo
from bot.history import History
from bot.report import files

if TYPE_CHECKING:
    from bot.settings import Settings


def place(settings: "Settings") -> Path:
    return files.state(settings) / "commits" / f"{settings.name}.bundle"


def ref(settings: "Settings") -> str:
    return f"refs/autoresearch/kept/{settings.name}"


def hold(repo: GitRepo, settings: "Settings", history: History, note: Callable[[str], None], *more: str) -> None:
    """`keep` for a run, before it records what it has just committed: one that cannot write the bundle goes on without."""
    try:
        keep(repo, settings, history, *more)
    except (AutoresearchError, OSError) as error:
        note(f"the kept commits could not be written beside the ledger ({error}); they are in this clone alone")


def keep(repo: GitRepo, settings: "Settings", history: History, *more: str) -> None:
    """Writes the commits that the record names, and `more`, down, if they are others than the last time."""
    shas = Objects(repo).commits([*history.named, *more])
    if not shas:
        return
    path = place(settings)
    head = repo.commit_tree(repo.tree_of(history.base), shas, f"{settings.name}: what the record names\n", 0.0)
    if path.exists() and repo.resolve(ref(settings)) == head:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    repo._git("update-ref", ref(settings), head)
    temporary = path.with_suffix(".tmp")
    repo._git("bundle", "create", "--quiet", str(temporary.absolute()), ref(settings), f"^{history.base}")
    temporary.replace(path)


def recall(repo: GitRepo, settings: "Settings") -> None:
    """Brings the kept commits back into a repository that lacks them. AutoresearchError where it lacks what they build on, too."""
    if place(settings).exists() and not repo.resolve(ref(settings)):
        take(repo, place(settings), ref(settings), ref(settings))


def take(repo: GitRepo, path: Path, theirs: str, ours: str) -> None:
    repo._git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(path.absolute()), f"+{theirs}:{ours}")


def recall_from(repo: GitRepo, settings: "Settings", contents: Mapping[str, bytes]) -> None:
    """As `recall`, from what every machine has put beside its record on the ledger branch (path in it -> content). AutoresearchError
    after the others, where one cannot be read: what it builds on may be gone for good, with the machine that wrote it."""
    folder, wrong = place(settings).parent / "others", []
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in contents.items():
        if path.endswith(".bundle"):
            file = folder / Path(path).name
            file.write_bytes(data)
            try:
                take(repo, file, ref(settings), f"refs/autoresearch/kept-elsewhere/{settings.name}/{file.stem}")
            except AutoresearchError as error:
                wrong.append(f"{path}: {error}")
    if wrong:
        raise AutoresearchError("; ".join(wrong))
