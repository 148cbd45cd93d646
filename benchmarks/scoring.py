"""What the second process costs: scoring through the referee's worker against scoring in one process; and where start-up goes.

    python benchmarks/scoring.py [repeats]

Same model (depth 4, width 256, float32), same 32,768 tokens in rows of 256, vocabulary 2,048, same blocks. One process
is the usual evaluation loop: torch's forward and cross-entropy, all threads. Both load the checkpoint and run warm; rounds are
interleaved, so that a neighbour on the machine disturbs both. Goal: ratio <= 1.10.
"""

import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as in the worker; both sides wait alike

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from eval import lock  # noqa: E402
from eval.evaluate import evaluate, rows_at  # noqa: E402
from eval.outcome import oom_kills  # noqa: E402
from eval.part import Part  # noqa: E402
from eval.sandbox import choose  # noqa: E402
from eval.score import BLOCK_BYTES, Desk, Worker, block_rows, score, windows  # noqa: E402

VOCAB, LENGTH, EVAL_TOKENS, SPLIT_TOKENS = 2048, 256, 32768, 200_000
MODEL = f"""
import torch
from pathlib import Path
from torch import nn
from torch.nn import functional as F
V, D, DEPTH, HEADS, HIDDEN = {VOCAB}, 256, 4, 2, 1024
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(D, 3 * D, bias=False), nn.Linear(D, D, bias=False)
        self.up, self.down = nn.Linear(D, HIDDEN, bias=False), nn.Linear(HIDDEN, D, bias=False)
    def forward(self, x):
        B, T, _ = x.shape
        q, k, v = self.qkv(F.rms_norm(x, (D,))).view(B, T, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D))
        return x + self.down(F.relu(self.up(F.rms_norm(x, (D,)))).square())
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(V, D), nn.Linear(D, V, bias=False)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
    def forward(self, inputs):
        x = self.embed(inputs)
        for block in self.blocks:
            x = block(x)
        return self.head(x).float()
def load_model(directory, device):
    torch.manual_seed(1)
    model = Model()
    model.load_state_dict(torch.load(Path(directory) / "weights.pt"))
    return model.to(device)
"""


def one_process(module, order: dict, tokens: np.ndarray, token_bytes: np.ndarray) -> tuple[float, float, float]:
    """(wall seconds, CPU seconds, bits) of the usual loop."""
    start, cpu = time.perf_counter(), time.process_time()
    model = module.load_model(order["output"], "cpu").eval()
    starts = windows(len(tokens), LENGTH, EVAL_TOKENS)
    rows = torch.from_numpy(tokens[starts[:, None] + np.arange(LENGTH + 1)].astype(np.int64))
    sizes = torch.from_numpy(token_bytes)
    bits, at_once = 0.0, BLOCK_BYTES["cpu"] // (4 * LENGTH * VOCAB)
    with torch.inference_mode():
        for block in rows.split(at_once):
            logits, targets = model(block[:, :-1]), block[:, 1:].flatten()
            nats = F.cross_entropy(logits.flatten(0, 1), targets, reduction="none")
            bits += float(nats.double()[sizes[targets] > 0].sum()) / math.log(2)
    return time.perf_counter() - start, time.process_time() - cpu, bits


