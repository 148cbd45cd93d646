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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from eval.early import Bound
from eval.exclusive import exclusive
from eval.process import Child, clean_environment, spawn

from .caches import COLD, Caches
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
from .waiting import Progress, Waiting, stopwatch

POLL_SECONDS = 0.05
GRACE_SECONDS = 3.0  # for the referee to end its own tree after SIGTERM
HUNG_SECONDS = 900.0  # beyond ten budgets; the referee's own deadlines are all shorter
BITS, KEPT, COMPILED, RESULT = "bits.npz", "kept", "compiled", "result.json"


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
    caches: Caches | None = None

    def measure(
        self, *, id: int, role: str, index: int, sha: str, seed: int, dose: Dose = "light", champion: str = "",
        stop_above: Sequence[Bound] = (), keep: bool = False,
    ) -> Measurement:  # fmt: skip
        """`champion`: the commit whose stored bits tell the probes where to look. `keep`: the checkpoint, to be scored again."""
        name, clock = f"{id:04d}-{role}-{index}", stopwatch()
        if self.settings.command:
            with self._folder(name) as folder:
                result = self._command(folder, sha, seed)
        else:
            how = {"sha": sha, "seed": seed, "dose": dose, "champion": champion, "stop_above": stop_above, "keep": keep}
            given = self.caches.given(role, sha, champion) if self.caches else None
            result = self._trained(name, given, **how)
            if given and broke(result):
                result = self._again(name, given, result, how)
        fixed = {"at": time.time(), "id": id, "role": role, "index": index, "sha": sha, "seed": seed}
        return self._recorded(result, fixed, clock())

    def _trained(
        self, name: str, given: Path | None, *, sha: str, seed: int, dose: Dose, champion: str, stop_above: Sequence[Bound], keep: bool
    ) -> dict[str, Any]:
        """The referee's result, in the ledger's words. `given`: what an earlier run compiled."""
        with self._folder(name) as folder:
            options = {"budget": self.settings.budget, "dose": dose} | self._bits(folder, dose, champion)
            options |= {"keep-checkpoint": folder / KEPT} if keep else {}
            options |= {"cache": given} if given else {}
            wanted = self.caches is not None and self.caches.wanted(sha, given)
            options |= {"keep-cache": folder / COMPILED} if wanted else {}
            options["stop-above"] = list(stop_above)
            result = self._referee(folder, "measure", sha, seed, options)
            if result["outcome"] == "ok" and keep:
                self.checkpoints.take(folder / KEPT, sha, seed)
            if result["outcome"] == "ok" and wanted:
                self.caches.take(folder / COMPILED, sha, given)
            return result

    def _again(self, name: str, given: Path, failed: dict[str, Any], how: dict[str, Any]) -> dict[str, Any]:
        """A run that broke before its first batch, from an empty cache: a failure is never what another run had compiled."""
        result = self._trained(name, None, **how)
        if not broke(result):
            if result["outcome"] != "ok" or given != self.caches.path(how["sha"], COLD):  # else it has just been replaced
                self.caches.drop(given)
            self.observer.note("a compile cache was damaged; it is removed, and what it kept from starting was measured without")
        return result | {"waited": result.get("waited", 0.0) + failed.get("waited", 0.0)}

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
        child = self._start(folder, verb, sha, seed, options | {"eval-tokens": self.settings.eval_tokens})
        show = Progress(child, self.observer)
        told = self._told(child, folder, show)
        result = self.context.record(told | ({"budget": self.settings.budget} if verb == "score" else {}), options["dose"])
        result["waited"] = show.waiting.seconds
        if result["outcome"] == "ok" and (folder / BITS).exists():
            self.references.take(folder / BITS, sha)
        return result

    def _start(self, folder: Path, verb: str, sha: str, seed: int, options: dict[str, Any]) -> Child:
        """The referee, at work on a commit. It writes what `_told` reads."""
        settings = self.settings
        self._candidate(folder / "candidate", sha)
        options = {
            "candidate": folder / "candidate", "entry": settings.entry, "corpus": self.context.corpus, "seed": seed,
            "sequence-length": settings.sequence_length, "device": settings.device, "sandbox": self.context.sandbox.level,
            "launcher": sys.executable, "locks": locks(), "scratch": folder / "scratch", "out": folder / RESULT,
            "readable": list(settings.readable),
        } | options  # fmt: skip
        argv = [self.context.python, "-P", "-m", "eval", verb]
        for name, value in options.items():
            argv += [word for one in (value if isinstance(value, list) else [value]) for word in (f"--{name}", str(one))]
        environment = clean_environment(folder, folder, {"PYTHONPATH": str(self.context.referee)})
        return spawn(argv, cwd=folder, env=environment, stdout=subprocess.PIPE)

    def _told(self, child: Child, folder: Path, show: Progress, look: Callable[[], None] | None = None) -> dict[str, Any]:
        """What the referee found, as it says it. UsageError where it refused."""
        cap = 10 * self.settings.limit.seconds + HUNG_SECONDS
        with child.stdout:
            hung = self._wait(child, lambda: show.quiet() > cap, look or show)
        if child.returncode == 2:  # our arguments, the corpus or this machine: trying again would end the same way
            raise UsageError(f"the referee refused: {plain(' '.join(child.log.settle()[-1:]))}")
        if hung or child.returncode or not (folder / RESULT).exists():
            reason = "was hung" if hung else f"ended with {exit_text(child.returncode)} and no result"
            return failure("invalid", f"the referee {reason}", child.log.settle())
        return json.loads((folder / RESULT).read_text())

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


def broke(result: dict[str, Any]) -> bool:
    """Whether it crashed before its first batch."""
    return result["outcome"] == "crash" and not result.get("tokens")


def locks() -> Path:
    """Where this machine's measurements find each other: not in a state folder, for another repository may measure here too."""
    return Path(tempfile.gettempdir())
