"""A measurement under way: its private folder, its processes, what is known so far. The two halves of it: `eval.stages`."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from eval import checkpoint, lock, outcome, snapshot, stages
from eval.errors import Failed, RefereeError
from eval.fingerprint import complete
from eval.folders import copy, wipe
from eval.neighbours import Neighbours
from eval.part import Part
from eval.process import LOG_LINES
from eval.request import Request, blank

Notify = Callable[..., None]  # (phase, fraction, server or None)


def likely(device: str) -> str:
    """The device that `auto` will turn out to be, without torch: for the lock and the sandbox, which come before its import."""
    if device != "auto":
        return device
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return "cuda"
    return "mps" if sys.platform == "darwin" else "cpu"


class Run:
    """`result` grows as it goes, so that a failure keeps what is known; `server` serves the training, None where nothing is trained."""

    def __init__(self, request: Request, sandbox, notify: Notify):
        self.request, self.sandbox, self.notify = request, sandbox, notify
        self.launched = time.monotonic()
        self.device = likely(request.device)
        self.result = blank(request) | {"isolation": sandbox.level, "isolation_note": sandbox.note}
        self.parts: list[Part] = []
        self.neighbours = Neighbours(self.device)
        self.oom_before = outcome.oom_kills()
        self.server = None
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=request.scratch)).resolve()

    def close(self) -> list[int]:
        """Kills, wipes, keeps the end of the log. The survivors, if any.

        Without what a worker said once it had seen validation text: the log is shown to whoever proposes the next change."""
        survivors = [pid for part in self.parts for pid in part.kill()]
        wipe(self.folder)
        heard = [part.worker.words if part.worker and part.worker.saw_text else part.child.log.settle() for part in self.parts]
        self.result["log_tail"] = "\n".join([line for lines in heard for line in lines][-LOG_LINES:])
        return survivors

    def spawn(self, name: str, module: str = "worker") -> Part:
        staged = lock.stage(self.folder / "referee")
        readable = [self.request.candidate.resolve(), *self.request.readable]
        part = Part(name, self.folder, staged, self.sandbox, readable, self.device, module)
        self.parts.append(part)  # one by one: a SIGTERM between two must find the first
        return part

    def attempt(self) -> None:
        """Trains and scores. Failed as it comes."""
        request = self.request
        trainer = None if request.checkpoint else self.spawn("trainer", "trainer")
        self.workers = [self.spawn("first"), self.spawn("second")]
        self.prepare()
        if trainer and request.cache:
            self.result["cache_bytes"] = snapshot.copy(request.cache, trainer.compiled)
        # Completed here: a sandbox may hide the driver's tool.
        machine = self.result["machine"] = complete((trainer or self.workers[0]).greet(request.device))
        device = machine["device"]
        if self.neighbours.gpu and machine["gpu_uuid"]:  # CUDA's order need not be the driver's
            self.neighbours.gpu.gpu = machine["gpu_uuid"]
        self.neighbours.before(self.pids)
        if device != "cpu":
            import torch  # noqa: F401  (scoring needs it; imported now, before candidate code runs, and without touching the device)
        self.before = lock.tree_digest(request.candidate)
        self.common = {
            "candidate": str(request.candidate.resolve()),
            "entry": request.entry,
            "vocab_size": self.corpus.vocab_size,
            "sequence_length": request.sequence_length,
            "device": device,
        }
        output = stages.train(self, trainer, device) if trainer else request.checkpoint
        self.unchanged()
        files, self.result["checkpoint_bytes"], self.result["parameters"] = checkpoint.inspect(output)
        if request.keep_checkpoint:
            copy(files, request.keep_checkpoint)
        stages.score(self, files)
        self.unchanged()
        self.neighbours.freed()
        self.result["outcome"] = "ok"

    def prepare(self) -> None:
        """Everything of ours is imported and checked here, while the children import torch and before candidate code runs."""
        try:
            from eval import evaluate, training  # noqa: F401
            from eval.corpus import Corpus
            from eval.score import windows
        except ModuleNotFoundError as error:
            raise RefereeError(f"{sys.executable} has no {error.name}; `python:` must name an interpreter with torch and numpy") from None
        request = self.request
        self.corpus = Corpus.open(request.corpus)
        self.corpus.hold(request.split, "audit")  # a file that is rewritten meanwhile must not change what is scored
        tokens = len(self.corpus.tokens(request.split))
        windows(tokens, request.sequence_length, request.eval_tokens)  # complains now, not after the training
        train = len(self.corpus.tokens("train"))
        if train <= 2 * request.sequence_length:
            raise RefereeError(f"the train split holds {train} tokens, too few for rows of {request.sequence_length}")
        self.result |= {"corpus": self.corpus.digest, "metric_version": lock.metric_version(self.corpus.digest, request.constants())}

    def cpu_seconds(self) -> float:
        """Of every process that may run candidate code."""
        return sum(part.child.tree.cpu_seconds() for part in self.parts)

    def pids(self) -> set[int]:
        for part in self.parts:
            part.child.tree.refresh()
        return {pid for part in self.parts for pid in part.child.tree.members}

    def unchanged(self) -> None:
        try:
            same = lock.tree_digest(self.request.candidate) == self.before
        except RefereeError:  # it could be read before
            same = False
        if not same:
            raise Failed("invalid", "the candidate's files changed during the run")
