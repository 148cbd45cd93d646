"""The metric's arithmetic: bits, rows, number formats."""

import math
import os

import numpy as np
import pytest
import torch

from eval.errors import Failed, RefereeError
from eval.readers import CpuReader, DeviceReader, bits_of
from eval.score import LIGHT_SHARE, Worker, block_rows, check, windows
from eval.wire import Breach, memory_file

VOCAB = 300


@pytest.fixture
def block():
    rng = np.random.default_rng(1)
    return torch.from_numpy(rng.normal(0, 8, (700, VOCAB)).astype(np.float32)), rng.integers(VOCAB, size=700)


def reference(logits: torch.Tensor, targets: np.ndarray) -> np.ndarray:
    return torch.nn.functional.cross_entropy(logits.double(), torch.from_numpy(targets), reduction="none").numpy() / math.log(2)


def test_bits_match_float64(block):
    logits, targets = block
    np.testing.assert_allclose(bits_of(logits.numpy().copy(), targets), reference(logits, targets), rtol=1e-5, atol=1e-5)


def test_total_bits_match_to_a_millionth(block):
    logits, targets = block
    assert bits_of(logits.numpy().copy(), targets).sum() == pytest.approx(reference(logits, targets).sum(), rel=1e-7)


def test_adding_a_constant_gains_nothing(block):
    logits, targets = block
    plain = bits_of(logits.numpy().copy(), targets).sum()
    assert bits_of((logits + 100).numpy(), targets).sum() == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("value, word", [(math.nan, "NaN"), (math.inf, "infinite"), (-math.inf, "infinite")])
def test_one_bad_logit_fails(block, value, word):
    logits, targets = block
    logits[-1, -1] = value
    with pytest.raises(Failed, match=word) as caught:
        bits_of(logits.numpy(), targets)
    assert caught.value.outcome == "crash"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reader", [CpuReader(VOCAB), DeviceReader(VOCAB, "cpu")], ids=["numpy", "torch"])
def test_both_readers_read_every_format(block, dtype, reader):
    logits, targets = block
    logits, fd, offset = logits.to(dtype), memory_file("test"), 4096
    os.pwrite(fd, logits.view(torch.uint8).numpy().tobytes(), offset)
    got = reader.bits(fd, offset, str(dtype).removeprefix("torch."), targets)
    os.close(fd)
    np.testing.assert_allclose(got, reference(logits, targets), rtol=1e-5, atol=1e-5)


def test_chunks_do_not_change_the_result(block):
    logits, targets = block
    fd, small, large = memory_file("test"), CpuReader(VOCAB), CpuReader(VOCAB)
    os.pwrite(fd, logits.numpy().tobytes(), 0)
    small.rows = 9
    np.testing.assert_array_equal(small.bits(fd, 0, "float32", targets), large.bits(fd, 0, "float32", targets))
    os.close(fd)


@pytest.mark.parametrize("count, length, tokens", [(1000, 10, 900), (33, 32, 32), (131_000, 256, 32_768), (6_000, 32, 1_024)])
def test_rows_are_inside_apart_and_spread(count, length, tokens):
    starts = windows(count, length, tokens)
    assert len(starts) == tokens // length and starts[0] == 0
    assert (np.diff(starts) > length).all()  # no target of a row is in another row
    assert starts[-1] + length + 1 == count or len(starts) == 1


@pytest.mark.parametrize("count, length, tokens", [(1000, 10, 910), (1000, 10, 9)])
def test_too_many_or_too_few_tokens_name_the_range(count, length, tokens):
    with pytest.raises(RefereeError, match="set eval_tokens between 10 and 900"):
        windows(count, length, tokens)


def test_wrong_shape_says_expected_and_got():
    with pytest.raises(Failed, match=r"\(2, 3, 4\).*\(2, 3, 5\)"):
        check({"shape": [2, 3, 4], "dtype": "float32"}, (2, 3, 5))


def test_unknown_dtype_is_refused():
    with pytest.raises(Failed, match="dtype"):
        check({"shape": [2], "dtype": "int64"}, (2,))


def test_an_answer_repeats_no_words_of_the_worker():
    for answer in ({"shape": "the text", "dtype": "float32"}, {"shape": [2, 3, 4], "dtype": "the text"}, {"shape": [1 << 60], "dtype": 1}):
        with pytest.raises(Failed) as caught:
            check(answer, (2, 3, 4))
        assert "text" not in caught.value.reason and str(1 << 60) not in caught.value.reason


@pytest.mark.parametrize("saw_text", [False, True])
def test_a_breach_is_quoted_until_the_worker_has_seen_text(saw_text):
    worker = Worker(None, None, 0, 0)
    worker.saw_text = saw_text
    assert ("the text" in worker.broken(Breach("it sent 'the text'")).reason) != saw_text


@pytest.mark.parametrize("rows", [20, 32, 39, 128, 129, 1000, 4096])
def test_a_block_is_at_most_five_percent_of_the_rows(rows):
    size = block_rows(rows, 256, 2048, "cpu")
    assert 1 <= size <= LIGHT_SHARE * rows
    assert -(-rows // size) * size - rows < size  # and no block is all repeats


def test_a_tiny_evaluation_has_blocks_of_one_row():
    assert block_rows(5, 32, 64, "cpu") == 1


def test_blocks_fit_the_memory_allowed():
    assert block_rows(1 << 20, 256, 2048, "cpu") * 256 * 2048 * 4 <= 16 << 20
