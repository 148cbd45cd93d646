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
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from eval.errors import RefereeError

WORDS = 20  # one shingle; long enough that sharing one is copying, not idiom (Lee et al. 2021, arXiv:2107.06499, use 50 BPE tokens)
FRACTION = 0.06  # of all bytes, at most, for val and again for sealed
AUDIT_FRACTION = 0.03  # half of that: a quarter of val's scored tokens is read from it
LIMIT = 0.0025  # highest overlap accepted, half of what DESIGN 5 promises
THRESHOLDS = (64, 32, 16, 8, 4, 2, 1, 0)  # shared shingles that do not yet join two documents
MAX_SHINGLES = 1 << 25
BYTES_PER_WORD = 6  # English, with its space; only decides when sampling begins
REACH = 16  # a shingle of k documents links each to its next 16: a chain when k is more, so the pairs stay linear
SPLITS = ("train", "val", "sealed", "audit")
TRAIN, VAL, SEALED, AUDIT = range(4)
SHARES = {VAL: FRACTION, SEALED: FRACTION, AUDIT: AUDIT_FRACTION}  # in the order in which they are filled
# Scripts without spaces: one character is one word (Thai, Lao, Khmer, kana, Chinese characters and their extensions)
WORD = re.compile(r"[฀-໿ក-៿぀-ヿ㐀-鿿𠀀-𯨟]|[^\s฀-໿ក-៿぀-ヿ㐀-鿿𠀀-𯨟]+")


@dataclass
class Index:
    """Sorted by hash: `hashes` uint64 (E,) and `owners` int32 (E,), one entry per distinct shingle and document; 1 of `every` kept."""

    hashes: np.ndarray
    owners: np.ndarray
    documents: int
    every: int = 1


def words_of(text: str) -> list[str]:
    return text.split() if text.isascii() else WORD.findall(text)


def build_index(texts: Iterable[str], total_bytes: int) -> Index:
    """The shingles of every document. Memory: 12 bytes an entry, about three times that while sorting, and the vocabulary."""
    every = 1
    while total_bytes / BYTES_PER_WORD / every > MAX_SHINGLES:
        every *= 2
    numbers: dict[str, int] = {}  # word -> 64 random bits
    parts: list[np.ndarray] = []
    sizes: list[int] = []
    for text in texts:
        shingles = np.unique(shingle_hashes(text, numbers))
        shingles = shingles[shingles % np.uint64(every) == 0]
        parts.append(shingles)
        sizes.append(len(shingles))
    hashes = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    owners = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    order = np.argsort(hashes, kind="stable")
    return Index(hashes[order], owners[order], len(sizes), every)


def shingle_hashes(text: str, numbers: dict[str, int]) -> np.ndarray:
    """uint64 (words - 19,): one hash per 20-word window; a shorter document is one shingle. `numbers` caches the words' hashes.

    A polynomial in the words' 64-bit blake2b numbers (Python's own hash differs between processes), then splitmix64's finalizer, whose
    low bits are good enough to sample by. At 700,000 shingles a collision anywhere has probability 1e-8."""
    found = []
    for word in words_of(text):
        number = numbers.get(word)
        if number is None:
            number = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
            numbers[word] = number
        found.append(number)
    ids = np.array(found, dtype=np.uint64)
    width = min(WORDS, len(ids))
    if width == 0:
        return ids
    count = len(ids) - width + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for offset in range(width):  # arithmetic modulo 2^64 is intended; numpy arrays wrap silently
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + ids[offset : offset + count]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


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


def assign(labels: np.ndarray, sizes: np.ndarray, digests: list[bytes]) -> np.ndarray:
    """int8 (documents,): TRAIN, VAL, SEALED or AUDIT. Clusters come in the order of a hash of their first document's content hash (not
    of that hash itself: the lowest of many is low, and big clusters would come first)."""
    total = int(sizes.sum())
    cluster_bytes = np.bincount(labels, weights=sizes, minlength=len(labels)).astype(np.int64)
    clusters = sorted(np.unique(labels).tolist(), key=lambda label: hashlib.blake2b(digests[label], digest_size=16).digest())
    most = int(total * FRACTION)
    side = np.zeros(len(labels), dtype=np.int8)
    for split, share in SHARES.items():
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


def overlap(index: Index, side: np.ndarray) -> float:
    """The highest share of a held-out split's distinct shingles that stand in another split: train, or another held-out one."""
    if not len(index.hashes):
        return 0.0
    shingle = np.append(0, np.cumsum(index.hashes[1:] != index.hashes[:-1]))  # entry -> number of its distinct shingle
    present = np.zeros((len(SPLITS), shingle[-1] + 1), dtype=bool)
    present[side[index.owners], shingle] = True
    pairs = [(held, other) for held in SHARES for other in range(len(SPLITS)) if other != held]
    return max(float((present[a] & present[b]).sum() / max(present[a].sum(), 1)) for a, b in pairs)


def split(texts: Iterable[str], sizes: np.ndarray, digests: list[bytes]) -> tuple[np.ndarray, dict]:
    """Which split each document belongs to: int8 (documents,) of TRAIN, VAL, SEALED, AUDIT, and facts for meta.json.

    `sizes` int64 (documents,) UTF-8 bytes; `digests` the documents' content hashes, ascending, so that the result depends on content
    alone. Equal documents must be gone already. RefereeError when there are too few independent documents to fill val, sealed and audit."""
    index = build_index(texts, int(sizes.sum()))
    assert index.documents == len(sizes) == len(digests), "one text, one size and one digest per document"
    left, right, shared = shared_counts(index)
    for threshold in THRESHOLDS:
        labels = components(index.documents, left[shared > threshold], right[shared > threshold])
        side = assign(labels, sizes, digests)
        found = overlap(index, side)
        if found <= LIMIT:
            break
    if any(sizes[side == held].sum() < int(sizes.sum() * share) // 2 for held, share in SHARES.items()):
        raise RefereeError(
            f"the corpus cannot be split: of its {index.documents} different documents {len(np.unique(labels))} are independent, and val "
            f"and sealed need about {FRACTION:.0%} of the text each, audit {AUDIT_FRACTION:.0%}, in whole documents; "
            "add documents, or cut long files into documents"
        )
    facts = {"clusters": len(np.unique(labels)), "threshold": threshold, "overlap": round(found, 6), "sampled": index.every}
    return side, facts
