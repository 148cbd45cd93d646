"""The training stream: which rows a candidate gets, in which order. Fixed by the seed, blind to everything the candidate does.

A row is `sequence_length + 1` neighbouring tokens of the train split (inputs are all but the last, targets all but the first).
Each epoch cuts the split at a random phase, so the windows differ between epochs, and serves every window once in random order.
Row k is the same whatever the batch size: candidates that differ in it see the same text.
"""

import numpy as np


class Stream:
    """Rows of `tokens` (1-D, uint16 or uint32) in order. `peek` looks at the next rows, `advance` moves past them."""

    def __init__(self, tokens: np.ndarray, sequence_length: int, seed: int):
        assert len(tokens) > 2 * sequence_length, "the train split must hold two rows"
        self.tokens, self.length, self.seed = tokens, sequence_length, seed
        self.served = 0  # rows, over all epochs
        self.epoch, self.position, self.starts = 0, 0, self._order(0)

    def _order(self, epoch: int) -> np.ndarray:
        """Start of each window of `epoch`, in serving order. Sorting raw Philox words instead of calling `permutation`: numpy keeps the
        bit generator's output stable across versions, but not what its distributions make of it (NEP 19)."""
        words = np.random.Philox(key=[self.seed, epoch])
        phase = int(words.random_raw()) % self.length
        count = (len(self.tokens) - 1 - phase) // self.length
        return phase + self.length * np.argsort(words.random_raw(count), kind="stable")

    def peek(self, rows: int) -> np.ndarray:
        """The next `rows` rows, (rows, sequence_length + 1), in the tokens' dtype. May run over the end of an epoch."""
        starts, epoch, position = [], self.epoch, self.position
        order, missing = self.starts, rows
        while missing:
            taken = order[position : position + missing]
            starts.append(taken)
            missing -= len(taken)
            if missing:
                epoch, position = epoch + 1, 0
                order = self._order(epoch)
        return self.tokens[np.concatenate(starts)[:, None] + np.arange(self.length + 1)]

    def advance(self, rows: int) -> None:
        self.served += rows
        self.position += rows
        while self.position >= len(self.starts):
            self.position -= len(self.starts)
            self.epoch += 1
            self.starts = self._order(self.epoch)

    @property
    def epochs(self) -> float:
        """Passes over the split so far, with the fraction of the current one."""
        return self.epoch + self.position / len(self.starts)
