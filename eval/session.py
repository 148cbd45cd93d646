"""What a candidate imports: the referee's data, its budget and where to save. The client's end of `eval.training`.

    from eval import session
    for inputs, targets in session.warmup(batch_size): ...   # random tokens, clock not running: compile, smoke-test, save, load
    for inputs, targets in session.batches(batch_size):      # the clock starts with the first one; ends when the budget is spent
        ... loss.backward(); optimizer.step(); session.report(loss=loss)
    save_model(model, session.output / "model.safetensors")  # and config.json beside it; what warm-up saved was removed

Attributes: `vocab_size`, `sequence_length` (tokens), `device` ("cpu" | "cuda" | "mps"), `output` (Path), `seed`, `progress` (0..1 of
the budget, as of the last batch; read it as `session.progress`, a copy goes stale).
Outside a measurement (in the worker, in a notebook) the import works and the attributes have defaults; only `batches` needs a referee.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

# Defaults for a plain import; `attach` puts the measurement's values here.
vocab_size, sequence_length, seed = 2048, 256, 0
output = Path(".")
progress = 0.0
_channel = _memory = _dtype = None  # the referee's socket, its shared memory, the dtype of its tokens
_seeded = _started = False


def best_device() -> str:
    """"cuda", "mps" or "cpu": the first that this machine has."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


device: str = os.environ.get("AUTORESEARCH_DEVICE") or best_device()


def attach(go: dict, channel=None, memory: int | None = None) -> None:
    """Called once by `eval.trainer` and `eval.worker` before candidate code runs: takes over the referee's `go` or `load` message."""
    global vocab_size, sequence_length, seed, output, device, _channel, _memory, _dtype
    vocab_size, sequence_length, seed, device = go["vocab_size"], go["sequence_length"], go["seed"], go["device"]
    output = Path(go["output"])
    _channel, _memory, _dtype = channel, memory, go.get("dtype")


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
