"""One measurement, start to end: the trusted process that trains a candidate, scores it and says how it went.

    python -P -m eval measure --candidate DIR --corpus DIR --seed 1 --budget "5s cpu" --out result.json

Order of events: spawn trainer and worker (their torch imports overlap everything below) -> open the corpus -> training ->
kill the tree -> inspect the checkpoint -> scoring -> kill the tree -> result. Every module of ours is imported before candidate
code runs, so files it edits on disk are never read by the referee.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eval import checkpoint, lock, outcome
from eval.budget import Budget
from eval.errors import Failed, RefereeError
from eval.part import Part
from eval.process import LOG_LINES, become_subreaper

PROTOCOL = 1
MINIMUM_DISK = 256 << 20  # bytes free under --scratch before a run starts


@dataclass(frozen=True)
class Request:
    """What to measure; see `python -P -m eval measure --help`."""

    candidate: Path
    entry: str
    corpus: Path
    seed: int
    split: str
    budget: Budget
    sequence_length: int
    eval_tokens: int
    device: str
    sandbox: str
    scratch: Path

    def check(self) -> None:
        """RefereeError, one sentence, for what can be seen without starting anything."""
        if not (self.candidate / self.entry).is_file():
            raise RefereeError(f"no entry file {self.entry} in the candidate {self.candidate}; set --entry")
        if not 0 <= self.seed < 1 << 63 or self.sequence_length < 1 or self.eval_tokens < 1:
            raise RefereeError("seed must be at least 0 and below 2^63, sequence_length and eval_tokens at least 1")
        if self.sandbox == "require":
            raise RefereeError("sandbox: require needs bubblewrap or Landlock, and this version has neither; use sandbox: auto")
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.scratch).free
        except OSError as error:
            raise RefereeError(f"cannot use the scratch folder {self.scratch}: {error.strerror}; set --scratch") from None
        if free < MINIMUM_DISK:
            raise RefereeError(f"only {free >> 20} MB free in {self.scratch}, {MINIMUM_DISK >> 20} are needed; free some or set --scratch")


def measure(request: Request, notify: Callable[..., None]) -> dict:
    """The result (see `blank`), whatever the candidate did. RefereeError for bad arguments, corpus or machine. Always kills and wipes."""
    request.check()
    launched = time.monotonic()
    become_subreaper()
    run = Path(tempfile.mkdtemp(prefix="run-", dir=request.scratch)).resolve()
    parts: list[Part] = []
    result = blank(request)
    try:
        staged = lock.stage(run / "referee")
        parts.append(Part("trainer", run, staged))  # one by one: a SIGTERM between the two must find the first
        parts.append(Part("worker", run, staged))
        attempt(request, *parts, launched, result, notify)
    except Failed as failed:
        result |= {"outcome": failed.outcome, "reason": outcome.presentable(failed.reason)}
    finally:
        with held_back(signal.SIGTERM, signal.SIGINT):
            survivors = [pid for part in parts for pid in part.kill()]
            wipe(run)
    if survivors:
        result |= {"outcome": "invalid", "reason": f"processes {survivors} survived SIGKILL; the machine needs a look"}
    if result["outcome"] != "ok":
        result["val_bpb"] = None
    result["log_tail"] = "\n".join([line for part in parts for line in part.child.log.settle()][-LOG_LINES:])
    result["seconds"] = time.monotonic() - launched
    return result


@contextlib.contextmanager
def held_back(*signals: signal.Signals) -> Iterator[None]:
    """Signals that arrive in the block take effect after it: a clean-up that is interrupted leaves daemons and files behind."""
    late: list[int] = []
    before = {number: signal.signal(number, lambda number, _: late.append(number)) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in late[:1]:
            os.kill(os.getpid(), number)


def wipe(folder: Path) -> None:
    """Removes it all, whatever a candidate made of it: folders closed to their owner, or nested deeper than Python's stack."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            subprocess.run([*command, "--", str(folder)], stderr=subprocess.DEVNULL, check=False)


