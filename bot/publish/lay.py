"""How our files go on top of a ledger branch that others wrote to meanwhile, so that no line of anybody is lost. Pure.

Each worker's `.jsonl` only grows. Where two have written the same one (a name used by two machines), ours goes beside it under a name of
its own, which stays the same as both grow. `control.jsonl` takes everybody's lines. Two workers that number their patches alike keep
both. Of reports and plots the last one counts.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from itertools import zip_longest

CONTROL = "control.jsonl"


def lay(ours: Mapping[str, bytes], has: Callable[[str], bool], read: Callable[[str], bytes], worker: str) -> dict[str, bytes]:
    """path -> content to write: `ours` (those that differ from what is there), where `has` and `read` tell what is there."""
    laid: dict[str, bytes] = {}
    for path, data in ours.items():
        if path.endswith(f"/{CONTROL}"):
            laid[path] = union(read(path), data) if has(path) else data
        elif path.endswith(".jsonl"):
            path, data = _grown(path, data, read, has) if has(path) else (path, data)
            laid[path] = data
    who = _owner([path.rpartition("/")[2].removesuffix(".jsonl") for path in laid if not path.endswith(f"/{CONTROL}")], worker)
    for path, data in ours.items():
        if not path.endswith(".jsonl"):
            taken = has(path) and re.search(r"/\d+\.patch$", path)
            laid[f"{path.removesuffix('.patch')}.{who}.patch" if taken else path] = data
    return laid


def _owner(records: list[str], worker: str) -> str:
    """Whose patches these are: of the one record that comes with them, which a publisher may hand on for another machine."""
    forks = [name for name in records if re.fullmatch(rf"{re.escape(worker)}-[0-9a-f]{{8}}", name)]
    return records[0] if len(records) == 1 else forks[0] if forks else worker


def _grown(path: str, data: bytes, read: Callable[[str], bytes], has: Callable[[str], bool]) -> tuple[str, bytes]:
    theirs = read(path)
    if data.startswith(theirs):
        return path, data
    if theirs.startswith(data):
        return path, theirs
    fork = f"{path.removesuffix('.jsonl')}-{_parting(theirs, data)}.jsonl"
    return _grown(fork, data, read, has) if has(fork) else (fork, data)


def _parting(theirs: bytes, ours: bytes) -> str:
    """Names the first line of ours that is not theirs: the same however much either has grown since."""
    pairs = zip_longest(ours.split(b"\n"), theirs.split(b"\n"))
    return hashlib.sha256(next(line or b"" for line, other in pairs if line != other)).hexdigest()[:8]


def union(theirs: bytes, ours: bytes) -> bytes:
    """Their lines as they are, then those of ours that they lack."""
    known = set(theirs.split(b"\n"))
    new = dict.fromkeys(line for line in ours.split(b"\n") if line.strip() and line not in known)
    return theirs + (b"" if theirs.endswith(b"\n") or not theirs else b"\n") + b"".join(line + b"\n" for line in new)
