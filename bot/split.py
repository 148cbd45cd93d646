"""`devices: auto`: every GPU there is; of a CPU as many parts as it pays to measure on at once, which is measured, not guessed.

A trial trains the files of `base` in three ways that take turns: on the parts so far (at first all cores), on one of the halved parts
alone, and on all of these at once. Halving goes on while it pays. A neighbour's work must not show in a measurement, for nobody can
promise one to every run: a worker that waits for a model's answer is none.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from eval import nvidia
from eval.budget import Budget
from eval.fingerprint import cpu_name
from eval.process import Child
from eval.run import likely

from . import cores
from .context import digest, for_model
from .devices import AUTO
from .errors import AutoresearchError
from .live import Observer
from .report.text import plain
from .runner import Runner
from .signals import Stop
from .waiting import Progress

if TYPE_CHECKING:
    from .gitrepo import GitRepo
    from .settings import Settings

ROUNDS, SEED = 3, 1
SECONDS = 20.0  # of the budget, at most: a trial compares speeds
MOST = 8  # parts; each measures a baseline and every kept change for itself
GAIN = 1.25  # times the steps that the machine makes in an hour
SHRINK = 0.9  # of the steps that a run made with more cores: with fewer the question is another one
NEIGHBOUR = 0.05  # of a run's steps, more or fewer; a commit's own runs differ by about as much
FILE = "split.json"


@dataclass(frozen=True)
class Turn:
    """Runs that were begun at once. steps: of each; seconds: until the last had ended, the wait for other measurements apart."""

    steps: tuple[int, ...]
    seconds: float

    @property
    def rate(self) -> float:
        return sum(self.steps) / self.seconds


def resolved(settings: "Settings", repo: "GitRepo", state: Path, observer: Observer, stop: Stop) -> "Settings":
    """The settings with `devices: auto` replaced by what it is here: none where there is only one."""
    if settings.devices != AUTO:
        return settings
    device, found = likely(settings.device), ()
    if device == "cuda":
        found = every_gpu()
    elif device == "cpu" and not settings.command:  # what a command prints may be any time, and a neighbour shows in that
        found = parts(settings, repo, state, observer, stop)
    else:
        observer.note("devices: `auto` divides no CPU for a command, and no other accelerator; one measurement at a time")
    return settings.model_copy(update={"devices": tuple(found) if len(found) > 1 else ()})


def every_gpu(environ: Any = os.environ) -> Sequence[str]:
    """Those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists."""
    given = environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [one for one in (word.strip() for word in given.split(",")) if one]
    return [row[0] for row in nvidia.query("--query-gpu=index", nvidia.ALL) or []]


def parts(settings: "Settings", repo: "GitRepo", state: Path, observer: Observer, stop: Stop) -> Sequence[str]:
    """Of this machine's CPU, from the last trial where nothing that it depends on has changed. Empty where it is not divided."""
    mine, base = cores.usable(), repo.resolve(settings.base)
    if len(mine) < 2 or not base:
        observer.note("devices: `auto` finds one core, or a system that does not let a program choose; one measurement at a time")
        return ()
    tree = repo.tree(base)
    files = [str(tree.get(path)) for path in (*settings.editable, *settings.locked)]
    key = digest(cpu_name(), cores.named(mine), settings.budget, settings.entry, settings.corpus, *files)
    path = state / FILE
    known = read(path)
    if known.get("key") != key:
        found, why = tried(settings, repo, base, state, observer, stop, mine)
        known = {"key": key, "parts": list(found), "why": why}
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(known))
        temporary.replace(path)
    observer.note(f"devices: {known['why']}")
    return known["parts"]


def read(path: Path) -> dict[str, Any]:
    """{} where there was no trial yet, or its file does not say."""
    try:
        known = json.loads(path.read_text())
        return known if {"key", "parts", "why"} <= known.keys() and all(map(cores.cores_of, known["parts"])) else {}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def tried(
    settings: "Settings", repo: "GitRepo", base: str, state: Path, observer: Observer, stop: Stop, mine: Sequence[int]
) -> tuple[Sequence[str], str]:
    """(parts, why), by trial."""
    observer.note("devices: trying whether measurements at once pay here; some minutes, once")
    settings, context = for_model(settings, base, state, observer)
    limit = settings.limit
    short = str(Budget(min(SECONDS, limit.seconds), limit.clock))
    trial = Trial(settings.model_copy(update={"budget": short}), repo, context, state / "trial", observer, stop)
    try:
        return halved(mine, lambda where: trial.turn(base, where))
    except Unfit as error:
        return (), f"one measurement at a time: {error}"


class Unfit(AutoresearchError):
    """A trial run that did not end well."""


def halved(mine: Sequence[int], turn: Callable[[Sequence[str]], Turn]) -> tuple[Sequence[str], str]:
    """(parts, why): twice as many while that pays."""
    best, count, said = [cores.named(mine)], 2, []
    while count <= min(MOST, len(mine)):
        more = cores.divided(mine, count)
        rounds = [(turn(best), turn(more[:1]), turn(more)) for _ in range(ROUNDS)]
        pays, found = verdict(*zip(*rounds, strict=True))
        said.append(f"{count} at once make {found}")
        if not pays:
            break
        best, count = more, 2 * count
    what = f"{', '.join(best)} measure at once" if len(best) > 1 else "one measurement at a time"
    return best if len(best) > 1 else (), f"{what}: {'; '.join(said)}"


def verdict(before: Sequence[Turn], alone: Sequence[Turn], together: Sequence[Turn]) -> tuple[bool, str]:
    """Whether `together` pays: over `before`, and without a run that could tell it from `alone`. And the numbers, in words."""
    gain = median(b.rate / a.rate for a, b in zip(before, together, strict=True))
    long, lone, shared = (median(steps for turn in turns for steps in turn.steps) for turns in (before, alone, together))
    shrink, neighbour = shared / long, shared / lone - 1
    said = f"{gain:.2f} times the steps in an hour, in a run {shrink - 1:+.1%} of them, {neighbour:+.1%} for its neighbours"
    if gain < GAIN:
        return False, f"{said}, less than {GAIN} times"
    if shrink < SHRINK:
        return False, f"{said}, and a run may lose {1 - SHRINK:.0%} at most"
    if abs(neighbour) > NEIGHBOUR:
        return False, f"{said}, so runs beside others are not like runs without"
    return True, said


class Trial(Runner):
    """A runner that trains on several parts at once and asks for nothing but the steps. No ledger gets it."""

    def turn(self, sha: str, where: Sequence[str]) -> Turn:
        with ExitStack() as ended:
            begun: list[tuple[Child, Path, Progress]] = []
            for number, part in enumerate(where):
                folder = ended.enter_context(self._folder(f"{number}"))
                options = {"budget": self.settings.budget, "dose": "light"}
                with cores.pinned(part):
                    child = self._start(folder, "measure", sha, SEED + number, options)
                ended.callback(child.kill)
                begun.append((child, folder, Progress(child, self.observer)))
            found = [self._told(child, folder, show) for child, folder, show in begun]
        for result in found:
            if result["outcome"] != "ok":
                raise Unfit(f"a trial run ended as {result['outcome']} ({plain(result['reason'], 200)})")
        return Turn(tuple(result["steps"] for result in found), max(result["seconds"] for result in found))
