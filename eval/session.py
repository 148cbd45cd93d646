"""What a candidate imports: the referee's data, its budget and where to save. The client's end of `eval.training`.

    from eval import session
    for inputs, targets in session.warmup(batch_size): ...   # random tokens, clock not running: compile, smoke-test, save, load
    for inputs, targets in session.batches(batch_size):      # the clock starts with the first one; ends when the budget is spent
        ... loss.backward(); optimizer.step(); session.report(loss=loss)
    save_model(model, session.output / "model.safetensors")  # and config.json beside it; what warm-up saved was removed

Before the loop, where wanted: `rows = session.micro_batch(128, step)` finds the batch that fits, `session.flops(per_token)` lets the result
show how well the device was used.
Attributes: `vocab_size`, `sequence_length` (tokens), `device` ("cpu" | "cuda" | "mps"), `output` (Path), `seed`, `progress` (0..1 of
the budget, as of the last batch; read it as `session.progress`, a copy goes stale).
Outside a measurement (in the worker, in a notebook) the import works and the attributes have defaults; only `batches` needs a referee.
"""

import math
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

# Defaults for a plain import; `attach` puts the measurement's values here.
vocab_size, sequence_length, seed = 2048, 256, 0
output = Path(".")
progress = 0.0
_channel = _memory = _dtype = None  # the referee's socket, its shared memory, the dtype of its tokens
_cache, _files = None, ""  # the folder of what is compiled, None without a referee; digest of the candidate's files
_seeded = _started = False


def best_device() -> str:
    """"cuda", "mps" or "cpu": the first that this machine has."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


device: str = os.environ.get("AUTORESEARCH_DEVICE") or best_device()


def attach(go: dict, channel=None, memory: int | None = None) -> None:
    """Called once by `eval.trainer` and `eval.worker` before candidate code runs: takes over the referee's `go` or `load` message."""
    global vocab_size, sequence_length, seed, output, device, _channel, _memory, _dtype, _cache, _files
    vocab_size, sequence_length, seed, device = go["vocab_size"], go["sequence_length"], go["seed"], go["device"]
    output = Path(go["output"])
    _channel, _memory, _dtype = channel, memory, go.get("dtype")
    _cache, _files = Path(go["cache"]) if go.get("cache") else None, go.get("files", "")


def reseed() -> None:
    """Python, numpy and torch (every device) from the harness's seed, so that what was drawn before cannot matter."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def warmup(batch_size: int, steps: int = 2) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """`steps` pairs of random tokens, int64 (batch_size, sequence_length) on `device`. Works without a referee."""
    _seed_once()
    if _channel is not None:
        _channel.send(op="warmup", rows=int(batch_size))
    generator = torch.Generator().manual_seed(seed)  # its own, so that the global state does not depend on `steps`
    for _ in range(steps):
        rows = torch.randint(vocab_size, (batch_size, sequence_length + 1), generator=generator)
        # contiguous like the real ones: other strides would have torch.compile compile again, on the clock
        yield rows[:, :-1].contiguous().to(device), rows[:, 1:].contiguous().to(device)


def micro_batch(largest: int, step: Callable[[int], None]) -> int:
    """The most rows, `largest` or a half, a quarter, ... of it, that `step(rows)` runs with; to be called before `batches`, off the clock.

    `step` is a whole forward and backward pass (and what else takes memory) with so many rows of `warmup`, and leaves no trace: one that
    runs out of the accelerator's memory is freed and tried with half. One row that does not fit raises what it raised. On a CPU it is
    `step(largest)`, once. The answer is remembered for later runs of the same files. Works without a referee."""
    if type(largest) is not int or largest < 1:
        raise ValueError(f"micro_batch: the largest number of rows must be a whole number of at least 1, not {largest!r}")
    if _started:
        raise RuntimeError("micro_batch comes before session.batches: afterwards the clock runs")
    from eval import ladder

    _seed_once()
    return ladder.fit(largest, step, device, _cache, {"files": _files, "length": sequence_length, "vocab": vocab_size})


def batches(batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(inputs, targets), int64 (batch_size, sequence_length) on `device`, fresh tensors, until the budget is spent.

    RuntimeError outside a measurement; ValueError if the batch is too large for the referee's shared memory."""
    global progress, _started
    if _channel is None:
        raise RuntimeError("session.batches() needs a referee: run `python -m eval measure ...` (or `autoresearch run`)")
    _seed_once()
    while True:
        _channel.send(op="batch", rows=int(batch_size))
        reply = _channel.receive()
        if reply is None:
            raise RuntimeError("the referee is gone")
        if reply["op"] == "refused":
            raise ValueError(reply["reason"])
        if reply["op"] == "stop":
            progress = 1.0
            report_memory()
            return
        if not _started:
            _started = True
            reseed()
        progress = reply["progress"]
        yield _tensors(reply["offset"], batch_size)


def report(loss) -> None:
    """Telemetry, one call per optimizer step: `loss` in nats, a float or a one-element tensor. It is never a score."""
    if _channel is not None:
        _channel.send(op="report", loss=float(loss))


def flops(per_token: float) -> None:
    """Telemetry, once: floating-point operations of the forward and backward pass for one token of training. Never a score; the result's
    `mfu` is computed from it. ValueError for what is no such number."""
    number = float(per_token)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"flops: {per_token!r} is no number of operations")
    if _channel is not None:
        _channel.send(op="flops", per_token=number)


def report_memory() -> None:
    """Tells the referee the accelerator's peak, bytes; on a CPU it measures the tree's resident memory itself."""
    if _channel is not None and device == "cuda":
        _channel.send(op="memory", peak=torch.cuda.max_memory_allocated())
    elif _channel is not None and device == "mps":
        _channel.send(op="memory", peak=torch.mps.driver_allocated_memory())


def _seed_once() -> None:
    global _seeded
    if not _seeded:
        _seeded = True
        reseed()


def _tensors(offset: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Private copies of the rows at byte `offset` of the shared memory."""
    width = sequence_length + 1
    data = os.pread(_memory, rows * width * np.dtype(_dtype).itemsize, offset)
    tokens = torch.from_numpy(np.frombuffer(data, _dtype).reshape(rows, width).astype(np.int64))
    # pinned, so that the copy overlaps what the device still computes
    tokens = tokens.pin_memory().to(device, non_blocking=True) if device == "cuda" else tokens.to(device)
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
