"""A real night (git, ledger, decision) of a model target whose referee is a function of the test: what the loop asks, and what it does."""

import io
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from bot.checkpoints import Checkpoints
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
from tests.conftest import commit_all, git
from tests.targets import make_target

CONFIG = "name: demo\neditable: [params.py]\nbudget: 5s cpu\nproposer: replay:patches\nstop_after: null\n"


class Referee:
    """`answer(asked)` overrides fields of a good result; `asked` keeps every call."""

    def __init__(self, repo: GitRepo, answer: Callable[[dict], dict]):
        self.repo, self.answer, self.asked, self.context = repo, answer, [], "c1"

    def __call__(self, **asked) -> Measurement:
        self.asked.append(asked)
        lines = self.repo.read(asked["sha"], "params.py").splitlines()
        x = sum(float(line.split()[2]) for line in lines if "=" in line)
        good = {"outcome": "ok", "value": 1.0 + x / 100 + (asked["seed"] % 1000) / 1e6, "context": self.context, "metric_version": "v",
                "dose": asked["dose"], "leak": 0.0, "leak_bound": 0.00012, "isolation": "bubblewrap", "machine": "m",
                "steps": 100, "tokens": 100_000, "train_seconds": 5.0, "parameters": 1000}  # fmt: skip
        fixed = {name: asked[name] for name in ("id", "role", "index", "sha", "seed")}
        if asked.get("keep"):
            self.checkpoints.path(asked["sha"], asked["seed"]).mkdir(parents=True, exist_ok=True)
        return Measurement(at=time.time(), **fixed, **good | self.answer(asked))

    def score(self, run: Measurement) -> Measurement:
        """The kept checkpoint on the sealed split: the same value, shifted."""
        asked = {"role": "sealed", "id": run.id, "index": run.index, "sha": run.sha, "seed": run.seed, "dose": "light", "champion": ""}
        self.asked.append(asked)
        return replace(run, at=time.time(), split="sealed", **{"value": run.value + 0.05} | self.answer(asked))

    def doses(self, role: str, id: int | None = None) -> list[str]:
        return [a["dose"] for a in self.asked if a["role"] == role and id in (None, a["id"])]


def make_night(
    root: Path, patches: list[str], answer: Callable[[dict], dict] = lambda asked: {}, text: str = "", config: str = ""
) -> tuple[Night, Referee]:
    """`text`: of params.py, if it is another one; `config`: more lines of autoresearch.yml."""
    make_target(root, patches, CONFIG + config)
    if text:
        (root / "params.py").write_text(text)
        commit_all(root)
    return open_again(root, answer)


def open_again(root: Path, answer: Callable[[dict], dict] = lambda asked: {}) -> tuple[Night, Referee]:
    """A night that knows what the ledger in `root` knows, as after a kill."""
    repo, settings, state = GitRepo(root), Settings.load(root, environ={}), root / ".autoresearch"
    referee, ledger = Referee(repo, answer), Ledger(state / "ledger")
    history = History.fold(ledger.events())
    references, checkpoints = References(state / "bits", repo, referee.context), Checkpoints(state / "checkpoints")
    referee.checkpoints = checkpoints
    night = Night(settings, repo, ledger, history, referee, referee.score, make_proposer(settings),
                  PlainObserver(io.StringIO()), Stop(), references, checkpoints)  # fmt: skip
    reopen(night, referee, referee.context)
    return night, referee


def reopen(night: Night, referee: Referee, context: str) -> None:
    """The machine, the budget or the metric is another one from here on."""
    base = night.history.base or git(night.settings.root, "rev-parse", "HEAD")
    referee.context = night.references.context = context
    night.record(Opened(time.time(), night.settings.branch, base, "main", "val_bpb", "min", "5s cpu", context, "replay:patches"))
