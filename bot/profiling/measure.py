"""One profile: a candidate's first training steps through the referee's `profile`, in the sandbox and on the device of a measurement."""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.caches import Caches
from bot.context import for_model
from bot.errors import AutoresearchError, UsageError
from bot.gitrepo import GitRepo
from bot.history import History
from bot.live import Observer
from bot.quick import WorkingTree
from bot.report import files
from bot.report.text import block, plain
from bot.runner import Runner
from bot.settings import Settings
from bot.signals import Stop
from bot.starting import check_files
from bot.waiting import Progress

from . import records, trace
from .records import Profile


@dataclass(frozen=True)
class Subject:
    """Whose time it is. `base`: the commit that the locked files come from."""

    sha: str
    base: str
    label: str
    repo: Any


def subject(settings: Settings, history: History, commit: str | None, working_tree: bool) -> Subject:
    """The champion's commit (before the first run: the base), another, or the files as they lie there. UsageError for what is none."""
    repo = GitRepo(settings.root)
    base = history.base or repo.resolve(settings.base)
    if working_tree:
        return Subject(records.WORKING_TREE, "", "the working tree", WorkingTree(settings.root))
    if not base:
        raise UsageError(f"base: {settings.base!r} is not a branch, tag or commit of this repository")
    sha = repo.resolve(commit) if commit else history.champion_sha or base
    if not sha:
        raise UsageError(f"--commit: {commit!r} is not a branch, tag or commit of this repository (`git log` lists them)")
    check_files(repo, settings, sha)
    found = Subject(sha, base, "", repo)
    champion = history.champion_sha or base
    return replace(found, label="the base" if sha == base else "the champion" if sha == champion else "commit")


def run(settings: Settings, who: Subject, steps: int, seed: int, target: Path, observer: Observer, stop: Stop) -> Profile:
    """The profile; its trace is at `target`. AutoresearchError where the candidate did not get so far."""
    state = files.state(settings)
    settings, context = for_model(settings, who.base, state, observer)
    with tempfile.TemporaryDirectory(prefix="autoresearch-profile-") as folder:
        caches = Caches(state / "compiled" / settings.name, who.repo, context.digest) if who.sha != records.WORKING_TREE else None
        profiler = Profiler(settings, who.repo, context, Path(folder), observer, stop, caches=caches)
        result, data = profiler.profile(who.sha, seed, steps)
    if result["outcome"] != "ok":
        tail = "".join(f"\n  | {line}" for line in block(result["log_tail"])[-15:])
        raise AutoresearchError(f"no profile: {result['outcome']}: {plain(result['reason'])}{tail}")
    profile = records.made(result, trace.add_up(trace.read(data)), who.sha, seed, time.time())
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(target)
    return profile


class Profiler(Runner):
    """A runner that asks for a profile instead of a measurement. What comes back is no `Measurement`, and no ledger gets it."""

    def profile(self, sha: str, seed: int, steps: int) -> tuple[dict[str, Any], bytes]:
        """(the referee's result, the trace). UsageError where the referee refuses."""
        with self._folder("profile") as folder:
            path = folder / "trace.json.gz"
            options: dict[str, Any] = {"steps": steps, "trace": path}
            if self.caches and (given := self.caches.given("baseline", sha, "")):  # what a run of the same files compiled
                options["cache"] = given
            child = self._start(folder, "profile", sha, seed, options)
            result = self._told(child, folder, Progress(child, self.observer))
            return result, path.read_bytes() if path.exists() else b""
