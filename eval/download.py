"""Shards from the hub into the cache: resumed, checked, each recorded once. A kill at any instant leaves nothing half.

    <cache>/downloads/climbmix/shard_00000.parquet                  whole, always
                              shard_00000.parquet.json             its record: bytes, sha256, and where they are from
                              shard_00000.parquet.<identity>.part   what there is of it so far
                              lock                                 held while this process downloads; others wait

Proxies, certificates and the token are `eval.hub`'s business.
"""

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import requests

from eval.cache import VARIABLE, explained, locked
from eval.errors import RefereeError
from eval.hub import Hub, Passing, Remote, shown
from eval.shards import Record, beside, folder_of, record_of, sha256, write_record
from eval.sources import Source

ATTEMPTS = 6  # in a row without a byte
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds between them
AT_ONCE = 4  # a single connection to the hub's hosts is often slower than the line
CHUNK = 1 << 16  # bytes; between two, a download can be stopped
TOLD_SECONDS = 15.0  # between two lines about one file
SPARE_BYTES = 1 << 30  # what must be left on the disk: a run needs room too
Notify = Callable[[str], None]


class OutOfReach(RefereeError):
    """The hub does not answer, or not for long enough."""


def fetch(source: Source, shards: int, cache_dir: Path, notify: Notify, room: int = 0, hub: Hub | None = None) -> list[Path]:
    """The files of `shards` training shards and the pinned one, whole and verified. `room`: bytes that the disk must have beside them.

    RefereeError: no way to the hub, no access, wrong bytes, another file than the recorded one, disk full, cache not writable."""
    folder = folder_of(source, cache_dir)
    paths = [folder / file for file in source.files(shards)]
    waiting = f"another process is fetching {source.name}; waiting for it to end"
    with explained(Path(cache_dir)), locked(folder / "lock", lambda: notify(waiting)), pool() as (run, stop):
        job = Job(hub or Hub.of_environment(), source, notify, stop)
        missing = [path for path, whole in zip(paths, run(job.verified, paths), strict=True) if not whole]
        found = run(job.find, missing)
        check_room(folder, [*zip(missing, found, strict=True)], source, room)
        run(job.get, missing, found)
    return paths


@contextmanager
def pool():
    """(run, stop): `run(function, *arguments)` is a `map` on a few threads; `stop` is set, and they end, once the block is left."""
    stop = threading.Event()
    with ThreadPoolExecutor(AT_ONCE, "download") as threads:
        try:
            yield lambda function, *arguments: list(threads.map(function, *arguments)), stop
        finally:
            stop.set()
            threads.shutdown(wait=True, cancel_futures=True)


def check_room(folder: Path, wanted: Iterable[tuple[Path, Remote]], source: Source, room: int) -> None:
    """RefereeError before anything is fetched that would not fit."""
    needed = sum(max(0, (found.size or 0) - size_of(part_of(path, found))) for path, found in wanted) + room + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RefereeError(
            f"{source.name} needs {needed / 1e9:.1f} GB on the disk of {folder}, where {free / 1e9:.1f} GB are free; free some space, "
            f"set {VARIABLE} to a folder on another disk, or take fewer shards, such as `{source.name}:1`"
        )


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def part_of(path: Path, found: Remote) -> Path:
    """Where the bytes go until all are there. Its name says what they are part of, so that two contents are never mixed."""
    return path.with_name(f"{path.name}.{hashlib.sha256((found.identity or 'unknown').encode()).hexdigest()[:16]}.part")


