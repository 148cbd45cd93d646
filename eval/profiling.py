"""A candidate under torch's profiler: where the time of a training step goes. Never a score: no checkpoint, no text but train's.

    python -P -m eval profile --candidate DIR --corpus DIR --seed 1 --steps 10 --trace trace.json.gz --out result.json

The process is spawned and served as for a measurement, in the same sandbox; trace and facts are what it says of itself, and whoever reads
them must expect anything. Here only their size and kind are looked at.
"""

import json
import math
import os
import signal
import stat
import tempfile
import time
from pathlib import Path

from eval import lock, outcome, snapshot
from eval.budget import Budget
from eval.checkpoint import entries
from eval.errors import Failed, RefereeError
from eval.exclusive import exclusive
from eval.fingerprint import complete
from eval.folders import held_back, wipe
from eval.limits import Limits
from eval.part import Part
from eval.process import LOG_LINES, become_subreaper
from eval.request import Request
from eval.run import Notify, likely
from eval.sandbox import Sandbox, choose, shield

LIMIT = Budget(600.0)  # for all steps and the trace; the schedule of a candidate sees a share of it
MOST_STEPS = 100
TRACE, FACTS = "trace.json.gz", "facts.json"  # as eval.profiler, which needs torch, names them
TRACE_BYTES, FACTS_BYTES = 64 << 20, 1 << 14


def profile(request: Request, steps: int, trace: Path, notify: Notify) -> dict:
    """The result (`blank`), whatever the candidate did; the trace is at `trace` where its outcome is ok. RefereeError as `measure`."""
    if not 1 <= steps <= MOST_STEPS:
        raise RefereeError(f"--steps {steps} is not between 1 and {MOST_STEPS}")
    request.check()
    shield()
    become_subreaper()
    sandbox = choose(request.sandbox, request.launcher)
    with exclusive(likely(request.device), request.locks, lambda: notify("waiting", 0.0, None)):
        run = Profiled(request, steps, sandbox, notify)
        try:
            run.attempt(trace)
        except Failed as failed:
            run.result |= {"outcome": failed.outcome, "reason": outcome.presentable(failed.reason)}
        finally:
            with held_back(signal.SIGTERM, signal.SIGINT):
                survivors = run.close()
    if survivors:
        run.result |= {"outcome": "invalid", "reason": f"processes {survivors} survived SIGKILL; the machine needs a look"}
    return run.result | {"seconds": time.monotonic() - run.launched}


def blank(sandbox: Sandbox) -> dict:
    numbers = {"startup_seconds": 0.0, "peak_memory": 0, "flops_per_token": 0.0}
    known = {"outcome": "invalid", "reason": "", "facts": {}, "machine": {}, "log_tail": "", **numbers}
    return known | {"isolation": sandbox.level, "isolation_note": sandbox.note}


class Profiled:
    """One such run: its private folder and its only process."""

    def __init__(self, request: Request, steps: int, sandbox: Sandbox, notify: Notify):
        self.request, self.steps, self.sandbox, self.notify = request, steps, sandbox, notify
        self.launched, self.oom_before = time.monotonic(), outcome.oom_kills()
        self.result, self.part = blank(sandbox), None
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=request.scratch)).resolve()

    def close(self) -> list[int]:
        """Kills, wipes, keeps the end of the log. The survivors, if any."""
        survivors = self.part.kill() if self.part else []
        wipe(self.folder)
        self.result["log_tail"] = "\n".join(self.part.child.log.settle()[-LOG_LINES:]) if self.part else ""
        return survivors

    def attempt(self, trace: Path) -> None:
        request, staged = self.request, lock.stage(self.folder / "referee")
        readable = [request.candidate.resolve(), *request.readable]
        self.part = Part("trainer", self.folder, staged, self.sandbox, readable, likely(request.device), "profiler")
        if request.cache:
            snapshot.copy(request.cache, self.part.compiled)
        output = self.train(self.part, self.part.folder / "output")
        if self.part.kill():
            return  # `close` finds them too, and says so
        data = plain_file(output, TRACE, TRACE_BYTES)
        self.result["facts"] = facts(plain_file(output, FACTS, FACTS_BYTES))
        trace.write_bytes(data)
        self.result["outcome"] = "ok"

    def train(self, part: Part, output: Path) -> Path:
        """Until the process says that its trace is written."""
        try:
            from eval.batches import Stream
            from eval.clock import Clock
            from eval.corpus import Corpus
            from eval.training import STARTUP_SECONDS, Server
        except ModuleNotFoundError as error:
            raise RefereeError(f"no {error.name} in this interpreter; `python:` must name one with torch and numpy") from None
        request, corpus = self.request, Corpus.open(self.request.corpus)
        train, length = corpus.tokens("train"), request.sequence_length
        if len(train) <= 2 * length:
            raise RefereeError(f"the train split holds {len(train)} tokens, too few for rows of {length}")
        self.result["machine"] = complete(part.greet(request.device))
        device = self.result["machine"]["device"]
        part.channel.send(
            op="go", output=str(output), seed=request.seed, dtype=str(train.dtype), candidate=str(request.candidate.resolve()),
            entry=request.entry, vocab_size=corpus.vocab_size, sequence_length=length, device=device, steps=self.steps,
            files=lock.tree_digest(request.candidate), cache=str(part.inside),
        )  # fmt: skip
        clock, stream = Clock(LIMIT, part.child.tree), Stream(train, length, request.seed)
        server = Server(part.child, part.channel, part.memory, stream, clock, output, self.launched, self.oom_before)
        limits = Limits(part.child.tree, part.folder)

        def watch() -> bool:
            limits.look()
            return True

        try:
            training = server.run(STARTUP_SECONDS[device], watch, self.notify)
        except Failed as failed:
            if failed.outcome == "timeout" and server.stopped_at is not None:
                raise Failed("timeout", f"its steps and the trace took over {LIMIT}; ask for fewer (--steps)") from None
            raise
        self.result |= {"startup_seconds": training.startup_seconds, "peak_memory": training.peak_memory}
        self.result["flops_per_token"] = training.flops
        return output


def plain_file(folder: Path, name: str, limit: int) -> bytes:
    """What a candidate's process left there. Failed unless it is a plain file of a sensible size: a link could lead to other text."""
    with entries(folder) as (descriptor, _):
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
        except FileNotFoundError:
            raise Failed("crash", "the training ended before enough steps were profiled; ask for fewer (--steps)") from None
        except OSError as error:
            raise Failed("violation", f"{name} is no plain file ({error.strerror})") from None
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise Failed("violation", f"{name} is no plain file")
        data = opened.read(limit + 1)
    if len(data) > limit:
        raise Failed("invalid", f"{name} has over {limit >> 20} MB; ask for fewer steps (--steps)")
    return data


def facts(data: bytes) -> dict[str, float]:
    """The finite numbers above 0 in a JSON object; all else is left out."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Failed("invalid", f"{FACTS} is no JSON object")
    return {name: value for name, value in told.items() if type(value) in (int, float) and 0 < value < 1e30 and math.isfinite(value)}
