"""From logits to bits: the private copy of what a worker computed, its log-softmax (float32) and the bits of the targets.

On a CPU this is numpy: the referee then never imports torch, which would cost each measurement 1.3 CPU seconds.
"""

import math

import numpy as np

from eval.errors import Failed
from eval.wire import read_into

CHUNK_BYTES = 1 << 20  # private copy scored at once: in the second-level cache a block takes 5.0 ms, copied whole 6.3 ms
ITEM = {"float32": 4, "bfloat16": 2, "float16": 2}


def reader(vocab: int, device: str) -> "CpuReader | DeviceReader":
    """The one for `device`."""
    return CpuReader(vocab) if device == "cpu" else DeviceReader(vocab, device)


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
