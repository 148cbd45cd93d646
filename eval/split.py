"""train / val / sealed / audit by clusters of near-duplicate documents, so that val does not measure memory.

Real text repeats itself: release notes quote each other, pages share whole sections. Splitting Django's documentation by document
hash leaves 1.8 to 6.1 % (ten salts) of val's 20-word shingles standing in train: memory would score as modelling. So:

1. every document becomes its set of 20-word shingles (hashed);
2. documents that share more than `threshold` shingles are joined; joined documents stay on one side;
3. the clusters, in an order fixed by a hash of their content, fill val, then sealed, then audit (text that steers nothing: the gap
   audit's control, `eval.audit`); the rest is train;
4. the overlap of the result is *measured*, and the threshold halved until it is below LIMIT. At threshold 0 no document shares a
   shingle with another cluster, so the loop ends; starting high keeps clusters small and val a fair sample of the whole.

The index is exact up to MAX_SHINGLES (0.8 GB at work); beyond, shingles are sampled by hash value (`hash % 2^k == 0`), which
samples the same ones in every document, so shared counts and overlaps stay unbiased. Only numpy and the standard library.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from eval.crew import hands, spread
from eval.errors import RefereeError
from eval.shingles import Numbers, shingles
from eval.shingles import shingle_hashes as shingle_hashes
from eval.store import Batches, Documents

FRACTION = 0.06  # of all bytes, at most, for val and again for sealed
AUDIT_FRACTION = 0.03  # half of that: a quarter of val's scored tokens is read from it
LIMIT = 0.0025  # highest overlap accepted, half of what DESIGN 5 promises
THRESHOLDS = (64, 32, 16, 8, 4, 2, 1, 0)  # shared shingles that do not yet join two documents
MAX_SHINGLES = 1 << 25
BYTES_PER_WORD = 6  # English, with its space; only decides when sampling begins
REACH = 16  # a shingle of k documents links each to its next 16: a chain when k is more, so the pairs stay linear
AT_ONCE = 256  # documents whose shingles are worked out together where no batches are given
SPLITS = ("train", "val", "sealed", "audit")
TRAIN, VAL, SEALED, AUDIT = range(4)
SHARES = {VAL: FRACTION, SEALED: FRACTION, AUDIT: AUDIT_FRACTION}  # in the order in which they are filled


@dataclass
class Index:
    """Sorted by hash: `hashes` uint64 (E,) and `owners` int32 (E,), one entry per distinct shingle and document; 1 of `every` kept."""

    hashes: np.ndarray
    owners: np.ndarray
    documents: int
    every: int = 1


def sampling(total_bytes: int) -> int:
    """Of how many shingles one is kept."""
    every = 1
    while total_bytes / BYTES_PER_WORD / every > MAX_SHINGLES:
        every *= 2
    return every


def sampled(texts: Iterable[str], numbers: Numbers, every: int) -> tuple[np.ndarray, np.ndarray]:
    """The kept shingles of some documents: uint64 (S,), and how many each has: int64 (documents,)."""
    hashes, counts = shingles(texts, numbers)
    kept = hashes % np.uint64(every) == 0
    return hashes[kept], np.bincount(np.repeat(np.arange(len(counts)), counts)[kept], minlength=len(counts))


class Shingled:
    """A job of `eval.crew`: the kept shingles of the documents that were saved as `name`, as `packed` writes them."""

    def __init__(self, folder: Path, name: str, every: int):
        self.batches, self.every, self.numbers = Batches(folder, name), every, Numbers()

    def __call__(self, task: int) -> bytes:
        hashes, counts = sampled(self.batches.texts(task), self.numbers, self.every)
        return len(counts).to_bytes(8, "little") + counts.tobytes() + hashes.tobytes()


def unpacked(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    documents = int.from_bytes(data[:8], "little")
    return np.frombuffer(data, np.uint64, offset=8 + 8 * documents), np.frombuffer(data, np.int64, documents, offset=8)


def index_of(documents: Documents, numbers: np.ndarray) -> Index:
    """The shingles of the documents `numbers`, which it counts from 0. All cores."""
    total = int(documents.sizes[numbers].sum())
    every, tasks = sampling(total), documents.save("shingled", numbers)
    arguments = {"name": "shingled", "every": every}
    return gathered(map(unpacked, spread("eval.split:Shingled", documents.folder, arguments, tasks, hands(total))), every)


def build_index(texts: Iterable[str], total_bytes: int) -> Index:
    """The same for documents in memory."""
    every, numbers, texts = sampling(total_bytes), Numbers(), iter(texts)
    return gathered((sampled(some, numbers, every) for some in iter(lambda: list(islice(texts, AT_ONCE)), [])), every)


def gathered(parts: Iterator[tuple[np.ndarray, np.ndarray]], every: int) -> Index:
    """Memory: 12 bytes an entry, about three times that while sorting."""
    found, counts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for hashes, count in parts:
        found.append(hashes)
        counts.append(count)
    hashes, sizes = np.concatenate(found), np.concatenate(counts)
    found.clear()
    owners = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    order = np.argsort(hashes, kind="stable")
    hashes, owners = hashes[order], owners[order]
    once = np.ones(len(hashes), dtype=bool)  # owners ascend within a hash, so what a document says twice stands side by side
    once[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    return Index(hashes[once], owners[once], len(sizes), every)


def shared_counts(index: Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of documents and how many shingles they share: int64 (P,), (P,), (P,), the last scaled up where shingles are sampled."""
    codes, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for step in range(1, REACH + 1):
        same = index.hashes[step:] == index.hashes[:-step]
        if not same.any():
            break
        # owners ascend within a hash (the sort is stable), so a pair has one code
        code = index.owners[:-step][same].astype(np.int64) * index.documents + index.owners[step:][same]
        merged, where = np.unique(np.concatenate([codes, code]), return_inverse=True)
        weights = np.concatenate([counts, np.ones(len(code), np.int64)])
        codes, counts = merged, np.bincount(where, weights=weights).astype(np.int64)
    return codes // max(index.documents, 1), codes % max(index.documents, 1), counts * index.every