class Job:
    """Downloads for one corpus. Its methods may run on several threads, each on files of its own."""

    def __init__(self, hub: Hub, source: Source, notify: Notify, stop: threading.Event):
        self.hub, self.source, self.notify, self.stop = hub, source, notify, stop

    def verified(self, path: Path) -> bool:
        """Whether the file is whole. A damaged one is removed: the record says what to fetch again. One that a person put there gets its
        record now, if it is the hub's or the hub is out of reach."""
        record = record_of(path)
        if not path.exists():
            return False
        size, digest = path.stat().st_size, sha256(path)
        if not record:
            try:
                found = self.find(path)
            except OutOfReach:
                self.notify(f"the hub is out of reach: {path} is taken as it is")
                found = Remote("", size)
            record = Record(size, found.sha256 or digest, bool(found.sha256), found.url and self.address(path), found.commit)
            write_record(path, record)
        if (size, digest) == (record.bytes, record.sha256):
            return True
        self.notify(f"{path} is damaged and is fetched again")
        path.unlink()
        return False

    def address(self, path: Path) -> str:
        return self.hub.address(self.source.repository, path.name)

    def find(self, path: Path) -> Remote:
        """What the hub says the file is. RefereeError if that is not what was recorded."""
        url = self.address(path)
        found = self.patient(lambda: self.hub.find(url), lambda: 0, url)
        record = record_of(path)
        if record and found.sha256 and found.sha256 != record.sha256:
            raise RefereeError(
                f"{shown(url)} is not the file that was fetched before (its sha256 begins with {found.sha256[:12]}, the recorded one with "
                f"{record.sha256[:12]}), and results on it would not be comparable; to accept it, delete {beside(path)}"
            )
        return found

    def get(self, path: Path, found: Remote) -> None:
        """Fetches one file, records it, gives it its name."""
        url, known, begun = self.address(path), record_of(path), size_of(part_of(path, found))
        size = f" of {found.size / 1e6:,.0f} MB" if found.size else ""
        self.notify(f"fetching {self.source.name}: {path.name}{size}" + (f", from {begun / 1e6:,.0f} MB on" if begun else ""))
        fresh = [found]  # an address is signed for an hour or less, so each attempt asks for another

        def attempt() -> Remote:
            now = fresh.pop() if fresh else self.find(path)
            for other in path.parent.glob(f"{path.name}.*.part"):
                if other != part_of(path, now) or not now.identity:  # of another content, or of nobody knows which
                    other.unlink()
            self.receive(part_of(path, now), now)
            return now

        found = self.patient(attempt, lambda: sum(map(size_of, path.parent.glob(f"{path.name}.*.part"))), url)
        part = part_of(path, found)
        digest, wanted = sha256(part), known.sha256 if known else found.sha256
        if wanted and digest != wanted:
            part.unlink()
            raise RefereeError(f"{shown(url)} came with wrong bytes: sha256 {digest}, expected {wanted}; run again, they were thrown away")
        write_record(path, known or Record(size_of(part), digest, bool(found.sha256), url, found.commit))
        os.replace(part, path)

    def receive(self, part: Path, found: Remote) -> None:
        """Appends to `part` until it is whole. Passing when the connection ends before."""
        begun = size_of(part) if found.identity else 0
        if found.size is not None and begun >= found.size:
            if begun > found.size:
                part.unlink()
                raise Passing("it is shorter than what was fetched")
            return
        with self.hub.read(found, begun) as response:
            resumed = response.status_code == 206
            if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
                raise Passing("it answers with another range than was asked for")
            with open(part, "ab" if resumed else "wb") as file:
                self.copy(response, file, found)
        if found.size is not None and size_of(part) != found.size:
            raise Passing(f"the connection ended after {size_of(part):,} of {found.size:,} bytes")

    def copy(self, response: requests.Response, file: BinaryIO, found: Remote) -> None:
        told = time.monotonic()
        try:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                if self.stop.is_set():
                    raise RefereeError("stopped")
                if time.monotonic() - told > TOLD_SECONDS:
                    told, size = time.monotonic(), f" of {found.size / 1e6:,.0f}" if found.size else ""
                    self.notify(f"{Path(file.name).name.partition('.parquet.')[0]}: {file.tell() / 1e6:,.0f}{size} MB")
        except requests.RequestException as error:
            raise Passing(f"the connection broke off ({type(error).__name__})") from None

    def patient(self, attempt: Callable, progress: Callable[[], int], url: str):
        """`attempt()`, again after a passing fault; RefereeError when it brought no byte ATTEMPTS times in a row."""
        failed, had = 0, progress()
        while True:
            try:
                return attempt()
            except Passing as fault:
                failed, had = (failed + 1, had) if progress() <= had else (1, progress())
                if failed == ATTEMPTS or self.stop.is_set():
                    raise OutOfReach(
                        f"{shown(url)} could not be fetched: {fault}, {failed} times in a row; what is there is kept, run again. Without a "
                        "network: bring the cache folder's `downloads` or `corpora` along, or use your own text with `corpus: path:DIR`"
                    ) from None
                self.stop.wait(max(WAITS[failed - 1], fault.wait))
