"""What makes two measurements comparable: metric version, corpus, budget, machine and the list of files.

Worked out once per `run`, without torch."""

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.errors import RefereeError
from eval.interpreter import needs
from eval.sandbox import Sandbox, choose

from .errors import AutoresearchError, UsageError
from .gitrepo import GitRepo
from .live import Observer
from .result import flat
from .settings import Settings

FACTS = ("device", "device_name", "memory_gib", "cpu", "cores", "driver", "torch", "cuda", "python", "system")  # told; no serial number


@dataclass(frozen=True)
class Context:
    digest: str  # equal or never compared
    base: str  # commit that the locked files come from
    python: str  # the training interpreter
    referee: Path  # PYTHONPATH that holds the referee alone
    machine: str
    sandbox: Sandbox  # what this machine has; the level of a run is recorded and does not make it another context
    corpus: Path | None = None
    budget: str = ""
    files: str = ""  # which files of the target are measured, and from which one it starts
    reading: tuple[Path, ...] = ()  # what a command may read beside the system: the training interpreter
    facts: dict[str, str] = field(default_factory=dict)  # of the machine, as people name them: FACTS

    def record(self, result: dict[str, Any], dose: str) -> dict[str, Any]:
        """The referee's result in the ledger's words; its context is computed from what the referee says it measured.

        A result of another context, or one that was probed less than was asked, has no value."""
        known = flat(result)
        context = digest(known.get("metric_version", ""), known.get("corpus", ""), known.get("budget", ""), known["machine"], self.files)
        known["context"] = self.digest
        if known["outcome"] not in ("ok", "stopped"):
            return known
        if context != self.digest:
            return known | {"outcome": "invalid", "value": None, "reason": "the machine, corpus or referee changed since this run began"}
        if known["outcome"] == "ok" and known.get("dose") != dose:
            reason = f"the referee was asked for {dose} probes and made {known.get('dose') or 'none'}"
            return known | {"outcome": "invalid", "value": None, "reason": reason}
        return known


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def isolation(settings: Settings, launcher: str = sys.executable) -> Sandbox:
    """The level that `sandbox:` gets on this machine, found by trying it. UsageError where it is less than required."""
    try:
        return choose(settings.sandbox, launcher)
    except RefereeError as error:
        raise UsageError(f"sandbox: {error}; `autoresearch doctor` says what is missing") from error


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


def told(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(found[name]) for name in FACTS if found.get(name)}


def for_model(settings: Settings, base: str, state: Path, observer: Observer) -> tuple[Settings, Context]:
    """Settings with every `auto` resolved for this machine, and the context of a bits-per-byte target."""
    from eval import lock
    from eval.cache import default_cache_dir
    from eval.corpus import Corpus, prepare
    from eval.request import PROTOCOL

    python, referee, sandbox = settings.python, lock.stage(state / "referee"), isolation(settings)
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
    made = Context(key, base, python, referee, found["fingerprint"], sandbox, folder, settings.budget, files, facts=told(found))
    return settings, made


def for_command(settings: Settings, repo: GitRepo, base: str, state: Path) -> tuple[Settings, Context]:
    """The context of a command target: its command, its locked files, its deadline and this machine."""
    from eval.fingerprint import cores, cpu_name

    sandbox = isolation(settings)
    settings = settings.resolved("cpu") if settings.device == "auto" else settings
    python = settings.python
    done = subprocess.run([python, "-V"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AutoresearchError(f"python: {python} does not run: {done.stderr.strip()}")
    here = digest(platform.machine(), platform.processor(), platform.node(), str(cores()), done.stdout.strip())
    locked = {path: entry for path, entry in repo.tree(base).items() if path not in settings.editable}
    key = digest(*settings.command, settings.metric, settings.budget, json.dumps(locked, sort_keys=True), here)
    reading = tuple(map(Path, needs(python, state)[1]))
    facts = told({
        "device": settings.device, "cpu": cpu_name(), "cores": cores(), "python": done.stdout.strip().removeprefix("Python "),
        "system": f"{platform.system()} {platform.machine()}",
    })  # fmt: skip
    return settings, Context(key, base, python, state, here, sandbox, budget=settings.budget, reading=reading, facts=facts)
