"""Brings back from the ledger branch what a state folder lost: a new machine, a wiped disk, an older backup.

The state folder's record only ever grows by it: lines that the branch does not have are never replaced.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bot.errors import AutoresearchError
from bot.ledger import DECODER
from bot.records import Event, Proposal
from bot.report import files

if TYPE_CHECKING:
    from bot.settings import Settings


def bring_back(settings: "Settings", worker: str, paths: Mapping[str, str], contents: Mapping[str, bytes]) -> str:
    """Gives this machine's worker the events and patches of the newest one whose events go on from what the state folder has.

    `paths`: worker -> path of its events; `contents`: path in the branch -> content. Returns what was done, "" for nothing.
    AutoresearchError while a run is using the state folder."""
    from bot.night import exclusive

    ledger, state = files.ledger(settings), files.state(settings)
    _make(ledger.folder / "patches")
    with exclusive(state / "lock"):
        have = ledger.path.read_bytes() if ledger.path.exists() else b""
        longer = {who: contents[path] for who, path in paths.items() if len(contents[path]) > len(have) and contents[path].startswith(have)}
        if not longer:
            return ""
        known = {who: events(data) for who, data in longer.items()}
        newest = max(known, key=lambda who: (max((event.at for event in known[who]), default=0.0), who == worker))
        ids = {event.id for event in known[newest] if isinstance(event, Proposal)}
        patches = {id: data for id in sorted(ids) if (data := patch(contents, settings.name, newest, id)) is not None}
        for id, data in patches.items():
            _put(ledger.patch_path(id), data)
        _put(ledger.path, longer[newest])  # last: a kill before it and all of this is done again
    news = len(known[newest]) - len(events(have))
    return f"brought back {news} events and {len(patches)} patches of worker {newest} from the ledger branch"


def events(data: bytes) -> list[Event]:
    """The readable events of a worker's file; the ledger itself tells about other lines."""
    found = []
    for line in data.split(b"\n"):
        try:
            found.append(DECODER.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found


def patch(contents: Mapping[str, bytes], folder: str, worker: str, id: int) -> bytes | None:
    """A worker's patch: under its own name where another worker had the number first. `folder`: the research's in the branch."""
    names = (f"{id:04d}.{worker}.patch", f"{id:04d}.patch")
    return next((contents[path] for name in names if (path := f"{folder}/patches/{name}") in contents), None)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AutoresearchError(f"cannot create {folder}: {error.strerror}; make it writable or set `state_dir:`") from error


def _put(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise AutoresearchError(f"cannot write {path}: {error.strerror}; free some space and run again, nothing was lost") from error
