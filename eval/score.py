"""The metric: bits per byte of the split's text under the model, computed by the referee from logits it copied.

The worker gets inputs and returns logits; log-softmax (float32), the targets' bits and the count of bytes (exact UTF-8 bytes of each
token) are ours, so an un-normalized answer changes nothing. On a CPU this is numpy: the referee then never imports torch,
which would cost each measurement 1.3 CPU seconds. Accumulated in float64.
"""

import math
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eval.errors import Failed, RefereeError
from eval.outcome import of_exit
from eval.process import Child
from eval.wire import Breach, Channel, read_into

# Logits of one block, bytes. Small enough to stay in a CPU's cache between worker and referee, large enough to fill a GPU.
BLOCK_BYTES = {"cpu": 16 << 20, "mps": 64 << 20, "cuda": 512 << 20}
CHUNK_BYTES = 1 << 20  # private copy scored at once: in the second-level cache a block takes 5.0 ms, copied whole 6.3 ms
LOAD_SECONDS, BLOCK_SECONDS = 120.0, 60.0  # wall; compiling and a cold GPU included
ITEM = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass
class Score:
    """`bits` and `bytes` over the scored tokens (special tokens have no bytes and are not scored); `per_token`: (rows, T) bits."""

    bits: float
    bytes: int
    tokens: int
    per_token: np.ndarray


def windows(count: int, length: int, eval_tokens: int) -> np.ndarray:
    """Starts of `eval_tokens // length` rows spread evenly over a split of `count` tokens: the same for every seed and candidate.

    Rows are at least length + 1 apart, so each target is scored once and no row's target is another row's input.
    RefereeError if the split is too small."""
    rows = eval_tokens // length
    if rows < 1 or rows * (length + 1) > count:
        most = count // (length + 1) * length
        hint = f"set eval_tokens between {length} and {most}"
        raise RefereeError(f"cannot score {eval_tokens} tokens in rows of {length}: the split holds {count}; {hint}")
    return np.arange(rows, dtype=np.int64) * (count - length - 1) // max(1, rows - 1)


