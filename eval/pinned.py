"""The split of a corpus with a pinned validation shard: val, sealed and audit come from that shard, train from the others.

So the exam stays the same however many training shards a run takes, as upstream has it (karpathy/autoresearch, `prepare.py`: the last
shard is for validation). Within the pinned shard the rule is that of every corpus (`eval.split`): clusters of near-duplicates stay on
one side, and the overlap is measured. Then every training document is looked up in the exam: those that share more than a threshold of
20-word shingles with it are dropped, and the threshold falls until less than LIMIT of any held-out split stands in what is left. What
of the pinned shard is in no split (a cluster too large to be an exam) is dropped too, never trained on.

Memory goes with the pinned shard, not with the corpus: the training text passes by, on all cores.
"""

from pathlib import Path

import numpy as np

from eval.crew import hands, spread
from eval.errors import RefereeError
from eval.shingles import Numbers
from eval.split import AUDIT, LIMIT, SEALED, THRESHOLDS, TRAIN, VAL, Index, clustered, filled, index_of, sampled
from eval.store import Batches, Documents

SHARES = {VAL: 0.4, SEALED: 0.4, AUDIT: 0.2}  # of the pinned text: of a climbmix shard val is 24 million tokens; upstream scores 21 million
DROPPED = -1
SLOTS = 1 << 27  # of the first, coarse look into the exam: bytes


def split(documents: Documents, digests: list[bytes], pinned: np.ndarray) -> tuple[np.ndarray, dict]:
    """int8 (documents,): TRAIN, VAL, SEALED, AUDIT or DROPPED, and facts for meta.json. `pinned` bool (documents,): of the pinned shard.

    RefereeError when the pinned documents cannot fill the three splits, or no training document is left."""
    held = np.flatnonzero(pinned)
    index, about = index_of(documents, held), (documents.sizes[held], [digests[number] for number in held], SHARES, tuple(SHARES))
    exam, facts = clustered(index, *about)
    if not filled(exam, documents.sizes[held], SHARES):
        exam, facts = thinned(index, *clustered(index, *about, THRESHOLDS[:1]))
    if not filled(exam, documents.sizes[held], SHARES):
        what = f"its {len(held)} documents are {facts['clusters']} independent ones"
        raise RefereeError(f"the pinned shard cannot be split into val, sealed and audit: {what}; fetch it again")
    side = np.full(len(documents.sizes), DROPPED, dtype=np.int8)
    side[held] = np.where(exam == TRAIN, DROPPED, exam)
    train = np.flatnonzero(~pinned)
    keep, found = apart(documents, train, index, exam)
    side[train[keep]] = TRAIN
    if not keep.any():
        raise RefereeError("no training document is left: all of them share text with the pinned shard")
    dropped = documents.sizes[side == DROPPED]
    facts |= {"overlap": max(facts["overlap"], round(found, 6)), "dropped": len(dropped), "dropped_bytes": int(dropped.sum())}
    return side, facts


def thinned(index: Index, exam: np.ndarray, facts: dict) -> tuple[np.ndarray, dict]:
    """Where all quote all, clusters are too large to be moved as a whole: of each split goes what says anything that stands in a split
    before it. There are documents enough."""
    exam = exam.copy()
    for later, earlier in ((SEALED, (VAL,)), (AUDIT, (VAL, SEALED))):
        before = np.unique(index.hashes[np.isin(exam[index.owners], earlier)])
        quoting = np.unique(index.owners[np.isin(index.hashes, before)])
        exam[quoting[exam[quoting] == later]] = TRAIN
    return exam, facts | {"overlap": 0.0}


def apart(documents: Documents, train: np.ndarray, index: Index, exam: np.ndarray) -> tuple[np.ndarray, float]:
    """Which documents of `train` may stay, bool, and the overlap that is left. `exam` int8: the split of each of the index's documents."""
    used = exam[index.owners] != TRAIN
    hashes, owners = index.hashes[used], index.owners[used]
    first = np.ones(len(hashes), dtype=bool)
    first[1:] = hashes[1:] != hashes[:-1]
    shingle = np.cumsum(first) - 1  # entry -> number of its distinct shingle
    np.save(documents.folder / "exam.npy", hashes[first])
    among = {split: np.zeros(int(first.sum()), dtype=bool) for split in SHARES}
    for split, there in among.items():
        there[shingle[exam[owners] == split]] = True

    shared, who, what = looked_up(documents, train, index.every)
    for threshold in THRESHOLDS:
        keep = shared <= threshold
        seen = np.zeros(int(first.sum()), dtype=bool)
        seen[what[keep[who]]] = True
        found = max(float((there & seen).sum() / max(there.sum(), 1)) for there in among.values())
        if found <= LIMIT:
            break
    return keep, found


def looked_up(documents: Documents, train: np.ndarray, every: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many shingles of the exam each document of `train` has, int64; and which document has which, int64 (pairs,) twice.

    Without the pairs of documents that have too many at any threshold: a corpus that is full of copies must not fill the memory."""
    tasks, total = documents.save("train", train), int(documents.sizes[train].sum())
    shared, pairs, begun = np.zeros(len(train), np.int64), [np.zeros((2, 0), np.int64)], 0
    for data in spread("eval.pinned:Lookup", documents.folder, {"name": "train", "every": every}, tasks, hands(total)):
        count = int.from_bytes(data[:8], "little")
        shared[begun : begun + count] = np.frombuffer(data, np.int64, count, offset=8)
        found = np.frombuffer(data, np.int64, offset=8 + 8 * count).reshape(2, -1)
        pairs.append(found + [[begun], [0]])
        begun += count
    who, what = np.concatenate(pairs, axis=1)
    return shared, who, what


class Lookup:
    """A job of `eval.crew`: which shingles of the exam the documents that were saved as `name` have."""

    def __init__(self, folder: Path, name: str, every: int):
        self.batches, self.every, self.numbers = Batches(folder, name), every, Numbers()
        self.exam = np.load(folder / "exam.npy", mmap_mode="r")  # uint64, ascending
        # One byte looked up at random instead of a search through the whole exam, for all but the few that may be in it.
        self.shift = np.uint64(64 - max(1, min(SLOTS, 4 * len(self.exam)).bit_length() - 1))
        self.maybe = np.zeros(1 << (64 - int(self.shift)), dtype=bool)
        self.maybe[self.exam >> self.shift] = True

    def __call__(self, task: int) -> bytes:
        hashes, counts = sampled(self.batches.texts(task), self.numbers, self.every)
        who = np.repeat(np.arange(len(counts)), counts)
        some = self.maybe[hashes >> self.shift]
        who, hashes = who[some], hashes[some]
        what = np.minimum(np.searchsorted(self.exam, hashes), len(self.exam) - 1)
        hit = self.exam[what] == hashes
        size = max(len(self.exam), 1)
        who, what = np.divmod(np.unique(who[hit] * size + what[hit]), size)  # once for each document, however often it says it
        shared = np.bincount(who, minlength=len(counts)) * self.every
        few = shared[who] <= THRESHOLDS[0]
        pairs = np.stack([who[few], what[few]])
        return len(counts).to_bytes(8, "little") + shared.astype(np.int64).tobytes() + pairs.astype(np.int64).tobytes()
