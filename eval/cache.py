"""The cache folder: where it is, who may write in it now, and what its failures mean to a person.

Everything that costs a download or minutes of CPU is kept here: `downloads/` (verified archives) and `corpora/` (prepared
corpora). `AUTORESEARCH_CACHE` moves it, e.g. to a big disk or to the tool cache of a CI runner. Standard library only.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from eval.errors import RefereeError

VARIABLE = "AUTORESEARCH_CACHE"
FULL = (errno.ENOSPC, errno.EDQUOT)
# EROFS: a read-only mount; ENOTDIR and EEXIST: a file stands where a folder should be. The fix is the same as for no permission.
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


def default_cache_dir() -> Path:
    """The user's cache folder / "autoresearch" (platformdirs), or AUTORESEARCH_CACHE where it is set. Creates nothing."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser().absolute()
    import platformdirs  # the controller's environment only; the measuring side is handed a folder

    return platformdirs.user_cache_path("autoresearch")


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """OSErrors met while working in `folder` leave as a RefereeError that names it and the way out."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise RefereeError(
                f"the disk that holds the cache folder {folder} is full; free some space, or set {VARIABLE} to a folder on another disk"
            ) from error
        if error.errno in FORBIDDEN:
            raise RefereeError(
                f"cannot write to the cache folder {folder} ({error}); make it writable, or set {VARIABLE} to a folder of your own"
            ) from error
        raise RefereeError(f"the cache folder {folder} cannot be used ({error}); set {VARIABLE} to another folder") from error


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the exclusive lock `path` (created, never deleted: deleting a lock file lets two holders in). `waiting`: it is another's now.

    flock: the kernel releases it when the holder dies, however it dies, so no lock is ever stale."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
