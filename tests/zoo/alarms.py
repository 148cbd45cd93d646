"""Does the referee ever refuse an honest model? Scores zoo checkpoints again and again, each time with fresh probes.

    python -m tests.zoo.alarms CORPUS REPEATS RUN...        (folders made by tests.zoo.runs; prints one JSON object)

It runs the real `eval.evaluate.evaluate` against real workers. Each worker is a fresh process that loads the checkpoint itself; it is
forked from this one, which has imported torch and computed nothing, because importing torch 400 times would take ten minutes.
"""

import contextlib
import json
import os
import secrets
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import safetensors.torch  # noqa: F401  (every candidate imports it: once here, not in each worker)

from eval import agreement, evaluate, worker
from eval.corpus import Corpus
from eval.errors import Failed
from eval.process import Child, LogTail
from eval.reference import Reference
from eval.score import Worker
from eval.tree import LOCK, ROOTS
from eval.wire import channel_pair, memory_file
from tests.eval import rig
from tests.zoo.runs import EVAL_TOKENS

DOSES = ("light", "heavy")


class Forked(Worker):
    """`eval.worker` in a fork of this process. `order`: where its checkpoint lies."""

    def __init__(self, checkpoint: Path):
        channel, theirs = channel_pair()
        memory, (read_end, write_end) = memory_file("worker"), os.pipe()
        with LOCK:
            pid = os.fork()
            if pid == 0:
                serve(theirs.fileno(), memory, write_end, checkpoint.parent)
            ROOTS.add(pid)
        theirs.close()
        os.close(write_end)
        super().__init__(Child(SimpleNamespace(pid=pid, stdout=None), LogTail(read_end)), channel, memory, 0)
        self.order = {"output": str(checkpoint)}
        assert channel.receive()["op"] == "hello"

    def close(self) -> None:
        self.child.kill()
        self.channel.sock.close()
        with contextlib.suppress(OSError):  # a failed scoring closes twice
            os.close(self.memory)


def serve(socket: int, memory: int, log: int, folder: Path) -> None:
    """The child: runs the worker's own main and never returns."""
    os.setsid()
    os.chdir(folder)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["worker", "--socket", str(socket), "--memory", str(memory)]
    try:
        worker.main()
    finally:
        os._exit(0 if sys.exc_info()[0] is None else report())


def report() -> int:
    """Exit status 1 after saying why."""
    sys.excepthook(*sys.exc_info())
    sys.stderr.flush()
    return 1


class Scorer:
    """Scores one checkpoint often, keeping count. Differences in bits over all compared positions: the largest (`worst`), their `sum` and
    sum of `squares` (so whether they lean to one side); `bpb`: the largest estimate of a leak."""

    def __init__(self, run: Path, corpus: Corpus):
        self.run, self.corpus = run, corpus
        self.found: dict = {"scorings": 0, "alarms": [], "exact": True, "positions": 0}
        self.found |= dict.fromkeys(("bpb", "worst", "sum", "squares"), 0.0)

    def score(self, dose: str, reference: Reference | None) -> Reference | None:
        """One scoring; its bits per token, None if it was refused."""
        seed, workers = secrets.randbits(62), []
        order = {"candidate": str(self.run / "candidate"), "entry": "train/train.py", "device": "cpu"}
        order |= {"vocab_size": rig.VOCAB, "sequence_length": rig.LENGTH}

        def open_worker() -> Worker:
            workers.append(Forked(self.run / "checkpoint"))
            return workers[-1]

        with watched(self):
            try:
                result = evaluate.evaluate(
                    open_worker, order, self.corpus, "val", EVAL_TOKENS, dose=dose, reference=reference, probe_seed=seed
                )
            except Failed as failed:
                self.found["alarms"].append({"dose": dose, "seed": seed, "outcome": failed.outcome, "reason": failed.reason})
                return None
            finally:
                self.found["scorings"] += 1
                for opened in workers:
                    opened.close()
        self.found["bpb"] = max(self.found["bpb"], abs(result.leak["bpb"]))
        return result.bits

    def note(self, compared: list[agreement.Compared]) -> None:
        differences = [np.abs(pair.difference) for pair in compared]
        self.found["sum"] += sum(float(pair.difference.sum()) for pair in compared)
        self.found["squares"] += sum(float((pair.difference**2).sum()) for pair in compared)
        self.found["worst"] = max(self.found["worst"], *(float(one.max()) for one in differences))
        self.found["positions"] += sum(len(one) for one in differences)
        self.found["exact"] &= not any(one.any() for one in differences)


@contextlib.contextmanager
def watched(scorer: Scorer):
    """What the agreement test compares also reaches `scorer`: a result says whether it was exact, not by how much not."""
    before = evaluate.compare

    def compare(*arguments):
        found = before(*arguments)
        scorer.note(found)
        return found

    evaluate.compare = compare
    try:
        yield
    finally:
        evaluate.compare = before


def main(corpus: str, repeats: str, *runs: str) -> None:
    opened, champion, table = Corpus.open(Path(corpus)), None, {}
    for run in map(Path, runs):
        scorer = Scorer(run, opened)
        for repeat in range(int(repeats)):  # both doses in turn; later models are laid out against the first one's bits
            bits = scorer.score(DOSES[(repeat + 1) % 2], champion)
            champion = champion or bits
        table[run.name] = scorer.found
        print(run.name, json.dumps(scorer.found), file=sys.stderr, flush=True)
    print(json.dumps(table))


if __name__ == "__main__":
    main(*sys.argv[1:])
