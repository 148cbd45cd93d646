"""One measurement at a time on a device: a lock that the kernel releases however its holder ends.

    with exclusive("cuda", Path("/tmp"), waiting=lambda: print("another measurement has the GPU")):
        ...

A CPU is locked core by core: processes that were put on cores of their own measure at once, one that may use all waits for all.

flock on a file that is never deleted (deleting one that somebody waits for would give two holders). Its folder is shared by
every user of the machine, so the file is open to all of them, links are not followed, and O_CREAT is kept away from
files that exist: Linux refuses it for another user's file in a sticky folder (fs.protected_regular).
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from eval import nvidia
from eval.errors import RefereeError

POLL_SECONDS = 0.2  # between two tries, and between two calls of `waiting`


def lock_paths(device: str, folder: Path) -> list[Path]:
    """The files of `device`: one for mps, one for the GPU, and for a CPU one for each core that this process may use, in order.

    A GPU is named by its uuid where nvidia-smi knows it: CUDA_VISIBLE_DEVICES may say `0` to one process and `GPU-...` to another."""
    names = [f"cuda-{nvidia.identity()}" if device.startswith("cuda") else device]
    if device == "cpu" and hasattr(os, "sched_getaffinity"):
        names = [f"cpu{core}" for core in sorted(os.sched_getaffinity(0))]
    return [folder / f"autoresearch-{re.sub('[^A-Za-z0-9-]', '_', name)}.lock" for name in names]


@contextlib.contextmanager
def exclusive(device: str, folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """The block runs alone on `device` (this process's cores, on a CPU) among all callers that name the same folder.

    `waiting()` is called about five times a second while somebody else measures; what it raises ends the wait.
    RefereeError if a lock file cannot be used. No child keeps the lock: the descriptor is closed on exec."""
    with contextlib.ExitStack() as held:
        for path in lock_paths(device, folder):  # everybody in the same order, so that no two wait for each other
            fd = _open(path)
            held.callback(os.close, fd)
            while not _locked(fd, path):
                waiting()
                time.sleep(POLL_SECONDS)
        yield


def _locked(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a network disk without locks
        raise RefereeError(f"cannot lock {path}: {error.strerror}; name a folder on a local disk with --locks") from None
    return True


def _open(path: Path) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # non-blocking: somebody may have put a pipe there
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with contextlib.suppress(FileNotFoundError):
                return _regular(_existing(path, flags), path)
            with contextlib.suppress(FileExistsError):  # another process was faster
                fd = os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
                os.fchmod(fd, 0o666)  # the umask took the other users' share
                return fd
    except OSError as error:
        what = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise RefereeError(f"cannot use the lock file {path}: {what}; remove it, or name another folder with --locks") from None


def _existing(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_RDWR)
    except PermissionError:  # caught between its creation and its chmod; flock needs no right to write
        return os.open(path, flags | os.O_RDONLY)


def _regular(fd: int, path: Path) -> int:
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise RefereeError(f"cannot use the lock file {path}: it is no plain file; remove it, or name another folder with --locks")
