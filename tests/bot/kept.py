"""A research as the loop leaves it: a repository, a state folder with its ledger and patches, and one commit for each keep."""

from pathlib import Path

from bot.gitrepo import GitRepo
from bot.history import History
from bot.ledger import Ledger
from bot.records import Event, Measurement, Opened, Proposal, Verdict
from bot.report import files
from bot.settings import Settings
from tests.conftest import git, make_repo

CONFIG = "name: demo\neditable: [train.py]\nlocked: [helpers]\n"
FILES = {
    "train.py": "X = 0\n", "helpers/text.py": "Y = 1\n", "README.md": "hello\n", "autoresearch.yml": CONFIG, "program.md": "Lower it.\n",
    ".github/workflows/nightly.yml": "on: push\n",
}  # fmt: skip


class Research:
    """`keep` and `discard` do what a night does. `history` is always what the ledger says."""

    def __init__(self, root: Path, base: str = "main"):
        self.root, self.repo, self.at = root, GitRepo(root), 1_790_000_000.0
        self.settings = Settings.load(root, environ={})
        self.ledger: Ledger = files.ledger(self.settings)
        self.base = git(root, "rev-parse", base)

    @classmethod
    def start(cls, root: Path) -> "Research":
        make_repo(root, FILES)
        found = cls(root)
        found.repo.ignore(".autoresearch")
        return found.opened()

    @property
    def history(self) -> History:
        return History.fold(self.ledger.events())

    @property
    def branch(self) -> str:
        return f"refs/heads/{self.settings.branch}"

    def record(self, kind: type[Event], **fields) -> None:
        self.at += 1
        self.ledger.append(kind(at=self.at, **fields))

    def opened(self) -> "Research":
        self.record(Opened, branch=self.settings.branch, base=self.base, base_branch="main", metric="val_bpb", direction="min",
                    budget="5s cpu", context="c", proposer="constants")  # fmt: skip
        self.record(Measurement, id=0, role="baseline", index=0, sha=self.base, seed=1, outcome="ok", context="c", value=1.0)
        return self

    def propose(self, text: str, edits: dict[str, str] | None = None) -> tuple[int, str]:
        history, id = self.history, self.history.next_id
        sha = self.repo.commit(history.champion_sha, edits or {"train.py": text}, f"experiment {id:04d}: {text}\n", self.at)
        self.ledger.write_patch(id, self.repo.diff(history.champion_sha, sha))
        self.record(Proposal, id=id, parent=history.champion_sha, sha=sha, hypothesis=text.strip(), source="constants")
        return id, sha

    def keep(self, text: str, edits: dict[str, str] | None = None) -> str:
        id, sha = self.propose(text, edits)
        self.record(Verdict, id=id, status="keep", why="kept", value=0.9, delta=-0.1, low=-0.2, high=0.0, seeds=3, sha=sha)
        git(self.root, "update-ref", self.branch, sha)
        return sha

    def discard(self, text: str) -> int:
        id, _ = self.propose(text)
        self.record(Verdict, id=id, status="discard", why="no gain")
        return id
