"""What is asked of the referee, and the empty result that answers it field by field."""

import json
import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from eval.budget import Budget
from eval.early import Bound
from eval.errors import RefereeError

PROTOCOL = 2
MINIMUM_DISK = 256 << 20  # bytes free under --scratch before a run starts


@dataclass(frozen=True)
class Request:
    """What to measure; see `python -P -m eval measure --help`. With `checkpoint` nothing is trained: that folder is scored."""

    candidate: Path
    entry: str
    corpus: Path
    seed: int
    split: str
    budget: Budget | None  # None only with a checkpoint
    sequence_length: int
    eval_tokens: int
    device: str
    sandbox: str
    scratch: Path
    launcher: str = sys.executable
    readable: tuple[Path, ...] = ()
    dose: str = "light"  # how much the second worker is asked: light | heavy (eval.agreement)
    reference: Path | None = None  # per-token bits of the champion
    save_bits: Path | None = None  # where to put this candidate's
    checkpoint: Path | None = None
    keep_checkpoint: Path | None = None
    cache: Path | None = None  # what an earlier run compiled before its first batch (eval.snapshot)
    keep_cache: Path | None = None  # where to put what this one does
    stop_above: tuple[Bound, ...] = ()  # ends a training that is clearly losing
    probe_seed: int = field(default_factory=lambda: secrets.randbits(62))  # from the system: no candidate can know it
    locks: Path = Path(tempfile.gettempdir())

    def check(self) -> None:
        """RefereeError, one sentence, for what can be seen without starting anything."""
        if not (self.candidate / self.entry).is_file():
            raise RefereeError(f"no entry file {self.entry} in the candidate {self.candidate}; set --entry")
        if not 0 <= self.seed < 1 << 63 or self.sequence_length < 1 or self.eval_tokens < 1:
            raise RefereeError("seed must be at least 0 and below 2^63, sequence_length and eval_tokens at least 1")
        if self.save_bits and self.split == "sealed":
            raise RefereeError("--save-bits would keep bits of the sealed split, which steer nothing; drop it, or use --split val")
        if self.checkpoint and not self.checkpoint.is_dir():
            raise RefereeError(f"--checkpoint {self.checkpoint} is not a folder")
        if self.cache and self.cache.exists() and not self.cache.is_dir():  # one that is gone meanwhile is a cold start
            raise RefereeError(f"--cache {self.cache} is not a folder")
        if self.keep_cache and (self.keep_cache.exists() or not self.keep_cache.resolve().parent.is_dir()):
            raise RefereeError(f"--keep-cache {self.keep_cache} must name a new folder in one that exists")
        shown = [("readable", path) for path in self.readable] + ([("cache", self.cache)] if self.cache and self.cache.exists() else [])
        for option, path in [("candidate", self.candidate), *shown]:
            if not path.exists():
                raise RefereeError(f"--{option} {path} does not exist")
            if self.corpus.resolve().is_relative_to(path.resolve()):
                raise RefereeError(f"--{option} {path} holds the corpus, whose validation text no candidate may read; keep them apart")
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.scratch).free
            tempfile.TemporaryFile(dir=self.scratch).close()
        except OSError as error:
            raise RefereeError(f"cannot use the scratch folder {self.scratch}: {error.strerror}; set --scratch") from None
        if free < MINIMUM_DISK:
            raise RefereeError(f"only {free >> 20} MB free in {self.scratch}, {MINIMUM_DISK >> 20} are needed; free some or set --scratch")

    def constants(self) -> dict:
        """What decides the metric beside code and corpus; part of the metric version."""
        return {"protocol": PROTOCOL, "sequence_length": self.sequence_length, "eval_tokens": self.eval_tokens}


def blank(request: Request) -> dict:
    """A result with every field, of a measurement that has not happened."""
    zeros = ("bits", "startup_seconds", "train_seconds", "train_wall_seconds", "save_seconds", "eval_seconds", "seconds", "epochs")
    zeros += ("startup_cpu_seconds",)  # of the training's processes; where the budget counts CPU time
    zeros += ("tokens_per_second", "flops_per_token")  # per second of the budget's clock; as the candidate counts them
    counts = ("bytes", "scored_tokens", "steps", "tokens", "peak_memory", "parameters", "checkpoint_bytes")
    counts += ("cache_bytes",)  # of what an earlier run had compiled, 0 for a cold start
    return {
        "protocol": PROTOCOL,
        "outcome": "invalid",
        "reason": "",
        "val_bpb": None,  # never 0: zero would be the best value of all
        "seed": request.seed,
        "split": request.split,
        "budget": str(request.budget or ""),
        **dict.fromkeys(zeros, 0.0),
        **dict.fromkeys(counts, 0),
        "mfu": None,  # share of the device's peak, see eval.devices
        "curve": [],
        "leak": None,  # {"dose", "cuts", "positions", "bpb", "bound", "exact", "seed", "seconds"}, see eval.agreement
        "audit": None,  # {"gap", "error", "z", "bpb"}, see eval.audit
        "reproduction": None,
        "explanation": "",
        "neighbours": {},
        "isolation": "none",
        "isolation_note": "",
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
