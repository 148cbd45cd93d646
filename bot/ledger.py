"""The ledger: append-only JSON lines, one per event, from which all state is rebuilt. The only writer of the state folder's record.

`<folder>/<worker>.jsonl` holds the events, `<folder>/patches/<id>.patch` every diff, discards included.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .errors import AutoresearchError
from .records import Event

ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder(Event)


class Ledger:
    def __init__(self, folder: Path, worker: str = "local"):
        self.folder = folder
        self.path = folder / f"{worker}.jsonl"
        self.problems: list[str] = []
        self._writing = threading.Lock()  # a failed write is cut off again, and nothing that another thread wrote meanwhile

    def events(self) -> Iterator[Event]:
        """Every readable event in order. Unreadable lines are skipped and named in `problems`; they stay in the file."""
        self.problems = []
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield DECODER.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    if line.strip():
                        self.problems.append(self._problem(number, line, error))

    def append(self, event: Event) -> None:
        """One write, then fsync: after this returns the event survives a kill and a power cut."""
        with self._writing:
            self._write(self.path, ENCODER.encode(event) + b"\n", append=True)

    def repair(self) -> None:
        """Ends a line that a kill tore, so that the next event starts on its own. Only the lock's holder may call it."""
        if self.path.exists() and self.path.stat().st_size:
            with self.path.open("rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def patch_path(self, id: int) -> Path:
        return self.folder / "patches" / f"{id:04d}.patch"

    def write_patch(self, id: int, text: str) -> None:
        path = self.patch_path(id)
        temporary = path.with_suffix(".tmp")
        self._write(temporary, text.encode(), append=False)
        temporary.replace(path)

    def read_patch(self, id: int) -> str:
        path = self.patch_path(id)
        return path.read_bytes().decode() if path.exists() else ""  # bytes: a patch of a CRLF file holds CRLF

    def _problem(self, number: int, line: bytes, error: Exception) -> str:
        torn = "torn by a kill" if not line.endswith(b"\n") else f"unreadable ({error})"
        return f"{self.path.name} line {number} is {torn}; skipped, what it recorded is measured again where needed"

    def _write(self, path: Path, data: bytes, append: bool) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC), 0o644)
        except OSError as error:
            raise AutoresearchError(f"cannot write {path}: {error.strerror}; nothing was lost, run again once it can be written") from error
        try:
            size = os.fstat(handle).st_size
            try:
                if os.write(handle, data) != len(data):
                    raise OSError(28, "disk full")
                os.fsync(handle)
            except OSError as error:
                os.ftruncate(handle, size)
                text = f"cannot write {path}: {error.strerror}; free some space and run again, nothing was lost"
                raise AutoresearchError(text) from error
        finally:
            os.close(handle)
