"""The real half of `autoresearch check`: one short measurement of a file as it lies in the working tree."""

import shutil
import tempfile
from pathlib import Path

from bot.context import for_command, for_model, machine
from bot.gitrepo import GitRepo
from bot.live import Observer
from bot.records import Measurement
from bot.runner import Runner
from bot.settings import Settings
from bot.signals import Stop
from eval import lock

BUDGET = {False: "1s cpu", True: "2s"}  # on an accelerator?
EVAL_TOKENS = 8192
SEED = 1


class WorkingTree:
    """Stands where a `GitRepo` does, so that a file can be measured before it is committed."""

    def __init__(self, root: Path):
        self.root = root

    def export(self, _: str, destination: Path, paths: list[str]) -> None:
        for path in paths:
            source, target = self.root / path, destination / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(source, target)


def measure(settings: Settings, observer: Observer, stop: Stop) -> tuple[Settings, Measurement]:
    """The settings it ran under and what the referee (or the target's command) said."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-check-") as folder:
        state = Path(folder)
        settings, runner, sha = (_for_command if settings.command else _for_model)(settings, state, observer, stop)
        return settings, runner.measure(id=0, role="screen", index=0, sha=sha, seed=SEED)


def _for_model(settings: Settings, state: Path, observer: Observer, stop: Stop) -> tuple[Settings, Runner, str]:
    device = machine(settings.python, lock.stage(state / "referee"), settings.device)["device"]
    settings = settings.resolved(device)
    tokens = max(EVAL_TOKENS, settings.sequence_length)
    short = settings.model_copy(update={"budget": BUDGET[device != "cpu"], "eval_tokens": min(tokens, settings.eval_tokens)})
    short, context = for_model(short, "", state, observer)
    return short, Runner(short, WorkingTree(settings.root), context, state / "scratch", observer, stop), "working tree"


def _for_command(settings: Settings, state: Path, observer: Observer, stop: Stop) -> tuple[Settings, Runner, str]:
    repo = GitRepo.find(settings.root)
    head, _ = repo.head()
    texts = {path: (settings.root / path).read_text(encoding="utf-8") for path in settings.editable}
    sha = repo.commit(head, texts, "autoresearch check", 0.0)
    settings, context = for_command(settings, repo, head, state)
    return settings, Runner(settings, repo, context, state / "scratch", observer, stop), sha
