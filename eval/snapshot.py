"""What was compiled during one warm-up, for the next: a private copy in, a copy of what is there before the first real batch out.

The candidate is alive while its folder is read, and could do anything to it. So: plain files only, through descriptors that follow no link
and wait for no one, within limits. It knows nothing of the text yet: whatever it writes into that folder, nothing in it was learned.
"""

import contextlib
import os
import shutil
import stat
from pathlib import Path

BYTES = 2 << 30  # a 12-layer model's kernels and graphs have some 0.1 GiB
FILES, DEPTH = 50_000, 16
DISK_SHARE = 4  # at most a 4th of what is free
PIECE = 1 << 20


class TooMuch(Exception):
    """More than is worth copying, or than there is room for."""


def copy(source: Path, to: Path) -> int:
    """Copies the plain files below `source` into the new folder `to`; their bytes. 0 and no folder: there are none, or too much."""
    copied = Copied(min(BYTES, shutil.disk_usage(to.parent).free // DISK_SHARE))
    try:
        root = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # nothing was compiled, or it is no folder any more
        return 0
    try:
        copied.folder(root, to, DEPTH)
    except (TooMuch, OSError):  # OSError: of ours, such as a full disk; theirs are passed over below
        shutil.rmtree(to, ignore_errors=True)
        return 0
    finally:
        os.close(root)
    return copied.bytes


class Copied:
    """`bytes` and `files` so far, `most` bytes at the end."""

    def __init__(self, most: int):
        self.bytes, self.files, self.most = 0, 0, most

    def folder(self, descriptor: int, to: Path, depth: int) -> None:
        with os.scandir(descriptor) as entries:  # one by one: a folder may hold millions
            for entry in entries:
                self.files += 1
                if self.files > FILES or depth == 0:
                    raise TooMuch
                with contextlib.ExitStack() as stack:
                    try:
                        found = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
                    except OSError:  # a link, a socket, gone, or unreadable
                        continue
                    stack.callback(os.close, found)
                    mode = os.fstat(found).st_mode
                    if stat.S_ISDIR(mode):
                        self.folder(found, to / entry.name, depth - 1)
                    elif stat.S_ISREG(mode):
                        self.file(found, to / entry.name)

    def file(self, descriptor: int, to: Path) -> None:
        """Its contents alone: neither mode nor owner, which would be the candidate's choice."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with open(to, "xb") as file:
            while piece := os.read(descriptor, PIECE):
                self.bytes += len(piece)
                if self.bytes > self.most:
                    raise TooMuch
                file.write(piece)
