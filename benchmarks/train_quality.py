"""Is the fast loop as good? Validation bits per byte after a fixed number of steps, train.py's loop against the plain one.

    python benchmarks/train_throughput.py --quality [--steps 250] [--seeds 4]

Each seed fixes the first weights and the batches, the same in both loops; the schedule runs from 0 to 1 over the steps. So only the
arithmetic differs. Goal: the mean difference is within the noise, which is how much the seeds of one loop differ.
"""

import gc
import math
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import train_loops

CACHE = Path.home() / ".cache" / "autoresearch"
ROWS = 128  # of the validation split


def compare(device: str, steps: int, seeds: int) -> None:
    from eval import corpus, session
    from eval.corpus import Corpus

    with tempfile.TemporaryDirectory() as folder:
        cache = CACHE if CACHE.exists() else Path(folder)
        text = Corpus.open(corpus.prepare("embedded", session.vocab_size, cache))
        text.hold("train", "val")
    print(f"{device}, {steps} steps, embedded corpus, vocab {session.vocab_size}, context {session.sequence_length}")
    print("| seed | bits per byte | plain | difference | seconds | plain |\n|---|---|---|---|---|---|")
    scores = {"ours": [], "plain": []}
    for seed in range(seeds):
        seconds = {}
        for kind, found in scores.items():
            started = time.perf_counter()
            found.append(trained(kind, device, text, steps, seed))
            free(device)
            seconds[kind] = time.perf_counter() - started
        ours, plain = scores["ours"][-1], scores["plain"][-1]
        print(f"| {seed} | {ours:.4f} | {plain:.4f} | {ours - plain:+.4f} | {seconds['ours']:.0f} | {seconds['plain']:.0f} |", flush=True)
    gaps = [a - b for a, b in zip(scores["ours"], scores["plain"], strict=True)]
    spread = statistics.stdev(scores["plain"]) if seeds > 1 else math.nan
    error = statistics.stdev(gaps) / math.sqrt(seeds) if seeds > 1 else math.nan
    print(f"mean difference {statistics.mean(gaps):+.4f}, standard error {error:.4f}; the plain loop's seeds spread by {spread:.4f}")


def free(device: str) -> None:
    """The memory of one loop for the next."""
    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def trained(kind: str, device: str, text, steps: int, seed: int) -> float:
    """Bits per byte on the validation split."""
    import torch

    from eval.batches import Stream

    loop = train_loops.Loop(kind, device, {}, seed)
    length = loop.context
    stream = Stream(text.tokens("train"), length, seed)

    def batches():
        for _ in range(loop.passes):
            rows = torch.from_numpy(stream.peek(loop.rows).astype("int64")).to(device)
            stream.advance(loop.rows)
            yield rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    for step in range(steps):
        loop.step(batches(), step / steps)
    return bits_per_byte(loop.model, text, length, device)


def bits_per_byte(model, text, length: int, device: str) -> float:
    import torch
    import torch.nn.functional as F

    tokens = torch.from_numpy(text.tokens("val")[: ROWS * length + 1].astype("int64")).to(device)
    count = (len(tokens) - 1) // length * length
    inputs, targets = tokens[:count].view(-1, length), tokens[1 : count + 1].view(-1, length)
    sizes = torch.from_numpy(text.token_bytes).to(device)
    nats = 0.0
    with torch.no_grad():
        for rows, target in zip(inputs.split(8), targets.split(8), strict=True):
            nats += F.cross_entropy(model(rows).flatten(0, 1).float(), target.flatten(), reduction="sum").item()
    return nats / math.log(2) / sizes[targets.flatten()].sum().item()
