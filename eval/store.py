"""The documents of a corpus that is being prepared: written once, named by their content, read in the order of its hashes.

Equal documents are one document, and neither file names nor their order decide anything.
"""

import hashlib
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eval.errors import RefereeError

LEAST_BYTES = 64 * 1024  # of text; below, val would hold a page


def hash_of(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()[:16]


def distinct(hashes: bytes | bytearray) -> np.ndarray:
    """int64: numbers of the documents in the order of their 16-byte content hashes, one for each hash."""
    pairs = np.frombuffer(bytes(hashes), dtype=">u8").reshape(-1, 2)
    order = np.lexsort((np.arange(len(pairs)), pairs[:, 1], pairs[:, 0]))
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (pairs[order[1:]] != pairs[order[:-1]]).any(axis=1)
    return order[fresh]


def content_of(hashes: bytes | bytearray) -> str:
    """One hash for a set of documents: independent of their order, of their names, and of copies."""
    table = np.frombuffer(bytes(hashes), dtype="V16")
    return hashlib.sha256(table[distinct(hashes)].tobytes()).hexdigest()


class Store:
    """The documents in one file of the build folder, readable by number in the order of their content hashes; copies dropped.

    A corpus may be larger than memory, and its order must not depend on file names: so the text is written once, then mapped."""

    def __init__(self, built: Path, texts: Iterator[str]):
        self.path = built / "documents"
        starts, hashes, end = array("q"), bytearray(), 0
        with open(self.path, "wb") as file:
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
        self.copies = len(starts) - len(order)
        self.digests = np.frombuffer(bytes(hashes), dtype="V16")[order]
        self.starts = np.array(starts, dtype=np.int64)[order]
        self.sizes = np.diff(np.append(np.array(starts, dtype=np.int64), end))[order]
        self.map = np.memmap(self.path, dtype=np.uint8, mode="r")

    def text(self, number: int) -> str:
        start = self.starts[number]
        return self.map[start : start + self.sizes[number]].tobytes().decode("utf-8")

    def texts(self, numbers) -> Iterator[str]:
        return (self.text(number) for number in numbers)
