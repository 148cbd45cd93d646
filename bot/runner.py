"""Runs measurements: calls the referee (or a target's own command) as a process and turns its result into a `Measurement`.

The candidate is an export of one commit in a private folder that is wiped afterwards; nothing it prints is a score.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from eval.early import Bound
from eval.exclusive import exclusive
from eval.process import Child, clean_environment, spawn

from .checkpoints import Checkpoints
from .command import exit_text, failure, read_metrics, words
from .context import Context
from .errors import StopNow, UsageError
from .gitrepo import GitRepo
from .live import Observer
from .records import Dose, Measurement
from .references import References
from .report.text import plain
from .settings import Settings
from .signals import Stop

POLL_SECONDS = 0.05
GRACE_SECONDS = 3.0  # for the referee to end its own tree after SIGTERM
HUNG_SECONDS = 900.0  # beyond ten budgets; the referee's own deadlines are all shorter
BITS, KEPT = "bits.npz", "kept"
WAITING = "waiting"  # the phase in which another measurement has the device; it may take hours


@dataclass
class Runner:
    """`measure` is one call of the referee: (sha, seed) on this machine, under this context."""

    settings: Settings
    repo: GitRepo
    context: Context
    scratch: Path
    observer: Observer
    stop: Stop
    references: References | None = None
    checkpoints: Checkpoints | None = None

    def measure(
        self, *, id: int, role: str, index: int, sha: str, seed: int, dose: Dose = "light", champion: str = "",
        stop_above: Sequence[Bound] = (), keep: bool = False,
    ) -> Measurement:  # fmt: skip
        """`champion`: the commit whose stored bits tell the probes where to look. `keep`: the checkpoint, to be scored again."""
        with self._folder(f"{id:04d}-{role}-{index}") as folder:
            clock = stopwatch()
            if self.settings.command:
                result = self._command(folder, sha, seed)
            else:
                options = {"budget": self.settings.budget, "dose": dose} | self._bits(folder, dose, champion)
                options |= {"keep-checkpoint": folder / KEPT} if keep else {}
                options["stop-above"] = list(stop_above)
                result = self._referee(folder, "measure", sha, seed, options)
                if result["outcome"] == "ok" and keep:
                    self.checkpoints.take(folder / KEPT, sha, seed)
            fixed = {"at": time.time(), "id": id, "role": role, "index": index, "sha": sha, "seed": seed}
            return self._recorded(result, fixed, clock())

    def score(self, run: Measurement) -> Measurement:
        """The kept checkpoint of `run` on the sealed split."""
        checkpoint = self.checkpoints.path(run.sha, run.seed)
        with self._folder(f"{run.id:04d}-sealed-{run.index}") as folder:
            clock = stopwatch()
            options = {"checkpoint": checkpoint, "split": "sealed", "dose": "light"}
            result = self._referee(folder, "score", run.sha, run.seed, options)
            fixed = {"at": time.time(), "id": run.id, "role": run.role, "index": run.index, "sha": run.sha, "seed": run.seed}
            return self._recorded(result | {"split": "sealed"}, fixed, clock())

    def _recorded(self, result: dict[str, Any], fixed: dict[str, Any], seconds: float) -> Measurement:
        """Without the seconds in which another measurement had the device: they are that one's."""
        told = {"context": self.context.digest, **result, "seconds": round(seconds - result.get("waited", 0.0), 3)}
        return msgspec.convert({name: told[name] for name in told if name != "waited"} | fixed, Measurement, strict=False)

    @contextmanager
    def _folder(self, name: str) -> Iterator[Path]:
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _bits(self, folder: Path, dose: Dose, champion: str) -> dict[str, Path]:
        """The champion's stored bits in, and out of a heavy run the candidate's, which it will need as champion."""
        if not self.references:
            return {}
        known = self.references.find(champion) if champion else None
        return ({"reference": known} if known else {}) | ({"save-bits": folder / BITS} if dose == "heavy" else {})

    def _referee(self, folder: Path, verb: str, sha: str, seed: int, options: dict[str, Any]) -> dict[str, Any]:
        settings, out = self.settings, folder / "result.json"
        self._candidate(folder / "candidate", sha)
        options |= {
            "candidate": folder / "candidate", "entry": settings.entry, "corpus": self.context.corpus, "seed": seed,
            "sequence-length": settings.sequence_length, "eval-tokens": settings.eval_tokens,
            "device": settings.device, "sandbox": self.context.sandbox.level, "launcher": sys.executable, "locks": locks(),
            "scratch": folder / "scratch", "out": out,
        }  # fmt: skip
        options["readable"] = list(settings.readable)
        argv = [self.context.python, "-P", "-m", "eval", verb]
        for name, value in options.items():
            argv += [word for one in (value if isinstance(value, list) else [value]) for word in (f"--{name}", str(one))]
        environment = clean_environment(folder, folder, {"PYTHONPATH": str(self.context.referee)})
        child = spawn(argv, cwd=folder, env=environment, stdout=subprocess.PIPE)
        cap = 10 * settings.limit.seconds + HUNG_SECONDS
        show = Progress(child, self.observer)
        with child.stdout:
            hung = self._wait(child, lambda: show.quiet() > cap, show)
        if child.returncode == 2:  # our arguments, the corpus or this machine: trying again would end the same way
            raise UsageError(f"the referee refused to measure: {plain(' '.join(child.log.settle()[-1:]))}")
        if hung or child.returncode or not out.exists():
            reason = "was hung" if hung else f"ended with {exit_text(child.returncode)} and no result"
            return failure("invalid", f"the referee {reason}", child.log.settle())
        told = json.loads(out.read_text())
        result = self.context.record(told | ({"budget": settings.budget} if verb == "score" else {}), options["dose"])
        result["waited"] = show.waiting.seconds
        if result["outcome"] == "ok" and (folder / BITS).exists():
            self.references.take(folder / BITS, sha)
        return result

    def _candidate(self, folder: Path, sha: str) -> None:
        """What is measured: the locked files of the base commit, the editable ones of `sha`, and nothing else."""
        if self.settings.locked:
            self.repo.export(self.context.base, folder, list(self.settings.locked))
        self.repo.export(sha, folder, list(self.settings.editable))

    def _command(self, folder: Path, sha: str, seed: int) -> dict[str, Any]:
        tree, settings, context = folder / "tree", self.settings, self.context
        self.repo.export(context.base, tree)
        for path in settings.editable:  # unlinked first: an editable file never writes through a link of the base commit
            (tree / path).unlink(missing_ok=True)
        self.repo.export(sha, tree, list(settings.editable))
        home, temporary = folder / "home", folder / "tmp"
        home.mkdir()
        temporary.mkdir()
        environment = clean_environment(home, temporary, {"AUTORESEARCH_SEED": str(seed)})
        argv = words(settings.command, context.python, tree, environment.get("PATH", os.defpath))
        if argv is None:
            return failure("crash", f"the command cannot be started: there is no program {settings.command[0]}", [])
        reading = [*context.reading, *map(Path, settings.readable)]
        argv = context.sandbox.wrap(argv, cwd=tree, write=[folder], read=reading, private=temporary, device=settings.device)
        with self._alone() as waiting:
            child = spawn(argv, cwd=tree, env=environment)
            clock, limit = stopwatch(), settings.limit.seconds
            spent = child.tree.cpu_seconds if settings.limit.clock == "cpu" else clock
            late = self._wait(child, lambda: spent() > limit or clock() > 10 * limit + HUNG_SECONDS)
            child.log.settle()
        facts = {"train_seconds": round(spent(), 3), "peak_memory": child.tree.peak_rss(), "machine": context.machine}
        facts |= {"isolation": context.sandbox.level, "isolation_note": context.sandbox.note, "waited": waiting.seconds}
        if late:
            return facts | failure("timeout", f"the command was still running after {settings.budget}", child.log.lines())
        return facts | read_metrics(child.returncode, child.log.tail.decode("utf-8", "replace").splitlines(), settings.metric)

    @contextmanager
    def _alone(self) -> Iterator["Waiting"]:
        """One measurement at a time on the device, whoever runs it; the referee does the same for its own. Yields how long that took."""

        show = Waiting(self.observer)

        def waiting() -> None:
            show()
            if self.stop.now:
                raise StopNow(self.stop.now)

        with exclusive(self.settings.device, locks(), waiting):
            yield show

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


