"""Two real worker processes and `evaluate` around them, without a training: for models that are written down in a test.

The processes are forked from one that has torch imported, so that a case takes a tenth of a second instead of three.
"""

import multiprocessing
import os
import tempfile
from multiprocessing.reduction import DupFd
from pathlib import Path

import numpy as np

from eval import worker as worker_module
from eval.evaluate import Evaluation, evaluate
from eval.score import Worker
from eval.wire import Channel, channel_pair, memory_file

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["eval.worker", "tests.eval.desks"])


def run_worker(sock, memory, errors: str) -> None:
    """In the new process: what `python -m eval.worker` does once torch is imported."""
    log = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    os.dup2(log, 1)
    channel, descriptor = Channel.of_fd(sock.detach()), memory.detach()
    worker_module.report_in = lambda: (channel, descriptor)
    worker_module.main()


class Process:
    """The part of `eval.process.Child` that a Worker uses."""

    def __init__(self, process, errors: Path):
        self.process, self.errors, self.log = process, errors, self

    def wait(self, seconds: float | None = None) -> int | None:
        self.process.join(seconds)
        return self.process.exitcode

    def settle(self, seconds: float = 1.0) -> list[str]:
        return self.lines()

    def lines(self) -> list[str]:
        return self.errors.read_text().splitlines()[-50:]


class Forked(Worker):
    """A worker of this rig; `folder` is all of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        ours, theirs = channel_pair()
        memory = memory_file("test")
        process = FORKS.Process(target=run_worker, args=(DupFd(theirs.fileno()), DupFd(memory), str(folder / "log")), daemon=True)
        process.start()
        theirs.close()
        super().__init__(Process(process, folder / "log"), ours, memory, 0)
        self.order = {"output": str(folder)}

    def close(self) -> list[int]:
        self.child.process.kill()
        self.child.process.join()
        self.channel.sock.close()
        os.close(self.memory)
        return []


class Text:
    """A corpus of arrays: what `evaluate` asks of `eval.corpus.Corpus`."""

    def __init__(self, splits: dict[str, np.ndarray], token_bytes: np.ndarray):
        self.splits, self.token_bytes, self.vocab_size = splits, token_bytes, len(token_bytes)

    def tokens(self, split: str) -> np.ndarray:
        return self.splits[split]


def run(source: str, corpus: Text, length: int, eval_tokens: int, **options) -> Evaluation:
    """`evaluate` on a candidate whose file is `source`. Failed as it comes."""
    opened: list[Forked] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.py").write_text(source)

        def open_worker() -> Forked:
            own = Path(folder) / str(len(opened))
            own.mkdir()
            opened.append(Forked(own))
            return opened[-1]

        order = {"candidate": folder, "entry": "model.py", "vocab_size": corpus.vocab_size, "sequence_length": length, "device": "cpu"}
        try:
            return evaluate(open_worker, order, corpus, options.pop("split", "val"), eval_tokens, **options)
        finally:
            for one in opened:
                if one.child.process.is_alive():
                    one.close()


def markov(count: int, vocab: int, seed: int, surprise: float = 0.3) -> np.ndarray:
    """uint16 (count,): mostly a fixed successor, else any token; there is something to learn, and something to leak."""
    rng, jump = np.random.default_rng(seed), np.random.default_rng(7).permutation(vocab)
    tokens, strange, others = np.zeros(count, np.uint16), rng.random(count) < surprise, rng.integers(vocab, size=count)
    for i in range(1, count):
        tokens[i] = others[i] if strange[i] else jump[tokens[i - 1]]
    return tokens


def corpus(vocab: int = 64, val: int = 12_000, audit: int = 4_000) -> Text:
    return Text({"val": markov(val, vocab, 1), "audit": markov(audit, vocab, 2)}, np.full(vocab, 3, np.int32))


