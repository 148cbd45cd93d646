"""The documents of a corpus that is being prepared: written once, numbered, readable by every process that helps.

Equal documents are one document. Of a folder, neither file names nor their order decide anything: documents are numbered in the order of
their content hashes. The shards of a named corpus are shuffled and pinned by their checksums: their order stays, which is also the
order on the disk.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from eval.errors import RefereeError

LEAST_BYTES = 64 * 1024  # of text; below, val would hold a page
BATCH_BYTES = 1 << 23  # of text: one task of a process that helps


def hash_of(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()[:16]


def distinct(hashes: bytes | bytearray) -> np.ndarray:
    """int64: numbers of the documents in the order of their 16-byte content hashes, the first one for each hash."""
    pairs = np.frombuffer(bytes(hashes), dtype=">u8").reshape(-1, 2)
    order = np.lexsort((np.arange(len(pairs)), pairs[:, 1], pairs[:, 0]))
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (pairs[order[1:]] != pairs[order[:-1]]).any(axis=1)
    return order[fresh]


def content_of(hashes: bytes | bytearray) -> str:
    """One hash for a set of documents: independent of their order, of their names, and of copies."""
    table = np.frombuffer(bytes(hashes), dtype="V16")
    return hashlib.sha256(table[distinct(hashes)].tobytes()).hexdigest()


class Documents:
    """What `Store` wrote into `folder`, opened by number. A corpus may be larger than memory, so the text is mapped."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.starts, self.sizes = np.load(folder / "starts.npy"), np.load(folder / "sizes.npy")  # int64 (documents,), bytes
        self.map = np.memmap(folder / "documents", dtype=np.uint8, mode="r")

    def text(self, number: int) -> str:
        start = self.starts[number]
        return self.map[start : start + self.sizes[number]].tobytes().decode("utf-8")

    def texts(self, numbers: Iterable[int]) -> Iterator[str]:
        return (self.text(number) for number in numbers)

    def save(self, name: str, numbers: np.ndarray) -> int:
        """Leaves `numbers` for a job (`Batches`), in tasks of about BATCH_BYTES of text; how many tasks."""
        ends = np.append(np.flatnonzero(np.diff(np.cumsum(self.sizes[numbers]) // BATCH_BYTES)) + 1, len(numbers))
        np.savez(self.folder / f"{name}.npz", numbers=numbers, ends=ends)
        return len(ends)


class Batches:
    """A job's own view of the documents that were saved as `name`: task -> texts."""

    def __init__(self, folder: Path, name: str):
        self.documents = Documents(folder)
        with np.load(folder / f"{name}.npz") as saved:
            self.pieces = np.split(saved["numbers"], saved["ends"][:-1])

    def texts(self, task: int) -> Iterator[str]:
        return self.documents.texts(self.pieces[task])


class Store(Documents):
    """Writes the documents into `folder`, copies dropped. `digests` V16 (documents,): their content hashes.

    `shuffled`: they come in an order that is content already, and keep it."""

    def __init__(self, folder: Path, texts: Iterator[str], shuffled: bool = False):
        starts, hashes, end = array("q"), bytearray(), 0
        folder.mkdir(exist_ok=True)
        with open(folder / "documents", "wb") as file:
            for text in texts:
                raw = text.encode("utf-8")
                file.write(raw)
                starts.append(end)
                hashes += hash_of(raw)
                end += len(raw)
        if end < LEAST_BYTES:
            raise RefereeError(
                f"the corpus holds {end} bytes of readable text in {len(starts)} documents, at least {LEAST_BYTES} are needed; add text"
            )
        order = distinct(hashes)
        if shuffled:
            order.sort()
        self.order = order  # int64 (documents,): which of `texts` each one was
        self.copies = len(starts) - len(order)
        self.digests = np.frombuffer(bytes(hashes), dtype="V16")[order]
        np.save(folder / "starts.npy", np.array(starts, dtype=np.int64)[order])
        np.save(folder / "sizes.npy", np.diff(np.append(np.array(starts, dtype=np.int64), end))[order])
        super().__init__(folder)