def locks() -> Path:
    """Where this machine's measurements find each other: not in a state folder, for another repository may measure here too."""
    return Path(tempfile.gettempdir())


def stopwatch() -> Callable[[], float]:
    """Wall seconds since this call."""
    began = time.monotonic()
    return lambda: time.monotonic() - began


class Waiting:
    """Says once that another measurement has the device, then only moves the display. `seconds`: how long that went on."""

    def __init__(self, observer: Observer):
        self.observer, self.seconds, self.clock = observer, 0.0, None

    def __call__(self) -> None:
        if self.clock:
            self.seconds = self.clock()
        else:
            self.clock = stopwatch()
            self.observer.note("another measurement is using this device; waiting for it to end")
        self.observer.progress(WAITING, 0.0)


class Progress:
    """Shows the referee's progress lines; what is not one is ignored, it decides nothing."""

    def __init__(self, child: Child, observer: Observer):
        self.pipe, self.observer, self.rest = child.stdout, observer, b""
        self.waiting, self.quiet = Waiting(observer), stopwatch()  # `quiet`: seconds since the device is ours
        os.set_blocking(self.pipe.fileno(), False)

    def __call__(self) -> None:
        *lines, self.rest = (self.rest + (self.pipe.read() or b"")).split(b"\n")
        if lines:
            with suppress(ValueError, TypeError, KeyError):  # a library may print there too
                line = json.loads(lines[-1])
                if line["phase"] == WAITING:
                    self.quiet = stopwatch()
                    return self.waiting()
                self.observer.progress(line["phase"], line["progress"], line["loss"])