def bits_of(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """-log2 softmax(logits)[target], float64 (n,). `logits`: float32 (n, V), private, overwritten. Failed if any is NaN or infinite."""
    top = logits.max(axis=1, keepdims=True)  # propagates NaN
    if not np.isfinite(top).all() or not math.isfinite(logits.min()):
        what = "NaN" if np.isnan(top).any() else "infinite"
        raise Failed("crash", f"logits are {what} (the run diverged?)")
    chosen = logits[np.arange(len(targets)), targets].astype(np.float64)
    logits -= top
    np.exp(logits, out=logits)
    nats = np.log(logits.sum(axis=1, dtype=np.float32).astype(np.float64)) + top[:, 0] - chosen
    return nats / math.log(2)


class CpuReader:
    """Reads blocks of logits out of the shared memory in chunks and scores each while it is in the cache."""

    def __init__(self, vocab: int):
        self.rows = max(1, CHUNK_BYTES // (4 * vocab))  # tokens at once
        self.floats = np.empty((self.rows, vocab), np.float32)
        self.halves = np.empty((self.rows, vocab), np.uint16)

    def bits(self, fd: int, offset: int, dtype: str, targets: np.ndarray) -> np.ndarray:
        """Bits of `targets` (n,) under the (n, V) logits at byte `offset`; float64 (n,)."""
        out = np.empty(len(targets))
        step = self.floats.shape[1] * ITEM[dtype]
        for start in range(0, len(targets), self.rows):
            part = targets[start : start + self.rows]
            out[start : start + len(part)] = bits_of(self._chunk(fd, offset + start * step, dtype, len(part)), part)
        return out

    def _chunk(self, fd: int, offset: int, dtype: str, rows: int) -> np.ndarray:
        floats, halves = self.floats[:rows], self.halves[:rows]
        read_into(fd, memoryview(floats if dtype == "float32" else halves), offset)
        if dtype == "bfloat16":  # the upper half of a float32
            np.left_shift(halves, 16, out=floats.view(np.uint32), dtype=np.uint32, casting="unsafe")
        elif dtype == "float16":
            floats[:] = halves.view(np.float16)
        return floats


class DeviceReader:
    """The same on an accelerator: the private copy goes to the device and is reduced there."""

    def __init__(self, vocab: int, device: str):
        import torch  # already imported when the trainer said what its device is; by then no candidate code had run

        self.torch, self.vocab, self.device = torch, vocab, device
        self.buffer = torch.empty(0, dtype=torch.uint8)

    def bits(self, fd: int, offset: int, dtype: str, targets: np.ndarray) -> np.ndarray:
        """See CpuReader.bits."""
        torch, size = self.torch, len(targets) * self.vocab * ITEM[dtype]
        if len(self.buffer) < size:
            self.buffer = torch.empty(size, dtype=torch.uint8, pin_memory=self.device == "cuda")
        read_into(fd, memoryview(self.buffer.numpy())[:size], offset)
        logits = self.buffer[:size].view(getattr(torch, dtype)).view(len(targets), self.vocab).to(self.device).float()
        if not bool(torch.isfinite(logits).all()):
            raise Failed("crash", f"logits are {'NaN' if bool(logits.isnan().any()) else 'infinite'} (the run diverged?)")
        chosen = logits.gather(1, torch.from_numpy(targets).to(self.device)[:, None])[:, 0]
        return (torch.logsumexp(logits, 1) - chosen).cpu().numpy().astype(np.float64) / math.log(2)  # mps has no float64


class Worker:
    """The referee's end of a worker process: loads a checkpoint, hands out blocks, takes logits back."""

    def __init__(self, child: Child, channel: Channel, memory: int, oom_before: int):
        self.child, self.channel, self.memory, self.oom_before = child, channel, memory, oom_before

    def expect(self, op: str, seconds: float, doing: str) -> dict:
        """The next message, which must be `op`. Failed on anything else: an error, an end, silence."""
        deadline = time.monotonic() + seconds
        while True:
            select.select([self.channel], [], [], 0.05)
            try:
                messages = self.channel.pending()
            except Breach as breach:
                raise Failed("violation", f"the scoring process broke the protocol: {breach}") from None
            if messages:
                self.channel.lines = messages[1:] + self.channel.lines
                if messages[0]["op"] != op:
                    raise Failed("violation", f"the scoring process sent {messages[0]['op']!r} where {op!r} was due")
                return messages[0]
            if self.channel.closed:
                code = self.child.wait(2.0)
                raise of_exit(code, self.child.log.settle(0.2), self.oom_before, doing)
            if time.monotonic() > deadline:
                raise Failed("timeout", f"{doing} took longer than {seconds:g} s")


def score(
    worker: Worker,
    order: dict,
    tokens: np.ndarray,
    token_bytes: np.ndarray,
    eval_tokens: int,
    notify: Callable[[float], None] = lambda fraction: None,
) -> Score:
    """Scores a checkpoint. `order`: candidate, entry, output, vocab_size, sequence_length, device. `tokens`: the split, 1-D."""
    length, vocab, device = order["sequence_length"], order["vocab_size"], order["device"]
    starts = windows(len(tokens), length, eval_tokens)
    # Every block has the same shape, for a matrix product may round differently at another one: the last is filled up with repeats.
    most = max(1, BLOCK_BYTES[device] // (4 * length * vocab))
    blocks = math.ceil(len(starts) / most)
    rows = math.ceil(len(starts) / blocks)
    inputs_size = -(-rows * length * tokens.itemsize // 4096) * 4096
    logits_size = -(-rows * length * vocab * 4 // 4096) * 4096
    layout = {
        "rows": rows,
        "dtype": str(tokens.dtype),
        "inputs": [0, inputs_size],
        "logits": [2 * inputs_size, 2 * inputs_size + logits_size],
        "size": 2 * (inputs_size + logits_size),
    }
    os.ftruncate(worker.memory, layout["size"])
    worker.channel.send(op="load", seed=0, **order, **layout)
    reader = CpuReader(vocab) if device == "cpu" else DeviceReader(vocab, device)
    texts = tokens[starts[np.arange(blocks * rows) % len(starts)][:, None] + np.arange(length + 1)]

    def hand_out(block: int) -> None:
        if block < blocks:
            inputs = np.ascontiguousarray(texts[block * rows : (block + 1) * rows, :-1])
            os.pwrite(worker.memory, inputs, layout["inputs"][block % 2])
            worker.channel.send(op="block", slot=block % 2)

    worker.expect("loaded", LOAD_SECONDS, "loading the checkpoint")
    hand_out(0)
    hand_out(1)
    per_token = np.empty((blocks * rows, length), np.float64)
    for block in range(blocks):
        answer = worker.expect("logits", BLOCK_SECONDS, "computing logits")
        check(answer, (rows, length, vocab))
        targets = texts[block * rows : (block + 1) * rows, 1:].astype(np.int64)
        try:
            bits = reader.bits(worker.memory, layout["logits"][block % 2], answer["dtype"], targets.ravel())
        except Breach as breach:
            raise Failed("violation", f"the scoring process broke the protocol: {breach}") from None
        per_token[block * rows : (block + 1) * rows] = bits.reshape(rows, length)
        hand_out(block + 2)
        notify((block + 1) / blocks)
    per_token = per_token[: len(starts)]
    size = token_bytes[texts[: len(starts), 1:]]
    return Score(float(per_token[size > 0].sum()), int(size.sum()), int((size > 0).sum()), per_token)


def check(answer: dict, shape: tuple[int, int, int]) -> None:
    """Failed("crash") unless the logits are what load_model promised."""
    found, dtype = answer.get("shape"), answer.get("dtype")  # of the candidate's making: anything that JSON can say
    if found != list(shape):
        found = tuple(found) if isinstance(found, list) else found
        raise Failed("crash", f"the model returned logits of shape {found}, expected (B, T, V) = {shape}")
    if not isinstance(dtype, str) or dtype not in ITEM:
        raise Failed("crash", f"the model returned logits of dtype {dtype}, expected one of {', '.join(ITEM)}")
