"""Runs measurements: calls the referee (or a target's own command) as a process and turns its result into a `Measurement`.

The candidate is an export of one commit in a private folder that is wiped afterwards; nothing it prints is a score.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from eval.process import Child, clean_environment, spawn

from .command import exit_text, failure, read_metrics
from .context import Context
from .errors import StopNow, UsageError
from .gitrepo import GitRepo
from .live import Observer
from .records import Measurement
from .settings import Settings
from .signals import Stop

POLL_SECONDS = 0.05
GRACE_SECONDS = 3.0  # for the referee to end its own tree after SIGTERM
HUNG_SECONDS = 900.0  # beyond ten budgets; the referee's own deadlines are all shorter


@dataclass
class Runner:
    """`measure` is one call of the referee: (sha, seed) on this machine, under this context."""

    settings: Settings
    repo: GitRepo
    context: Context
    scratch: Path
    observer: Observer
    stop: Stop

    def measure(self, *, id: int, role: str, index: int, sha: str, seed: int, split: str = "val") -> Measurement:
        folder = self.scratch / f"{id:04d}-{role}-{index}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        clock = stopwatch()
        try:
            run = self._command if self.settings.command else self._referee
            result = run(folder, sha, seed, split)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        result = {"context": self.context.digest, **result, "seconds": round(clock(), 3), "split": split}
        fixed = {"at": time.time(), "id": id, "role": role, "index": index, "sha": sha, "seed": seed}
        return msgspec.convert(result | fixed, Measurement, strict=False)

    def _referee(self, folder: Path, sha: str, seed: int, split: str) -> dict[str, Any]:
        settings, out = self.settings, folder / "result.json"
        self.repo.export(sha, folder / "candidate", [*settings.editable, *settings.locked])
        options = {
            "candidate": folder / "candidate", "entry": settings.entry, "corpus": self.context.corpus, "seed": seed, "split": split,
            "budget": settings.budget, "sequence-length": settings.sequence_length, "eval-tokens": settings.eval_tokens,
            "device": settings.device, "sandbox": settings.sandbox, "scratch": folder / "scratch", "out": out,
        }  # fmt: skip
        argv = [self.context.python, "-P", "-m", "eval", "measure"]
        argv += [word for name, value in options.items() for word in (f"--{name}", str(value))]
        environment = clean_environment(folder, folder, {"PYTHONPATH": str(self.context.referee)})
        child = spawn(argv, cwd=folder, env=environment, stdout=subprocess.PIPE)
        show = Progress(child, self.observer)
        clock, cap = stopwatch(), 10 * settings.limit.seconds + HUNG_SECONDS
        with child.stdout:
            hung = self._wait(child, lambda: clock() > cap, show)
        if child.returncode == 2:  # our arguments, the corpus or this machine: trying again would end the same way
            raise UsageError(f"the referee refused to measure: {' '.join(child.log.settle()[-1:])}")
        if hung or child.returncode or not out.exists():
            reason = "was hung" if hung else f"ended with {exit_text(child.returncode)} and no result"
            return failure("invalid", f"the referee {reason}", child.log.settle())
        return self.context.record(json.loads(out.read_text()))

    def _command(self, folder: Path, sha: str, seed: int, split: str) -> dict[str, Any]:
        tree, settings, context = folder / "tree", self.settings, self.context
        self.repo.export(context.base, tree)
        for path in settings.editable:  # unlinked first: an editable file never writes through a link of the base commit
            (tree / path).unlink(missing_ok=True)
        self.repo.export(sha, tree, list(settings.editable))
        first, *rest = settings.command
        home = folder / "home"
        home.mkdir()
        environment = clean_environment(home, home, {"AUTORESEARCH_SEED": str(seed)})
        try:
            child = spawn([context.python if first in ("python", "python3") else first, *rest], cwd=tree, env=environment)
        except OSError as error:
            return failure("crash", f"the command cannot be started: {error}", [])
        clock, limit = stopwatch(), settings.limit.seconds
        spent = child.tree.cpu_seconds if settings.limit.clock == "cpu" else clock
        late = self._wait(child, lambda: spent() > limit or clock() > 10 * limit + HUNG_SECONDS)
        child.log.settle()
        facts = {"train_seconds": round(spent(), 3), "peak_memory": child.tree.peak_rss(), "isolation": "none", "machine": context.machine}
        if late:
            return facts | failure("timeout", f"the command was still running after {settings.budget}", child.log.lines())
        return facts | read_metrics(child.returncode, child.log.tail.decode("utf-8", "replace").splitlines(), settings.metric)

    def _wait(self, child: Child, late: Callable[[], bool], look: Callable[[], None] = lambda: None) -> bool:
        """Until the child has ended (False) or is `late` (True); its whole tree is dead afterwards. StopNow when a signal says so."""
        try:
            while child.wait(POLL_SECONDS) is None:
                look()
                child.tree.peak_rss()
                if self.stop.now:
                    child.terminate()
                    child.wait(GRACE_SECONDS)
                    raise StopNow(self.stop.now)
                if late():
                    return True
            return False
        finally:
            child.kill()


def stopwatch() -> Callable[[], float]:
    """Wall seconds since this call."""
    began = time.monotonic()
    return lambda: time.monotonic() - began


class Progress:
    """Shows the referee's progress lines; what is not one is ignored, it decides nothing."""

    def __init__(self, child: Child, observer: Observer):
        self.pipe, self.observer, self.rest = child.stdout, observer, b""
        os.set_blocking(self.pipe.fileno(), False)

    def __call__(self) -> None:
        *lines, self.rest = (self.rest + (self.pipe.read() or b"")).split(b"\n")
        if lines:
            with suppress(ValueError, TypeError, KeyError):  # a library may print there too
                line = json.loads(lines[-1])
                self.observer.progress(line["phase"], line["progress"], line["loss"])
