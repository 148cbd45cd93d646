"""What a candidate may read beside the system, as `readable:` in the settings names it. A ValueError says what is wrong and the fix."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationInfo

from bot.checks import at_home


def readable_paths(paths: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    return tuple(_readable(text, info) for text in paths)


def _readable(text: str, info: ValidationInfo) -> str:
    path = at_home(Path(text))
    if not path.is_absolute():
        raise ValueError(f"{text!r} is not absolute; write it from `/` or `~`")
    if not path.exists():
        raise ValueError(f"{text!r} does not exist; correct the path or remove it")
    full = path.resolve()
    if Path.home().resolve().is_relative_to(full):
        raise ValueError(f"{text!r} holds your home folder, keys and all; name only what a candidate needs")
    for closed, what in private_folders(info):
        if closed.is_relative_to(full) or full.is_relative_to(closed):
            raise ValueError(f"{text!r} would open {what} ({closed}) to candidates; name only what a candidate needs")
    return str(full)


def private_folders(info: ValidationInfo) -> Iterator[tuple[Path, str]]:
    """What no candidate may read: the other runs' folders and the ledger, git's own files, the text it is scored on."""
    from eval.cache import default_cache_dir

    root, state, corpus = info.context["root"], info.data.get("state_dir"), info.data.get("corpus") or ""
    if state:
        yield (root / state).resolve(), "the state folder"
    git = root / ".git"
    if git.is_file():  # a worktree: the repository's own folder is three levels up from what it names
        git = (root / git.read_text(encoding="utf-8", errors="replace").partition(":")[2].strip()).resolve()
        yield git, "git's own folder"
        git = git.parent.parent
    yield git.resolve(), "git's own folder"
    yield Path("/proc"), "other processes"
    yield default_cache_dir().resolve(), "the corpus cache"
    if corpus.startswith("path:"):
        yield Path(corpus.removeprefix("path:")).resolve(), "the corpus"
