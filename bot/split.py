"""`devices: auto`: every GPU there is; of a CPU as many parts as it pays to measure on at once, which is measured, not guessed.

A trial trains the base's files in three ways that take turns: on the parts so far (at first all cores), on one of the halved parts
alone, and on all of these at once. Halving goes on while it pays. A neighbour's work must not show in a measurement, for nobody can
promise one to every run: a worker that waits for a model's answer is none.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from eval import nvidia
from eval.budget import Budget
from eval.process import Child

from . import cores
from .context import Context, digest, for_model
from .devices import AUTO, DEVICE, VISIBLE
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
GAIN = 1.25  # times the steps that the machine makes in an hour, at each halving
SHRINK = 0.9  # of the steps that a run made with all cores: with fewer the question is another one
NEIGHBOUR = 0.05  # of a run's steps, more or fewer; a commit's own runs differ by about as much
FILE, REMEMBERED = "split.json", 16  # trials


@dataclass(frozen=True)
class Turn:
    """Runs that were begun at once. steps: of each; seconds: until the last had ended, the wait for other measurements apart."""

    steps: tuple[int, ...]
    seconds: float

    @property
    def rate(self) -> float:
        return sum(self.steps) / self.seconds


def resolved(
    settings: "Settings", repo: "GitRepo", base: str, state: Path, observer: Observer, stop: Stop, trial: bool = True
) -> "Settings":
    """The settings with `devices: auto` replaced by what it is here: none where there is only one. Without `trial`: what is known."""
    if settings.devices != AUTO:
        return settings
    found: Sequence[str] = ()
    if settings.command:  # what it prints may be any time, and a neighbour on the same CPU shows in that
        found = every_gpu() if settings.device == "cuda" else ()
        if settings.device != "cuda":
            observer.note("devices: `auto` divides no CPU for a command; one measurement at a time")
    else:
        known, context = for_model(settings, base, state, observer)
        if known.device == "cuda":
            found = every_gpu()
        elif known.device == "cpu":
            found = parts(known, repo, base, context, state, observer, stop, trial)
    return settings.model_copy(update={"devices": tuple(found) if len(found) > 1 else ()})


def every_gpu(environ: Mapping[str, str] = os.environ) -> Sequence[str]:
    """Those of CUDA_VISIBLE_DEVICES, up to the first that is none as CUDA reads it; without that variable all that nvidia-smi lists."""
    given = environ.get(VISIBLE)
    if given is None:
        return [row[0] for row in nvidia.query("--query-gpu=index", nvidia.ALL) or []]
    words = [word.strip() for word in given.split(",")]
    end = next((at for at, word in enumerate(words) if not DEVICE.fullmatch(word)), len(words))
    return list(dict.fromkeys(words[:end]))


def parts(
    settings: "Settings", repo: "GitRepo", base: str, context: Context, state: Path, observer: Observer, stop: Stop, trial: bool
) -> Sequence[str]:
    """Of this machine's CPU, from an earlier trial where all that it depends on is as it was. Empty where it is not divided."""
    mine = cores.usable()
    if len(mine) < 2:
        observer.note("devices: `auto` finds one core, or a system where no program chooses its cores; one measurement at a time")
        return ()
    files = [blob for _, blob in repo.tree(base, [*settings.editable, *settings.locked]).values()]
    key, path = digest(context.digest, context.sandbox.level, cores.named(mine), *files), state / FILE
    known = read(path)
    if key not in known:
        if not trial:
            return ()
        try:
            found, why = tried(settings, repo, base, context, state, observer, stop, mine)
        except Unfit as error:  # may pass, so it is not remembered
            observer.note(f"devices: one measurement at a time: {error}")
            return ()
        known[key] = {"parts": list(found), "why": why}
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(dict(list(known.items())[-REMEMBERED:])))
        temporary.replace(path)
    observer.note(f"devices: {known[key]['why']}")
    return known[key]["parts"]


def read(path: Path) -> dict[str, Any]:
    """What trials found; nothing where that cannot be read."""
    try:
        known = json.loads(path.read_text())
        for one in known.values():
            list(map(cores.cores_of, one["parts"]))
            str(one["why"])
        return known
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}


def tried(
    settings: "Settings", repo: "GitRepo", base: str, context: Context, state: Path, observer: Observer, stop: Stop, mine: Sequence[int]
) -> tuple[Sequence[str], str]:
    """(parts, why), by trial. Unfit where a run did not end well."""
    observer.note("devices: trying whether measurements at once pay here; some minutes, once")
    limit = settings.limit
    short = str(Budget(min(SECONDS, limit.seconds), limit.clock))
    trial = Trial(settings.model_copy(update={"budget": short}), repo, context, state / "scratch", observer, stop)
    return halved(mine, lambda where: trial.turn(base, where))


class Unfit(AutoresearchError):
    """A trial run that did not end well."""


def halved(mine: Sequence[int], turn: Callable[[Sequence[str]], Turn]) -> tuple[Sequence[str], str]:
    """(parts, why): twice as many while that pays."""
    best, count, said, whole = [cores.named(mine)], 2, [], 0.0
    while count <= min(MOST, len(mine)):
        more = cores.divided(mine, count)
        rounds = [(turn(best), turn(more[:1]), turn(more)) for _ in range(ROUNDS)]
        whole = whole or middle([before for before, _, _ in rounds])
        pays, found = verdict(*zip(*rounds, strict=True), whole)
        said.append(f"{count} at once make {found}")
        if not pays:
            break
        best, count = more, 2 * count
    what = f"{', '.join(best)} measure at once" if len(best) > 1 else "one measurement at a time"
    return best if len(best) > 1 else (), f"{what}: {'; '.join(said)}"


def middle(turns: Sequence[Turn]) -> float:
    return median(steps for turn in turns for steps in turn.steps)


def verdict(before: Sequence[Turn], alone: Sequence[Turn], together: Sequence[Turn], whole: float) -> tuple[bool, str]:
    """Whether `together` pays: over `before`, and without a run that could tell it from `alone`. And the numbers, in words.

    `whole`: steps of a run that has all cores."""
    gain = median(b.rate / a.rate for a, b in zip(before, together, strict=True))
    shrink, neighbour = middle(together) / whole, middle(together) / middle(alone) - 1
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
        """All of `where` begin at once, with the whole CPU to themselves."""
        with ExitStack() as ended:
            ended.enter_context(self._alone())
            begun: list[tuple[Child, Path, Progress]] = []
            for number, part in enumerate(where):
                folder = ended.enter_context(self._folder(f"trial-{number}"))
                options = {"budget": self.settings.budget, "eval-tokens": self.settings.eval_tokens, "dose": "light"}
                options["locks"] = folder  # the device's lock is ours
                with cores.pinned(part):
                    child = self._start(folder, "measure", sha, SEED + number, options)
                ended.callback(child.kill)
                begun.append((child, folder, Progress(child, self.observer)))

            def look() -> None:  # at all: one whose pipe is full would wait to be read
                for child, _, show in begun:
                    if not child.stdout.closed:
                        show()

            found = [self._told(child, folder, show, look) for child, folder, show in begun]
        for result in found:
            if result["outcome"] != "ok":
                raise Unfit(f"a trial run ended as {result['outcome']} ({plain(result['reason'], 200)})")
            if not result["steps"]:
                raise Unfit("a trial run made no step that the referee saw")
        return Turn(tuple(result["steps"] for result in found), max(result["seconds"] for result in found))
