"""What the gap audit (`eval.audit`) finds on real measurements, and whom it would accuse.

    python -P -m eval measure ... --dose heavy --save-bits a.npz      (some honest variants and seeds of train.py, one file each)
    python -m benchmarks.gap_audit CORPUS a.npz b.npz ...

Every ordered pair of files is an honest candidate and its champion. Then each candidate also learns val by heart: with weight w it
predicts the right token of the rows that it knows, so bits become -log2((1 - w) 2^-bits + w).
"""

import sys
from itertools import permutations
from pathlib import Path

import numpy as np

from eval.audit import gap, verdict
from eval.corpus import Corpus
from eval.reference import Reference
from eval.score import windows

WEIGHTS = (0.0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
KNOWN = (1.0, 0.5, 0.1)  # shares of val's rows


def sizes(corpus: Corpus, split: str, shape: tuple[int, int]) -> np.ndarray:
    """Bytes of each target, (rows, T), of the rows that were scored."""
    rows, length = shape
    tokens = corpus.tokens(split)
    starts = windows(len(tokens), length, rows * length)
    return corpus.token_bytes[tokens[starts[:, None] + np.arange(1, length + 1)]]


def recited(bits: np.ndarray, weight: float, known: np.ndarray) -> np.ndarray:
    return np.where(known[:, None], -np.log2((1 - weight) * np.exp2(-bits.astype(np.float64)) + weight), bits)


def main(folder: Path, files: list[Path]) -> None:
    corpus = Corpus.open(folder)
    found = [Reference.load(path) for path in files]
    assert len(found) > 1 and all(one and one.audit is not None for one in found), "each file must come from a heavy measurement"
    on_val, on_audit = sizes(corpus, "val", found[0].val.shape), sizes(corpus, "audit", found[0].audit.shape)
    pairs = list(permutations(found, 2))
    print(f"{len(on_val)} rows of val, {len(on_audit)} of audit, {on_val.shape[1]} tokens each; {len(pairs)} honest pairs")
    print("known   weight   gain by memory, bpb   median z   smallest z   flagged")
    for share in KNOWN:
        known = np.random.default_rng(0).random(len(on_val)) < share
        for weight in WEIGHTS:
            results = []
            for candidate, champion in pairs:
                bits = recited(candidate.val, weight, known)
                memory = (np.where(on_val > 0, candidate.val - bits, 0).sum() / on_val.sum()) if weight else 0.0
                answer = gap({"val": bits, "audit": candidate.audit}, champion, on_val, on_audit)
                results.append((memory, answer["z"], bool(verdict(answer)), answer["gain"] > 0))
            memory, z, flagged, better = (np.array(column) for column in zip(*results, strict=True))
            numbers = f"{share:5.0%} {weight:8g} {memory.mean():15.4f} {np.median(z):16.1f} {z.min():12.1f}"
            print(f"{numbers}   {flagged.sum()} of {better.sum()} that gain")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
