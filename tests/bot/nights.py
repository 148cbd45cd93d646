"""A real night (git, ledger, decision) of a model target whose referee is a function of the test: what the loop asks, and what it does."""

import io
import time
from collections.abc import Callable
from pathlib import Path

from bot.gitrepo import GitRepo
from bot.history import History
from bot.ledger import Ledger
from bot.live import PlainObserver
from bot.loop import Night
from bot.proposers import make_proposer
from bot.records import Measurement, Opened
from bot.references import References
from bot.settings import Settings
from bot.signals import Stop
from tests.conftest import git
from tests.targets import make_target

CONFIG = "name: demo\neditable: [params.py]\nbudget: 5s cpu\nproposer: replay:patches\nstop_after: null\n"


class Referee:
    """`answer(asked)` overrides fields of a good result; `asked` keeps every call."""

    def __init__(self, repo: GitRepo, answer: Callable[[dict], dict]):
        self.repo, self.answer, self.asked, self.context = repo, answer, [], "c1"

    def __call__(self, **asked) -> Measurement:
        self.asked.append(asked)
        x = float(self.repo.read(asked["sha"], "params.py").split("=")[1])
        good = {"outcome": "ok", "value": 1.0 + x / 100 + (asked["seed"] % 1000) / 1e6, "context": self.context, "metric_version": "v",
                "dose": asked["dose"], "leak": 0.0, "leak_bound": 0.00012, "isolation": "bubblewrap", "machine": "m",
                "steps": 100, "tokens": 100_000, "train_seconds": 5.0, "parameters": 1000}  # fmt: skip
        fixed = {name: asked[name] for name in ("id", "role", "index", "sha", "seed")}
        return Measurement(at=time.time(), **fixed, **good | self.answer(asked))

    def doses(self, role: str, id: int | None = None) -> list[str]:
        return [a["dose"] for a in self.asked if a["role"] == role and id in (None, a["id"])]


def make_night(root: Path, patches: list[str], answer: Callable[[dict], dict] = lambda asked: {}) -> tuple[Night, Referee]:
    make_target(root, patches, CONFIG)
    repo, settings = GitRepo(root), Settings.load(root, environ={})
    referee = Referee(repo, answer)
    history, state = History(), root / ".autoresearch"
    references = References(state / "bits", repo, referee.context)
    night = Night(settings, repo, Ledger(state / "ledger"), history, referee, make_proposer(settings), PlainObserver(io.StringIO()), Stop(),
                  references)  # fmt: skip
    reopen(night, referee, referee.context)
    return night, referee


def reopen(night: Night, referee: Referee, context: str) -> None:
    """The machine, the budget or the metric is another one from here on."""
    base = night.history.base or git(night.settings.root, "rev-parse", "HEAD")
    referee.context = night.references.context = context
    night.record(Opened(time.time(), night.settings.branch, base, "main", "val_bpb", "min", "5s cpu", context, "replay:patches"))
