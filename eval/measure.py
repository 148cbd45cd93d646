"""One measurement, start to end: the trusted process that trains a candidate, scores it and says how it went.

    python -P -m eval measure --candidate DIR --corpus DIR --seed 1 --budget "5s cpu" --out result.json

Order of events: lock the device -> spawn trainer and two workers in their sandboxes (their torch imports overlap everything below)
-> open the corpus -> training -> kill the tree -> inspect the checkpoint -> first worker scores, is killed -> second worker must
agree -> result. Every module of ours is imported before candidate code runs, so files it edits on disk are never read by the referee.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from eval import checkpoint, lock, outcome
from eval.errors import Failed, RefereeError
from eval.exclusive import exclusive
from eval.fingerprint import complete
from eval.folders import copy, held_back, wipe
from eval.limits import Limits
from eval.neighbours import Neighbours
from eval.part import Part
from eval.process import LOG_LINES, become_subreaper
from eval.request import Request, blank
from eval.sandbox import choose, shield

Notify = Callable[..., None]  # (phase, fraction, server or None)


def measure(request: Request, notify: Notify) -> dict:
    """The result (see `eval.request.blank`), whatever the candidate did. RefereeError for bad arguments, corpus or machine.

    Always kills and wipes."""
    request.check()
    shield()
    become_subreaper()
    sandbox = choose(request.sandbox, request.launcher)
    with exclusive(likely(request.device), request.locks, lambda: notify("waiting", 0.0, None)):
        run = Run(request, sandbox, notify)
        try:
            run.attempt()
        except Failed as failed:
            reproduction, explanation = failed.reproduction, failed.explanation
            run.result |= {"outcome": failed.outcome, "reason": outcome.presentable(failed.reason)}
            run.result |= {"reproduction": reproduction, "explanation": explanation}
        finally:
            with held_back(signal.SIGTERM, signal.SIGINT):
                survivors = run.close()
    result = run.result
    if survivors:
        result |= {"outcome": "invalid", "reason": f"processes {survivors} survived SIGKILL; the machine needs a look"}
    if result["outcome"] != "ok":
        result["val_bpb"] = None
    result["seconds"] = time.monotonic() - run.launched
    return result


def likely(device: str) -> str:
    """The device that `auto` will turn out to be, without torch: for the lock and the sandbox, which come before its import."""
    if device != "auto":
        return device
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return "cuda"
    return "mps" if sys.platform == "darwin" else "cpu"


class Run:
    """A measurement under way: its private folder, its processes, what is known so far (`result`)."""

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
        """Trains and scores, filling `result` as it goes, so that a failure keeps what is known."""
        request = self.request
        trainer = None if request.checkpoint else self.spawn("trainer", "trainer")
        self.workers = [self.spawn("first"), self.spawn("second")]
        self.prepare()
        # Completed here: a sandbox may hide the driver's tool.
        machine = self.result["machine"] = complete((trainer or self.workers[0]).greet(request.device))
        device = machine["device"]
        if self.neighbours.gpu and machine["gpu_uuid"]:  # CUDA's order need not be the driver's
            self.neighbours.gpu.gpu = machine["gpu_uuid"]
        self.neighbours.before(self.pids)
        if device != "cpu":
            import torch  # noqa: F401  (scoring needs it; imported now, before candidate code runs, and without touching the device)
        before = lock.tree_digest(request.candidate)
        self.common = {
            "candidate": str(request.candidate.resolve()),
            "entry": request.entry,
            "vocab_size": self.corpus.vocab_size,
            "sequence_length": request.sequence_length,
            "device": device,
        }
        output = self.train(trainer, device) if trainer else request.checkpoint
        self.unchanged(before)
        files, self.result["checkpoint_bytes"], self.result["parameters"] = checkpoint.inspect(output)
        if request.keep_checkpoint:
            copy(files, request.keep_checkpoint)
        self.score(files)
        self.unchanged(before)
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

    def train(self, trainer: Part, device: str) -> Path:
        """Runs the training to its complete checkpoint; the folder that holds it. The trainer's tree is dead afterwards."""
        from eval.batches import Stream
        from eval.clock import Clock
        from eval.training import STARTUP_SECONDS, Server

        request, train = self.request, self.corpus.tokens("train")
        clock = Clock(request.budget, trainer.child.tree)
        stream, output = Stream(train, request.sequence_length, request.seed), trainer.folder / "output"
        trainer.channel.send(op="go", output=str(output), seed=request.seed, dtype=str(train.dtype), **self.common)
        server = self.server = Server(
            trainer.child, trainer.channel, trainer.memory, stream, clock, output, self.launched, self.oom_before, request.stop_above
        )
        limits, began = Limits(trainer.child.tree, trainer.folder), False

        def watch() -> bool:
            """Whether both workers are warm: the first real batch waits for that. Failed if someone breaks a limit or disturbs."""
            nonlocal began
            limits.look()
            if clock.started:
                if not began:
                    self.neighbours.begin(self.cpu_seconds, self.pids, request.budget)
                    began = True
                self.neighbours.look()
            return all([worker.alive(self.oom_before) for worker in self.workers])

        stopped = None
        try:
            training = server.run(STARTUP_SECONDS[device], watch, self.notify)
        except Failed as failed:
            if failed.outcome != "stopped":
                raise
            stopped = failed
        finally:
            self.result["neighbours"] = self.neighbours.end()
            survivors = trainer.kill()
            describe(self.result, server)
        if survivors:
            raise Failed("invalid", f"processes {survivors} survived SIGKILL; the machine needs a look")
        self.neighbours.judge()
        self.neighbours.freed()
        if stopped:  # only now: on a machine that somebody else slowed it would say nothing
            raise stopped
        self.result |= {"train_wall_seconds": training.train_wall_seconds, "save_seconds": training.save_seconds}
        return output

    def cpu_seconds(self) -> float:
        """Of every process that may run candidate code."""
        return sum(part.child.tree.cpu_seconds() for part in self.parts)

    def pids(self) -> set[int]:
        for part in self.parts:
            part.child.tree.refresh()
        return {pid for part in self.parts for pid in part.child.tree.members}

    def score(self, files: list[Path]) -> None:
        """The first worker scores, the second must agree. Each sees its own copy of the checkpoint and nothing else of the trainer's."""
        from eval.evaluate import evaluate
        from eval.reference import Reference
        from eval.score import Worker

        request, began, waiting = self.request, time.monotonic(), iter(self.workers)

        def open_worker() -> Worker:
            part = next(waiting, None) or self.spawn("third")  # asked for only where the second leaves a doubt
            while not part.alive(self.oom_before):
                time.sleep(0.01)
            worker = Worker(part.child, part.channel, part.memory, self.oom_before)
            worker.order = {"output": str(part.folder / "output")}
            worker.watch, worker.close = Limits(part.child.tree, part.folder).look, part.kill
            worker.scratch, part.worker = part.folder, worker
            worker.place = lambda: copy(files, part.folder / "output")
            if (warm := self.folder / "rehearsal").is_dir():
                copy(list(warm.iterdir()), part.folder / "rehearsal")
                worker.rehearsal = str(part.folder / "rehearsal")
            if self.server:
                worker.meter = part.child.tree.cpu_seconds if request.budget.clock == "cpu" else time.monotonic
                worker.allowance = self.scoring_allowance
            return worker

        version = self.result["metric_version"]
        found = evaluate(
            open_worker,
            self.common,
            self.corpus,
            request.split,
            request.eval_tokens,
            dose=request.dose,
            reference=Reference.load(request.reference) if request.reference else None,
            probe_seed=request.probe_seed,
            metric_version=version,
            notify=lambda done: self.notify("score", done, self.server),
            settling=lambda done: self.notify("settle", done, self.server),
        )
        score = found.score
        self.result |= {"bits": score.bits, "bytes": score.bytes, "scored_tokens": score.tokens, "val_bpb": score.bits / score.bytes}
        self.result |= {"leak": found.leak, "audit": found.audit, "eval_seconds": time.monotonic() - began}
        if request.save_bits:
            found.bits.save(request.save_bits)

    def scoring_allowance(self, tokens: int) -> float:
        """Seconds on the budget's clock."""
        result, trained = self.result, max(1, self.result["tokens"])
        cost, logits = tokens * result["train_seconds"] / trained, 4 * tokens * self.corpus.vocab_size
        return self.request.budget.scoring_allowance(result["checkpoint_bytes"], cost, logits)

    def unchanged(self, before: str) -> None:
        try:
            same = lock.tree_digest(self.request.candidate) == before
        except RefereeError:  # it could be read before
            same = False
        if not same:
            raise Failed("invalid", "the candidate's files changed during the run")


def describe(result: dict, server) -> None:
    """Training's numbers into the result, for failures too."""
    training, clock = server.result, server.clock
    result |= {
        "steps": training.steps,
        "tokens": training.tokens,
        "epochs": server.stream.epochs,
        "startup_seconds": training.startup_seconds or time.monotonic() - server.launched,
        "train_seconds": training.train_seconds or min(clock.spent(), clock.budget.seconds),
        "train_wall_seconds": clock.wall(),
        "peak_memory": training.peak_memory or server.trainer.tree.peak,
        "curve": training.curve(),
    }