def attempt(request: Request, trainer: Part, worker: Part, launched: float, result: dict, notify: Callable[..., None]) -> None:
    """Trains and scores, filling `result` as it goes, so that a failure keeps what is known."""
    try:  # here, while the children import torch, and before candidate code runs
        from eval.batches import Stream
        from eval.clock import Clock
        from eval.corpus import Corpus
        from eval.score import Worker, score, windows
        from eval.training import STARTUP_SECONDS, Server
    except ModuleNotFoundError as error:
        raise RefereeError(f"{sys.executable} has no {error.name}; `python:` must name an interpreter with torch and numpy") from None

    corpus = Corpus.open(request.corpus)
    tokens = corpus.tokens(request.split)
    windows(len(tokens), request.sequence_length, request.eval_tokens)  # complains now, not after the training
    train = corpus.tokens("train")
    if len(train) <= 2 * request.sequence_length:
        raise RefereeError(f"the train split holds {len(train)} tokens, too few for rows of {request.sequence_length}")
    constants = {"protocol": PROTOCOL, "sequence_length": request.sequence_length, "eval_tokens": request.eval_tokens}
    result |= {"corpus": corpus.digest, "metric_version": lock.metric_version(corpus.digest, constants)}
    clock = Clock(request.budget, trainer.child.tree)
    stream = Stream(train, request.sequence_length, request.seed)
    before, oom_before = lock.tree_digest(request.candidate), outcome.oom_kills()

    machine = result["machine"] = trainer.greet(request.device)
    device = machine["device"]
    if device != "cpu":
        import torch  # noqa: F401  (scoring needs it; imported now, before candidate code runs, and without touching the device)
    common = {
        "candidate": str(request.candidate.resolve()),
        "entry": request.entry,
        "vocab_size": corpus.vocab_size,
        "sequence_length": request.sequence_length,
        "device": device,
    }
    output = trainer.folder / "output"
    trainer.channel.send(op="go", output=str(output), seed=request.seed, dtype=str(train.dtype), **common)
    server = Server(trainer.child, trainer.channel, trainer.memory, stream, clock, output, launched, oom_before)
    try:
        training = server.run(STARTUP_SECONDS[device], lambda: worker.alive(oom_before), notify)
    finally:
        survivors = trainer.kill()
        describe(result, server)
    if survivors:
        raise Failed("invalid", f"processes {survivors} survived SIGKILL; the machine needs a look")
    result |= {"train_wall_seconds": training.train_wall_seconds, "save_seconds": training.save_seconds}
    unchanged(request.candidate, before)

    files, result["checkpoint_bytes"], result["parameters"] = checkpoint.inspect(output)
    for path in files:  # the worker sees these files in its own folder, and nothing else of the trainer's
        os.rename(path, worker.folder / "output" / path.name)
    scored = time.monotonic()
    while not worker.hear():
        time.sleep(0.01)
    order = {**common, "output": str(worker.folder / "output")}
    outcome_of = Worker(worker.child, worker.channel, worker.memory, oom_before)
    found = score(outcome_of, order, tokens, corpus.token_bytes, request.eval_tokens, lambda done: notify("score", done, server))
    unchanged(request.candidate, before)
    result |= {"outcome": "ok", "bits": found.bits, "bytes": found.bytes, "scored_tokens": found.tokens}
    result |= {"val_bpb": found.bits / found.bytes, "eval_seconds": time.monotonic() - scored}


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


def unchanged(candidate: Path, before: str) -> None:
    try:
        same = lock.tree_digest(candidate) == before
    except RefereeError:  # it could be read before
        same = False
    if not same:
        raise Failed("invalid", "the candidate's files changed during the run")


def blank(request: Request) -> dict:
    """A result with every field, of a measurement that has not happened."""
    zeros = ("bits", "startup_seconds", "train_seconds", "train_wall_seconds", "save_seconds", "eval_seconds", "seconds", "epochs")
    counts = ("bytes", "scored_tokens", "steps", "tokens", "peak_memory", "parameters", "checkpoint_bytes")
    return {
        "protocol": PROTOCOL,
        "outcome": "invalid",
        "reason": "",
        "val_bpb": None,  # never 0: zero would be the best value of all
        "seed": request.seed,
        "split": request.split,
        "budget": str(request.budget),
        **dict.fromkeys(zeros, 0.0),
        **dict.fromkeys(counts, 0),
        "curve": [],
        "leak": None,
        "isolation": "none",
        "metric_version": "",
        "corpus": "",
        "machine": {},
        "log_tail": "",
    }


def write(result: dict, path: Path) -> None:
    """Atomically: whoever sees the file sees all of it."""
    temp = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temp.write_text(json.dumps(result, indent=1, allow_nan=False))
        os.replace(temp, path)
    finally:
        temp.unlink(missing_ok=True)