class Text:
    """Random tokens; as much of a corpus as `evaluate` needs."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.val, self.token_bytes = rng.integers(VOCAB, size=SPLIT_TOKENS).astype(np.uint16), rng.integers(1, 9, VOCAB).astype(np.int32)

    def tokens(self, split: str) -> np.ndarray:
        return self.val


class Bench:
    """A checkpoint, and ways of scoring it. Wall seconds; workers are warm (torch imported) before the watch starts."""

    def __init__(self, run: Path):
        (run / "model.py").write_text(MODEL)
        spec = importlib.util.spec_from_file_location("candidate", run / "model.py")
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        torch.manual_seed(0)
        (run / "weights").mkdir()
        torch.save(self.module.Model().state_dict(), run / "weights" / "weights.pt")
        self.run, self.staged, self.text, self.sandbox, self.count = run, lock.stage(run / "referee"), Text(), choose("auto"), 0
        self.order = {"candidate": str(run), "entry": "model.py", "output": str(run / "weights"), "device": "cpu"}
        self.order |= {"vocab_size": VOCAB, "sequence_length": LENGTH}

    def warm(self) -> Worker:
        self.count += 1
        part = Part(f"worker{self.count}", self.run, self.staged, self.sandbox, readable=[self.run / "model.py", self.run / "weights"])
        while not part.hear():
            time.sleep(0.01)
        worker = Worker(part.child, part.channel, part.memory, oom_kills())
        worker.part, worker.order, worker.close = part, {}, part.kill
        return worker

    def alone(self) -> tuple[float, float, float]:
        """(wall seconds, CPU seconds, bits) of the usual loop in this process."""
        return one_process(self.module, self.order, self.text.val, self.text.token_bytes)

    def scored(self) -> tuple[float, float, float]:
        """The same of a first worker that nobody checks; CPU seconds of both processes."""
        worker = self.warm()
        time.sleep(0.2)
        start, cpu = time.perf_counter(), time.process_time() + worker.child.tree.cpu_seconds()
        starts = windows(len(self.text.val), LENGTH, EVAL_TOKENS)
        desk = Desk(worker, self.order, block_rows(len(starts), LENGTH, VOCAB, "cpu"), self.text.val.dtype)
        found = score(desk, rows_at(self.text.val, starts, LENGTH), self.text.token_bytes)
        seconds, cpu = time.perf_counter() - start, time.process_time() + worker.child.tree.cpu_seconds() - cpu
        worker.close()
        return seconds, cpu, found.bits

    def evaluated(self, dose: str) -> tuple[tuple[float, float], tuple[float, float]]:
        """(wall, CPU) seconds of `evaluate`, and of starting its two workers beforehand. The heavy dose scores an audit slice too."""
        start, before = time.perf_counter(), time.process_time()
        workers = [self.warm(), self.warm()]
        waiting, begin = list(workers), time.perf_counter()
        middle, mine = sum(worker.child.tree.cpu_seconds() for worker in workers), time.process_time()
        evaluate(lambda: waiting.pop(0), self.order, self.text, "val", EVAL_TOKENS, dose=dose, probe_seed=1)
        cpu = time.process_time() - mine + sum(worker.child.tree.cpu_seconds() for worker in workers) - middle
        return (time.perf_counter() - begin, cpu), (begin - start, middle + mine - before)


def start_up() -> list[tuple[str, float]]:
    """Seconds from launch, each in a process of its own."""
    steps = {
        "python itself": "pass",
        "the referee's imports, without numpy": "import eval.__main__",
        "  + numpy, corpus, score": "import eval.__main__, eval.corpus, eval.score, eval.training",
        "trainer's imports (torch)": "import eval.trainer",
    }
    found = []
    for name, code in steps.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-P", "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
            times.append(time.perf_counter() - start)
        found.append((name, min(times)))
    return found


def main(repeats: int = 7) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.alone()
        ones, twos = [], []
        for _ in range(repeats):
            ones.append(bench.alone())
            twos.append(bench.scored())
    assert abs(ones[0][2] / twos[0][2] - 1) < 1e-5, "both must find the same bits"
    one, two = (statistics.median(wall for wall, _, _ in side) for side in (ones, twos))
    best = min(wall for wall, _, _ in twos) / min(wall for wall, _, _ in ones)
    cpu_one, cpu_two = (statistics.median(cpu for _, cpu, _ in side) for side in (ones, twos))
    print(f"scoring {EVAL_TOKENS} tokens, vocabulary {VOCAB}, rows of {LENGTH}, {torch.get_num_threads()} threads, {repeats} rounds")
    print(f"  one process    {one:7.3f} s median\n  two processes  {two:7.3f} s median")
    print(f"  ratio          {two / one:7.3f} median, {best:.3f} of the best rounds   (goal: at most 1.10)")
    print(f"  CPU seconds    {cpu_one:.3f} and {cpu_two:.3f}, ratio {cpu_two / cpu_one:.3f}   (the steadier number on a busy machine)")
    print("start-up, seconds (best of 3)")
    for name, seconds in (steps := start_up()):
        print(f"  {name:40s} {seconds:6.2f}")
    ratios = {"ratio": round(two / one, 4), "cpu_ratio": round(cpu_two / cpu_one, 4)}
    print(json.dumps({**ratios, "one": one, "two": two, "startup": dict(steps)}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
