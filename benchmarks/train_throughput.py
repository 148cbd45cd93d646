"""Tokens per second of train.py's optimizer step on this device, beside the same model trained plainly, in one run.

    python benchmarks/train_throughput.py [--seconds 3] [--device cpu]

Plain: float32, eager, torch's own attention, loss and number of threads, unfused AdamW over all parameters. Wall and CPU
time are both shown, since a CPU budget counts CPU seconds. The references run first: what train.py does to the allocator
and to the threads cannot be taken back.
"""

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SHAPES = {  # name: constants on top of the device's preset
    "preset": {},
    "depth 4, width 128": {"DEPTH": 4, "WIDTH": 128},
    "depth 4, width 256": {"DEPTH": 4, "WIDTH": 256},
    "depth 8, width 512": {"DEPTH": 8, "WIDTH": 512},
}
VOCAB = {"cpu": 2048, "mps": 8192, "cuda": 8192}
CONTEXT = {"cpu": 256, "mps": 512, "cuda": 2048}


def load_candidate(**constants):
    """A fresh train/train.py with some constants replaced."""
    spec = importlib.util.spec_from_file_location("candidate", ROOT / "train" / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in constants.items():
        setattr(module, name, value)
    return module


def build(train, device):
    model = train.GPT(train.make_config(), train.compute_dtype(device)).to(device)
    model.init_weights()
    return model


def plain_step(train, device):
    """(step, rows): one optimizer step of the reference on `rows` sequences."""
    import torch
    import torch.nn.functional as F

    train.compute_dtype = lambda device: torch.float32
    train.PLAIN_ATTENTION = 0
    model = build(train, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=False)

    def step(inputs, targets):
        F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def our_step(train, device):
    import torch

    model = build(train, device)
    compiled = torch.compile(model, dynamic=False) if device == "cuda" else model
    optimizers = train.make_optimizers(model)

    def step(inputs, targets):
        compiled(inputs, targets).backward()
        train.optimizer_step(optimizers, 0.5)

    return step


def measure(make, device, seconds, constants):
    """(tokens per wall second, tokens per CPU second, parameters, sequences of a step); the first three steps warm up."""
    import torch

    from eval import session

    train = load_candidate(**constants)
    step = make(train, device)
    rows = max(1, min(train.DEVICE_BATCH, train.BATCH_TOKENS // session.sequence_length))
    inputs, targets = next(session.warmup(rows, 1))
    wait = {"cuda": torch.cuda.synchronize, "mps": getattr(torch, "mps", None) and torch.mps.synchronize}.get(device, lambda: None)
    for _ in range(3):
        step(inputs, targets)
    wait()
    steps, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        step(inputs, targets)
        steps += 1
    wait()
    tokens = steps * inputs.numel()
    count = sum(p.numel() for p in build(train, "cpu").parameters())
    return tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu), count, rows


def main():
    parser = argparse.ArgumentParser(description="train.py's tokens per second, beside a plain loop")
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    parser.add_argument("--device", default="")
    args = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the referee sets it; before torch starts its threads
    if args.device:
        os.environ["AUTORESEARCH_DEVICE"] = args.device

    import torch

    from eval import session

    device = session.device
    session.vocab_size, session.sequence_length = VOCAB[device], CONTEXT[device]
    candidate = load_candidate()
    print(f"{device}, torch {torch.__version__}, {candidate.compute_dtype(device)}")
    print(f"vocab {session.vocab_size}, context {session.sequence_length}")
    plain = {name: measure(plain_step, device, args.seconds, constants) for name, constants in SHAPES.items()}
    candidate.keep_freed_memory()
    if candidate.THREADS > 0:
        torch.set_num_threads(candidate.THREADS)
    print(f"{'shape':20} {'params':>8} {'rows':>5} {'tokens/s':>10} {'plain':>10} {'ratio':>6} ", end="")
    print(f"{'tokens/cpu-s':>13} {'plain':>10} {'ratio':>6}")
    for name, constants in SHAPES.items():
        wall, cpu, count, rows = measure(our_step, device, args.seconds, constants)
        wall_plain, cpu_plain = plain[name][:2]
        print(
            f"{name:20} {count / 1e6:7.2f}M {rows:5} {wall:10,.0f} {wall_plain:10,.0f} {wall / wall_plain:6.2f} "
            f"{cpu:13,.0f} {cpu_plain:10,.0f} {cpu / cpu_plain:6.2f}"
        )


if __name__ == "__main__":
    main()
