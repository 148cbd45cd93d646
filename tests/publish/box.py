"""A runner's machine and a repository on the local GitHub, so that whole nights can be played through action.yml.

    with github() as world:
        box = world.box()
        result = box.use(mode="all")            # a fresh checkout, the real steps of action.yml
        world.repo.merge(1, how="squash")       # a human
        box.use(mode="all")
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.history import History
from bot.publish.restore import events
from tests.action.executor import Job, Result
from tests.action.runner import prepare
from tests.conftest import git
from tests.forge.repository import FakeRepo
from tests.forge.server import FakeGitHub
from tests.targets import LOCKS

NAME = "alice/demo"
BRANCH, LEDGER = "autoresearch/nightly", "autoresearch/ledger"
PARAMS = "X = {x}\n# one\n# two\n# three\n# four\nY = {y}\n"
SCORE = """import os, random
from params import X, Y
noise = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.01)
print(f"METRIC cost={(X - 2.0) ** 2 + (Y - 3.0) ** 2 + noise:.6f}")
"""
CONFIG = """name: nightly
editable: [params.py]
locked: [score.py]
command: python score.py
metric: cost
budget: 20s
proposer: replay:patches
stop_after: null
reserve: 1%
"""
WORKFLOW = "on:\n  workflow_dispatch:\n    inputs:\n      max-experiments: {}\n"
BUSY = {"AUTORESEARCH_SANDBOX": "none", "TMPDIR": LOCKS, "COLUMNS": "120"}  # a sandbox costs each run 0.1 s, and changes nothing here


def change(name: str, old: object, new: object) -> str:
    """A patch of one line with its context."""
    lines = PARAMS.format(x="?", y="?").splitlines()
    at = 0 if name == "X" else 5
    before, after = ([f" {line}" for line in part] for part in (lines[max(0, at - 3) : at], lines[at + 1 : at + 4]))
    start, size = max(0, at - 3) + 1, len(before) + 1 + len(after)
    hunk = [f"@@ -{start},{size} +{start},{size} @@", *before, f"-{name} = {old}", f"+{name} = {new}", *after]
    return "\n".join([f"{name} to {new}", "", "diff --git a/params.py b/params.py", "--- a/params.py", "+++ b/params.py", *hunk, ""])


@dataclass
class World:
    fake: FakeGitHub
    repo: FakeRepo
    folder: Path
    boxes: list["Box"] = field(default_factory=list)

    def box(self, **permissions: str) -> "Box":
        """Another machine, with a token of its own. Without `permissions` the token may do what this project asks for."""
        token = self.fake.token({k.replace("_", "-"): v for k, v in permissions.items()} or None)
        self.boxes.append(Box(self, self.folder / f"box{len(self.boxes)}", token))
        return self.boxes[-1]

    def propose(self, *patches: str) -> None:
        """More for the proposer, on the default branch."""
        have = len([name for name in self.show("main", "patches/", names=True)])
        self.repo.push_as("alice", "main", {f"patches/{have + i:03d}.patch": text for i, text in enumerate(patches)}, "ideas")

    def show(self, revision: str, path: str, names: bool = False) -> str | list[str]:
        if names:
            return git(self.repo.path, "ls-tree", "--name-only", revision, path).splitlines()
        return git(self.repo.path, "show", f"{revision}:{path}")

    def contains(self, branch: str, sha: str) -> bool:
        return sha in git(self.repo.path, "rev-list", branch).splitlines()

    def params(self, revision: str = BRANCH) -> tuple[str, str]:
        lines = self.show(revision, "params.py").splitlines()
        return lines[0], lines[-1]

    def history(self, worker: str) -> History:
        """What the ledger branch says of one worker's night."""
        return History.fold(events((self.show(LEDGER, f"nightly/{worker}.jsonl") + "\n").encode()))

    def writes(self) -> list[str]:
        return [f"{entry.method} {entry.path}" for entry in self.fake.log if entry.writes and entry.status < 400]


@dataclass
class Box:
    world: World
    folder: Path
    token: str

    @property
    def name(self) -> str:
        return self.folder.name

    def job(self, event: Mapping[str, object] | None = None, **github: str) -> Job:
        """A job on a fresh checkout of the default branch; the tool cache outlives it."""
        work, tools = self.folder / "work", self.folder / "tools"
        shutil.rmtree(work, ignore_errors=True)
        git(self.folder.parent, "clone", "-q", f"file://{self.world.repo.path}", str(work))
        if not tools.exists():
            prepare(tools)
        fake = self.world.fake
        facts = {"server_url": fake.server_url, "api_url": fake.url, "repository": NAME, "token": self.token, "run_id": "7"}
        if event:
            (self.folder / "event.json").write_text(json.dumps(event))
            facts |= {"event_path": str(self.folder / "event.json")}
        return Job(work, tools, self.folder / "temp", github=facts | github, environ=BUSY | {"RUNNER_NAME": self.name})

    def use(self, **inputs: str) -> Result:
        """Runs action.yml on a fresh checkout."""
        return self.job().use(**inputs)

    def asked(self, comment: Mapping[str, object], workflow: str = "nightly.yml", **github: str) -> Result:
        """The hosted job that answers a comment."""
        return self.job(event=comment, event_name="issue_comment", **github).use(mode="comment", workflow=workflow)


@contextmanager
def github(folder: Path, *patches: str, config: str = CONFIG) -> Iterator[World]:
    with FakeGitHub() as fake:
        files = {"params.py": PARAMS.format(x=5.0, y=9.0), "score.py": SCORE, "autoresearch.yml": config, "program.md": "Lower the cost.\n"}
        files |= {f"patches/{i:03d}.patch": text for i, text in enumerate(patches)} | {".github/workflows/nightly.yml": WORKFLOW}
        yield World(fake, fake.repository(NAME, files=files), folder)
