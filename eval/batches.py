"""The training stream: which rows a candidate gets, in which order. Fixed by the seed, blind to everything the candidate does.

A row is `sequence_length + 1` neighbouring tokens of the train split (inputs are all but the last, targets all but the first).
Each epoch cuts the split at a random phase, so the windows differ between epochs, and serves every window once in random order.
Row k is the same whatever the batch size: candidates that differ in it see the same text.

A split may be larger than memory: it is mapped, and while a batch is read the disk is told which rows come next.
"""

import mmap

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Stream:
    """Rows of `tokens` (1-D, uint16 or uint32) in order. `peek` looks at the next rows, `advance` moves past them."""

    def __init__(self, tokens: np.ndarray, sequence_length: int, seed: int):
        assert len(tokens) > 2 * sequence_length, "the train split must hold two rows"
        self.tokens, self.length, self.seed = tokens, sequence_length, seed
        self.rows = sliding_window_view(tokens, sequence_length + 1)  # of every start; a view, copied row by row
        self.map = tokens.base if isinstance(tokens.base, mmap.mmap) else None
        self.served = 0  # rows, over all epochs
        self.orders: dict[int, np.ndarray] = {}  # of this epoch and the next: sorting a large one takes a second
        self.epoch, self.position, self.starts = 0, 0, self._order_of(0)

    def _order(self, epoch: int) -> np.ndarray:
        """Start of each window of `epoch`, in serving order. Sorting raw Philox words instead of calling `permutation`: numpy keeps the
        bit generator's output stable across versions, but not what its distributions make of it (NEP 19)."""
        words = np.random.Philox(key=[self.seed, epoch])
        phase = int(words.random_raw()) % self.length
        count = (len(self.tokens) - 1 - phase) // self.length
        return phase + self.length * np.argsort(words.random_raw(count), kind="stable")

    def peek(self, rows: int) -> np.ndarray:
        """The next `rows` rows, (rows, sequence_length + 1), in the tokens' dtype. May run over the end of an epoch."""
        found = self.rows[self._next(rows)]
        self._announce(self.starts[self.position + rows : self.position + 2 * rows])
        return found

    def _next(self, rows: int) -> np.ndarray:
        """Where the next `rows` rows start."""
        starts, epoch, position, missing = [], self.epoch, self.position, rows
        while missing:
            taken = self._order_of(epoch)[position : position + missing]
            starts.append(taken)
            missing -= len(taken)
            epoch, position = epoch + 1, 0
        return np.concatenate(starts)

    def _announce(self, starts: np.ndarray) -> None:
        """Has the rows at `starts` read from the disk while the device works on others: a microsecond a row where they are in memory."""
        if self.map is None:
            return
        size, last = (self.length + 1) * self.tokens.itemsize, len(self.map)
        for start in (starts * self.tokens.itemsize).tolist():
            begin = start - start % mmap.PAGESIZE
            self.map.madvise(mmap.MADV_WILLNEED, begin, min(start + size, last) - begin)

    def _order_of(self, epoch: int) -> np.ndarray:
        if epoch not in self.orders:
            self.orders = {known: order for known, order in self.orders.items() if known >= self.epoch} | {epoch: self._order(epoch)}
        return self.orders[epoch]

    def advance(self, rows: int) -> None:
        self.served += rows
        self.position += rows
        while self.position >= len(self.starts):
            self.position -= len(self.starts)
            self.epoch += 1
            self.starts = self._order_of(self.epoch)

    @property
    def epochs(self) -> float:
        """Passes over the split so far, with the fraction of the current one."""
        return self.epoch + self.position / len(self.starts)
