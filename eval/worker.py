"""The process that runs the trained model: token ids in, logits out. It never holds a target.

    python -P -m eval.worker --socket FD --memory FD        (spawned by eval.measure, never by hand)

Pre-warmed like the trainer: torch is imported before it is told which candidate to import, and that is imported, and rehearsed with what
warm-up saved, before its checkpoint is there: loading and scoring are on the clock. Two slots of shared
memory: it computes block i + 1 while the referee reads block i.
"""

import importlib.util
import mmap
import sys
import traceback
from pathlib import Path

import torch

from eval import session
from eval.wire import Channel, first_order, report_in

TORCH_DTYPES = {"uint16": torch.uint16, "uint32": torch.uint32}
SENT = (torch.float32, torch.bfloat16, torch.float16)  # what the referee reads; other floats are sent as float32


def imported(order: dict):
    """The candidate's module. Its folders go to the end of sys.path, the module is named `candidate`, not `__main__`."""
    entry = Path(order["candidate"]) / order["entry"]
    sys.path += [str(entry.parent), order["candidate"]]
    spec = importlib.util.spec_from_file_location("candidate", entry)
    module = importlib.util.module_from_spec(spec)
    sys.modules["candidate"] = module
    spec.loader.exec_module(module)
    if not hasattr(module, "load_model"):
        raise AttributeError(f"{order['entry']} defines no load_model(directory, device)")
    if hasattr(module, "load_tokenizer"):
        raise AttributeError("load_tokenizer is reserved: a candidate cannot bring its own tokenizer yet")
    return module


def load(module, order: dict):
    """Its model, out of the checkpoint in `order`'s output folder."""
    session.attach(order)
    session.reseed()
    model = module.load_model(Path(order["output"]), order["device"])
    return model.eval() if isinstance(model, torch.nn.Module) else model


def rehearse(module, order: dict) -> None:
    """One block of random tokens through what warm-up saved: whatever compiles does it now, knowing nothing, and not on the clock.

    A courtesy: where it fails, nothing has been promised and nothing is lost."""
    try:
        model = load(module, order)
        with torch.inference_mode():
            model(torch.randint(order["vocab_size"], (order["rows"], order["sequence_length"])).to(order["device"]))
    except Exception:  # noqa: BLE001  (the candidate's code on half a checkpoint may raise anything)
        print("scoring could not be rehearsed with what warm-up saved:", file=sys.stderr)
        traceback.print_exc()


def serve(channel: Channel, memory: mmap.mmap, order: dict, model) -> None:
    """Answers `block` messages until the referee closes the socket. Inputs (B, T) -> logits (B, T, V) into the same slot."""
    rows, length, vocab = order["rows"], order["sequence_length"], order["vocab_size"]
    kind = TORCH_DTYPES[order["dtype"]]
    while (block := channel.receive()) is not None:
        slot = block["slot"]
        inputs = torch.frombuffer(memory, dtype=kind, count=rows * length, offset=order["inputs"][slot])
        with torch.inference_mode():
            logits = model(inputs.to(torch.int64).reshape(rows, length).to(order["device"]))
            if not isinstance(logits, torch.Tensor) or not logits.is_floating_point():
                got = logits.dtype if isinstance(logits, torch.Tensor) else type(logits).__name__
                raise TypeError(f"the model must return a float tensor of logits, not {got}")
            dtype = logits.dtype if logits.dtype in SENT else torch.float32
            if tuple(logits.shape) == (rows, length, vocab):  # else there is no room for it; the referee judges the shape
                torch.frombuffer(memory, dtype=dtype, count=logits.numel(), offset=order["logits"][slot]).view(logits.shape).copy_(logits)
        channel.send(op="logits", slot=slot, shape=list(logits.shape), dtype=str(dtype).removeprefix("torch."))


def main() -> None:
    channel, memory = report_in()
    order = first_order(channel)
    if order is None:  # the training failed: nothing to score
        return
    session.attach(order)
    session.reseed()
    module = imported(order)
    channel.send(op="imported")
    while (order := channel.receive()) is not None and order["op"] == "rehearse":
        rehearse(module, order)
        channel.send(op="rehearsed")
    if order is not None:
        model = load(module, order)
        channel.send(op="loaded")
        serve(channel, mmap.mmap(memory, order["size"]), order, model)


if __name__ == "__main__":
    main()
