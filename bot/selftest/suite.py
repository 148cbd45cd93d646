"""Which cases a self-test runs, and running them: a few at once where the machine has the cores."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import UsageError
from bot.selftest import cheats, zoo
from bot.selftest.cheats import Cheat
from bot.selftest.judge import Judged, attack, honest_value
from bot.selftest.trial import Bench
from bot.selftest.zoo import Passed
from eval import lock
from eval.cache import default_cache_dir


@dataclass(frozen=True)
class Case:
    """A cheat or a model of the zoo, at one level."""

    level: str
    cheat: Cheat | None = None
    model: str = ""

    @property
    def name(self) -> str:
        return self.cheat.name if self.cheat else self.model


@contextmanager
def bench(python: str, launcher: str, device: str, folder: Path | None = None, fresh: bool = False) -> Iterator[Bench]:
    """A folder for the worlds, the honest candidate measured in it; removed afterwards.

    Not in /tmp by default: what the cheats look for should be where a user's files are, not where a sandbox has a folder of its own."""
    parent = folder or default_cache_dir()
    parent.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="selftest-", dir=parent)).resolve()
    try:
        empty = Bench(python, launcher, device, root, lock.stage(root / "referee"), fresh)
        yield replace(empty, honest=honest_value(empty))
    finally:
        shutil.rmtree(root, ignore_errors=True)


def cases(levels: list[str], full: bool, only: str = "") -> list[Case]:
    """What to run. UsageError where `only` names nothing."""
    named = [cheat for cheat in cheats.load() if only in ("", cheat.name, cheat.group)]
    chosen = [cheat for cheat in named if full or cheat.tier != "full" or only == cheat.name]
    models = zoo.names(full, only)
    if only and not chosen and not models:
        raise UsageError(f"--only {only} names no cheat, no group of cheats and no model of the zoo")
    found = [Case(level, cheat=cheat) for level in levels for cheat in chosen if level in cheat.expect]
    return found + [Case(level, model=name) for level in levels for name in models]


def run(setup: Bench, todo: list[Case], tell: Callable[[int, Case], None], jobs: int = 0) -> tuple[list[Judged], list[Passed]]:
    """Runs `todo`. On a CPU two at once by default: a budget in CPU seconds does not mind company; on a GPU one after the other."""

    def one(case: Case) -> Judged | Passed:
        return attack(setup, case.cheat, case.level) if case.cheat else zoo.visit(setup, case.model, case.level)

    jobs = jobs or (min(4, os.cpu_count() or 1) if setup.device == "cpu" else 1)
    done: list[Judged | Passed] = []
    pool = ThreadPoolExecutor(jobs)
    try:
        for number, (case, result) in enumerate(zip(todo, pool.map(one, todo), strict=True), 1):
            done.append(result)
            tell(number, case)
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C: those that run end and clean up, the others never start
    return [one for one in done if isinstance(one, Judged)], [one for one in done if isinstance(one, Passed)]
