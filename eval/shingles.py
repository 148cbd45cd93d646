"""Shingles: every 20-word window of a document as a 64-bit number, so that copied text is found by looking for equal numbers.

A polynomial in the words' 64-bit blake2b numbers (Python's own hash differs between processes), then splitmix64's finalizer, whose low
bits are good enough to sample by. At 700,000 shingles a collision anywhere has probability 1e-8.
"""

import hashlib
import re
from collections.abc import Iterable

import numpy as np

WORDS = 20  # one shingle; long enough that sharing one is copying, not idiom (Lee et al. 2021, arXiv:2107.06499, use 50 BPE tokens)
KNOWN_WORDS = 1 << 20  # remembered at once, some 200 MB: a large corpus has many more, nearly all of them met once
BASE = np.uint64(0x9E3779B97F4A7C15)
# Scripts without spaces: one character is one word (Thai, Lao, Khmer, kana, Chinese characters and their extensions)
WORD = re.compile(r"[฀-໿ក-៿぀-ヿ㐀-鿿𠀀-𯨟]|[^\s฀-໿ក-៿぀-ヿ㐀-鿿𠀀-𯨟]+")


class Numbers(dict):
    """word -> 64 random bits that depend on the word alone. What it forgets it can work out again."""

    def __missing__(self, word: str) -> int:
        if len(self) >= KNOWN_WORDS:
            self.clear()
        number = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        self[word] = number
        return number


def words_of(text: str) -> list[str]:
    return text.split() if text.isascii() else WORD.findall(text)


def shingle_hashes(text: str, numbers: dict[str, int] | None = None) -> np.ndarray:
    """uint64 (words - 19,): one hash per 20-word window; a shorter document is one shingle, one without words none."""
    return shingles([text], Numbers(numbers or {}))[0]


def shingles(texts: Iterable[str], numbers: Numbers) -> tuple[np.ndarray, np.ndarray]:
    """The shingles of many documents, one after the other: uint64 (S,), and how many each has: int64 (documents,).

    All at once, because documents are short and each call into numpy costs as much as a hundred words."""
    words = [np.fromiter(map(numbers.__getitem__, words_of(text)), np.uint64) for text in texts]
    lengths = np.array([len(ids) for ids in words], dtype=np.int64)
    counts = np.where(lengths >= WORDS, lengths - WORDS + 1, np.minimum(lengths, 1))
    if not counts.any():
        return np.zeros(0, np.uint64), counts
    ids = np.concatenate(words)
    ends = np.cumsum(lengths)
    # The windows that begin in a document and end in it; then the few documents of one short window, each by itself.
    whole = polynomial(ids) if len(ids) >= WORDS else np.zeros(0, np.uint64)
    inside = np.ones(len(whole), dtype=bool)
    for late in range(1, WORDS):  # a window that starts fewer than 20 words before an end runs over it
        over = ends - late
        inside[over[(over >= 0) & (over < len(whole))]] = False
    found = np.empty(int(counts.sum()), dtype=np.uint64)
    short = np.flatnonzero((lengths > 0) & (lengths < WORDS))
    places = (np.cumsum(counts) - counts)[short]
    long = np.ones(len(found), dtype=bool)
    long[places] = False
    found[long] = whole[inside]
    found[places] = [horner(words[number]) for number in short.tolist()]
    return mixed(found), counts


def polynomial(ids: np.ndarray) -> np.ndarray:
    """uint64 (n - 19,): x[i] * b^19 + ... + x[i + 19] modulo 2^64 for every i, by doubling: windows of 2, 4, 8, 16, and 4 more."""
    window, width, power = ids, 1, BASE
    kept = {}
    while width <= 16:
        kept[width] = window, power
        if width < 16:
            window = window[:-width] * power + window[width:]
            with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is intended; arrays wrap silently, scalars warn
                power = power * power
        width *= 2
    (sixteen, _), (four, fourth) = kept[16], kept[4]
    return sixteen[:-4] * fourth + four[16:]


def horner(ids: np.ndarray) -> int:
    """The same polynomial over all of a short document."""
    value = 0
    for number in ids.tolist():
        value = (value * int(BASE) + number) % 2**64
    return value


def mixed(hashes: np.ndarray) -> np.ndarray:
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
