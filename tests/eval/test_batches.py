"""The training stream: order fixed by the seed, independent of the batch size, every window once an epoch."""

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
