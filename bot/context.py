"""What makes two measurements comparable: metric version, corpus, budget, machine and the list of files.

Worked out once per `run`, without torch."""

import hashlib
import json
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.errors import RefereeError

from .errors import AutoresearchError, UsageError
from .gitrepo import GitRepo
from .live import Observer
from .settings import Settings


@dataclass(frozen=True)
class Context:
    digest: str  # equal or never compared
    base: str  # commit that the locked files come from
    python: str  # the training interpreter
    referee: Path  # PYTHONPATH that holds the referee alone
    machine: str
    corpus: Path | None = None
    budget: str = ""
    files: str = ""  # which files of the target are measured, and from which one it starts

    def record(self, result: dict[str, Any]) -> dict[str, Any]:
        """The referee's result in the ledger's words; its context is computed from what the referee says it measured."""
        curve = tuple(round(x, 5) for point in result.pop("curve", None) or () for x in point)
        machine = (result.pop("machine", None) or {}).get("fingerprint", "")
        value = result.pop("val_bpb", None)
        known = {k: v for k, v in result.items() if v is not None and k not in ("protocol", "leak")}
        context = digest(known.get("metric_version", ""), known.get("corpus", ""), known.get("budget", ""), machine, self.files)
        if context != self.digest and known["outcome"] == "ok":
            known |= {"outcome": "invalid", "reason": "the machine, corpus or referee changed since this run began"}
            value = None
        return known | {"value": value, "curve": curve, "machine": machine, "context": self.digest}


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def machine(python: str, referee: Path, device: str) -> dict[str, Any]:
    """What the training interpreter finds on this machine. UsageError when it has no torch."""
    from eval.process import clean_environment

    argv = [python, "-P", "-m", "eval", "machine", "--device", device]
    environment = clean_environment(referee, referee, {"PYTHONPATH": str(referee)})
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=referee)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UsageError(f"python: {python} cannot measure here: {last} (install torch and numpy there, or set `python:`)")
    return json.loads(done.stdout)


def for_model(settings: Settings, base: str, state: Path, observer: Observer) -> tuple[Settings, Context]:
    """Settings with every `auto` resolved for this machine, and the context of a bits-per-byte target."""
    from eval import lock
    from eval.corpus import Corpus, default_cache_dir, prepare
    from eval.measure import PROTOCOL

    python, referee = settings.python, lock.stage(state / "referee")
    found = machine(python, referee, settings.device)
    settings = settings.resolved(found["device"])
    if settings.limit.clock == "cpu" and settings.device != "cpu":
        raise UsageError(f"budget: {settings.budget} counts CPU time, which says nothing about {settings.device}; use wall time like 5m")
    try:
        folder = prepare(settings.corpus, settings.vocab_size, default_cache_dir(), observer.note)
        corpus = Corpus.open(folder)
    except RefereeError as error:
        raise UsageError(f"corpus: {error}") from error
    constants = {"protocol": PROTOCOL, "sequence_length": settings.sequence_length, "eval_tokens": settings.eval_tokens}
    version = lock.metric_version(corpus.digest, constants)
    files = digest(settings.entry, *sorted([*settings.editable, *settings.locked]))
    key = digest(version, corpus.digest, settings.budget, found["fingerprint"], files)
    return settings, Context(key, base, python, referee, found["fingerprint"], folder, settings.budget, files)


def for_command(settings: Settings, repo: GitRepo, base: str, state: Path) -> tuple[Settings, Context]:
    """The context of a command target: its command, its locked files, its deadline and this machine."""
    if settings.sandbox == "require":
        raise UsageError("sandbox: this version cannot isolate a command, so `require` refuses to run it; write `auto`, or `none`")
    settings = settings.resolved("cpu") if settings.device == "auto" else settings
    python = settings.python
    done = subprocess.run([python, "-V"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AutoresearchError(f"python: {python} does not run: {done.stderr.strip()}")
    here = digest(platform.machine(), platform.processor(), platform.node(), done.stdout.strip())
    locked = {path: entry for path, entry in repo.tree(base).items() if path not in settings.editable}
    key = digest(*settings.command, settings.metric, settings.budget, json.dumps(locked, sort_keys=True), here)
    return settings, Context(key, base, python, state, here, budget=settings.budget)
