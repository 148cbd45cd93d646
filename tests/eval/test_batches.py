"""The training stream: order fixed by the seed, independent of the batch size, every window once an epoch."""

import ctypes
import mmap
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from eval.batches import Stream

LENGTH = 8
TOKENS = np.arange(1003, dtype=np.uint16)  # a token is its own position, so a row shows where it comes from


def take(seed: int, sizes: list[int]) -> np.ndarray:
    stream, parts = Stream(TOKENS, LENGTH, seed), []
    for size in sizes:
        parts.append(stream.peek(size))
        stream.advance(size)
    return np.concatenate(parts)


def test_rows_are_neighbouring_tokens():
    rows = take(3, [40])
    assert (np.diff(rows.astype(int), axis=1) == 1).all() and rows.shape == (40, LENGTH + 1)


def test_batch_size_does_not_change_the_order():
    np.testing.assert_array_equal(take(3, [1] * 300), take(3, [7, 100, 193]))


def test_seed_changes_the_order():
    assert not np.array_equal(take(3, [20]), take(4, [20]))


def test_every_window_once_an_epoch():
    stream = Stream(TOKENS, LENGTH, 5)
    starts = np.sort(stream.peek(len(stream.starts))[:, 0].astype(int))
    assert (np.diff(starts) == LENGTH).all()
    assert starts[0] < LENGTH and starts[-1] + 2 * LENGTH + 1 > len(TOKENS)


def test_epochs_start_at_different_phases():
    stream = Stream(TOKENS, LENGTH, 5)
    phases = {int(stream._order(epoch).min()) for epoch in range(20)}
    assert len(phases) > 3


def test_peek_runs_over_the_end_of_an_epoch():
    rows = len(Stream(TOKENS, LENGTH, 5).starts)
    np.testing.assert_array_equal(take(5, [3 * rows])[rows - 2 : rows + 2], take(5, [rows - 2, 4])[-4:])


def test_epochs_are_counted():
    stream = Stream(TOKENS, LENGTH, 5)
    stream.advance(len(stream.starts))
    assert stream.epochs == 1.0 and stream.served == len(stream._order(0))


def test_order_is_the_documented_one():
    """Philox words sorted: a change of this order changes every result, so it must never happen by accident."""
    words = np.random.Philox(key=[5, 0])
    phase = int(words.random_raw()) % LENGTH
    order = np.argsort(words.random_raw((len(TOKENS) - 1 - phase) // LENGTH), kind="stable")
    np.testing.assert_array_equal(take(5, [10])[:, 0], phase + LENGTH * order[:10])


def test_too_small_a_split_is_refused():
    with pytest.raises(AssertionError, match="two rows"):
        Stream(TOKENS[:LENGTH], LENGTH, 1)


def mapped(path: Path, tokens: np.ndarray) -> np.ndarray:
    tokens.tofile(path)
    return np.memmap(path, dtype=tokens.dtype, mode="r")


def test_a_mapped_split_is_served_like_one_in_memory(tmp_path):
    stream, parts = Stream(mapped(tmp_path / "train.bin", TOKENS), LENGTH, 3), []
    for size in [7, 100, 193, 60]:  # over two ends of an epoch
        parts.append(stream.peek(size))
        stream.advance(size)
    np.testing.assert_array_equal(np.concatenate(parts), take(3, [360]))


def test_an_epoch_is_sorted_once(monkeypatch):
    sorted_ones, order = [], Stream._order
    monkeypatch.setattr(Stream, "_order", lambda self, epoch: sorted_ones.append(epoch) or order(self, epoch))
    take(3, [50] * 20)
    assert sorted_ones == list(range(9))


def resident(tokens: np.memmap, start: int) -> bool:
    """Whether the page that holds token `start` is in memory."""
    page, state = start * tokens.itemsize // mmap.PAGESIZE * mmap.PAGESIZE, (ctypes.c_ubyte * 1)()
    address = ctypes.c_void_p(tokens.ctypes.data + page)
    assert ctypes.CDLL(None, use_errno=True).mincore(address, ctypes.c_size_t(mmap.PAGESIZE), state) == 0
    return bool(state[0] & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="mincore and posix_fadvise as on Linux")
def test_the_next_batch_is_read_from_the_disk_in_advance(tmp_path):
    tokens = mapped(tmp_path / "train.bin", np.zeros(1 << 25, np.uint16))
    with open(tmp_path / "train.bin", "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    stream = Stream(tokens, 1024, 3)
    upcoming = stream.starts[8:16].tolist()
    if any(resident(tokens, start) for start in upcoming):
        pytest.skip("this file system keeps its files in memory")
    stream.peek(8)
    deadline = time.monotonic() + 10
    while not all(resident(tokens, start) for start in upcoming):
        assert time.monotonic() < deadline, "the candidate would wait for the disk"
        time.sleep(0.01)