def components(documents: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """int64 (documents,): for each document the lowest number in its connected component (minimum-label propagation)."""
    labels = np.arange(documents)
    while True:
        lowest = np.minimum(labels[left], labels[right])
        joined = labels.copy()
        np.minimum.at(joined, left, lowest)
        np.minimum.at(joined, right, lowest)
        joined = joined[joined]  # pointer jumping: halves the distance to the root
        if (joined == labels).all():
            return labels
        labels = joined


def assign(labels: np.ndarray, sizes: np.ndarray, digests: list[bytes], shares: dict[int, float]) -> np.ndarray:
    """int8 (documents,): a split of `shares`, or TRAIN for the rest. Clusters come in the order of a hash of their first document's
    content hash (not of that hash itself: the lowest of many is low, and big clusters would come first)."""
    total = int(sizes.sum())
    cluster_bytes = np.bincount(labels, weights=sizes, minlength=len(labels)).astype(np.int64)
    clusters = sorted(np.unique(labels).tolist(), key=lambda label: hashlib.blake2b(digests[label], digest_size=16).digest())
    most = int(total * max(shares.values()))
    side = np.zeros(len(labels), dtype=np.int8)
    for split, share in shares.items():
        filled, wanted = 0, int(total * share)
        # First clusters of at most a quarter of the split, so that no single topic is the exam; then, in a small corpus, whatever fits;
        # for audit at last a document that would fit val, so that audit asks for no smaller documents than val does.
        for largest, room in ((wanted // 4, wanted), (wanted, wanted), (most, most)):
            for cluster in clusters if filled < wanted // 2 else ():
                size = cluster_bytes[cluster]
                if side[cluster] == TRAIN and size <= largest and filled + size <= room:
                    side[cluster] = split
                    filled += size
    return side[labels]


def overlap(index: Index, side: np.ndarray, splits: Collection[int] = range(4)) -> float:
    """The highest share of a held-out split's distinct shingles that stand in another one of `splits`."""
    if not len(index.hashes):
        return 0.0
    shingle = np.append(0, np.cumsum(index.hashes[1:] != index.hashes[:-1]))  # entry -> number of its distinct shingle
    present = np.zeros((len(SPLITS), shingle[-1] + 1), dtype=bool)
    present[side[index.owners], shingle] = True
    pairs = [(held, other) for held in SHARES for other in splits if other != held]
    return max(float((present[a] & present[b]).sum() / max(present[a].sum(), 1)) for a, b in pairs)


def split(texts: Iterable[str], sizes: np.ndarray, digests: list[bytes]) -> tuple[np.ndarray, dict]:
    """`divide` for documents in memory."""
    return divide(build_index(texts, int(sizes.sum())), sizes, digests)


def divide(index: Index, sizes: np.ndarray, digests: list[bytes]) -> tuple[np.ndarray, dict]:
    """Which split each document belongs to: int8 (documents,) of TRAIN, VAL, SEALED, AUDIT, and facts for meta.json.

    `sizes` int64 (documents,) UTF-8 bytes; `digests` the documents' content hashes, ascending, so that the result depends on content
    alone. Equal documents must be gone already. RefereeError when there are too few independent documents to fill val, sealed and audit."""
    side, facts = clustered(index, sizes, digests, SHARES)
    if not filled(side, sizes, SHARES):
        raise RefereeError(
            f"the corpus cannot be split: of its {index.documents} different documents {facts['clusters']} are independent, and val "
            f"and sealed need about {FRACTION:.0%} of the text each, audit {AUDIT_FRACTION:.0%}, in whole documents; "
            "add documents, or cut long files into documents"
        )
    return side, facts


def clustered(
    index: Index,
    sizes: np.ndarray,
    digests: list[bytes],
    shares: dict[int, float],
    splits: Collection[int] = range(4),
    thresholds: Sequence[int] = THRESHOLDS,
) -> tuple[np.ndarray, dict]:
    """Whole clusters fill `shares`, made larger until the overlap between `splits` is below LIMIT."""
    assert index.documents == len(sizes) == len(digests), "one text, one size and one digest per document"
    left, right, shared = shared_counts(index)
    for threshold in thresholds:
        labels = components(index.documents, left[shared > threshold], right[shared > threshold])
        side = assign(labels, sizes, digests, shares)
        found = overlap(index, side, splits)
        if found <= LIMIT:
            break
    return side, {"clusters": len(np.unique(labels)), "threshold": threshold, "overlap": round(found, 6), "sampled": index.every}


def filled(side: np.ndarray, sizes: np.ndarray, shares: dict[int, float]) -> bool:
    """Whether every held-out split got at least half of its share."""
    return all(sizes[side == held].sum() >= int(sizes.sum() * share) // 2 for held, share in shares.items())
