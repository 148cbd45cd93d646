"""One candidate in one world, measured by the real referee in real processes, called as the bot calls it."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.selftest import cheats, corpus
from bot.selftest.world import World

LIMIT_SECONDS = 420.0  # wall, for one measurement; the referee's own deadlines are shorter
SEED = 1
BUDGETS = {"cpu": "1s cpu"}  # elsewhere wall time
BITS = "bits.npz"


@dataclass(frozen=True)
class Bench:
    """What all trials of a self-test share. `launcher`: an interpreter with landlockpy; `honest`: the honest candidate's val_bpb."""

    python: str
    launcher: str
    device: str
    root: Path
    referee: Path  # staged once, so that an edit of the sources meanwhile does not make the results incomparable
    fresh: bool = False  # probes from the system's entropy instead of the same ones every time
    honest: float = 0.0

    @property
    def bits(self) -> Path:
        return self.root / BITS

    @property
    def budget(self) -> str:
        return BUDGETS.get(self.device, "2s")


def measure(
    bench: Bench, world: World, level: str, source: str, *, files: Mapping[str, str] | None = None, memory: int = 0, **options: Any
) -> dict[str, Any]:
    """The referee's result for one train.py; outcome "invalid" where it gave none. Extra `options` go to its command line."""
    candidate, out = world.run / "candidate", world.run / "result.json"
    for name, text in ({"train/train.py": source} | dict(files or {})).items():
        path = candidate / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    given = {
        "candidate": candidate, "corpus": world.root / "corpus", "out": out, "scratch": world.run / "scratch", "locks": world.run,
        "seed": SEED, "sequence-length": corpus.LENGTH, "eval-tokens": corpus.EVAL_TOKENS, "budget": bench.budget,
        "device": bench.device, "sandbox": level, "launcher": bench.launcher, "keep-checkpoint": world.run / "kept",
    }  # fmt: skip
    given |= {} if bench.fresh else {"probe-seed": SEED}
    given |= {"reference": bench.bits} if bench.bits.exists() else {}
    argv = [bench.python, "-P", "-m", "eval", "measure"]
    argv += [word for name, value in (given | options).items() for word in (f"--{name}", str(value))]
    call = [sys.executable, "-m", "bot.selftest.caller", str(world.run), str(world.referee), str(memory), "--", *argv]
    secret = {name: world.secrets["environment"] for name in ("GITHUB_TOKEN", "LLM_API_KEY")}
    environment = dict(os.environ) | {"PYTHONPATH": str(cheats.ROOT)} | secret
    caller = subprocess.Popen(call, env=environment, cwd=world.run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = caller.communicate(timeout=LIMIT_SECONDS)[1].strip()
    except subprocess.TimeoutExpired:
        said = f"no end after {LIMIT_SECONDS:g} s"
    finally:
        caller.kill()  # and with it the referee and all below, see PR_SET_PDEATHSIG
        caller.wait()
    with contextlib.suppress(OSError, ValueError):
        return json.loads(out.read_text())
    return {"outcome": "invalid", "reason": f"no result: {said[-200:]}", "val_bpb": None, "log_tail": "", "isolation": level}
