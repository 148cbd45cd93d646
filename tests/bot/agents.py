"""Coding agents for the tests: real programs that do something in the folder they are given. Each is the body of a Python script."""

import os
import sys
import textwrap
import time
from pathlib import Path

from bot.history import History
from bot.proposers import ProposalContext
from bot.proposers.agent import Agent
from bot.records import Call, Opened
from bot.settings import Settings
from tests.conftest import git, make_repo

TRAIN = "LR = 0.02\nDEPTH = 4\n\n\ndef main():\n    return LR * DEPTH\n"
HEAD = """
import json, os, subprocess, sys, time
from pathlib import Path
prompt, worktree = Path(sys.argv[1]), Path(sys.argv[2])
train = Path("train/train.py")
def change(old="LR = 0.02", new="LR = 0.03"):
    train.write_text(train.read_text().replace(old, new))
"""
FILES = {
    "train/train.py": TRAIN, "bench.py": "print('METRIC seconds=1')\n", "helper.py": "A = 1\n", ".gitignore": "*.pyc\n",
    "program.md": "Make it faster.\n", "README.md": "hello\n",
}  # fmt: skip


class Bench:
    """A repository, and agents that work on it. `calls`: what was billed."""

    def __init__(self, folder: Path):
        self.folder, self.root = folder, folder / "repo"
        if not self.root.exists():
            make_repo(self.root, FILES)
        self.base, self.calls, self.out = git(self.root, "rev-parse", "HEAD"), [], folder / "out"
        self.out.mkdir(exist_ok=True)
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "TERM": "dumb", "OUT": str(self.out)}
        self.history = History()
        self.history.add(Opened(0.0, "autoresearch/x", self.base, "main", "seconds", "min", "10s", "c", "agent"))

    def agent(self, body: str, name: str = "somebody", **fields) -> Agent:
        script = self.folder / f"{name}.py"
        script.write_text(HEAD + textwrap.dedent(body))
        return self.called([sys.executable, str(script), "{prompt_file}", "{worktree}"], **fields)

    def called(self, command: list[str], attempts: int = 1, max_dollars: float | None = None, **fields) -> Agent:
        values = {"command": "python bench.py", "metric": "seconds", "editable": ["train/train.py"], "locked": ["helper.py"]}
        agent = {"command": command, "environment": ["OUT"], "timeout": "20s"} | fields
        self.settings = Settings.build(
            self.root, values | {"proposer": "agent", "agent": agent, "attempts": attempts, "max_dollars": max_dollars}
        )
        return Agent(self.settings, self.environ)

    @property
    def context(self) -> ProposalContext:
        files = {"train/train.py": (self.root / "train/train.py").read_text()}
        return ProposalContext(
            files, self.history, self.history.next_id, "cpu", self.root, settings=self.settings, billed=self.calls.append
        )  # fmt: skip

    def propose(self, body: str, **fields):
        return self.agent(body, **fields).propose(self.context)

    @property
    def call(self) -> Call:
        (call,) = self.calls
        return call

    def wrote(self, name: str) -> str:
        return (self.out / name).read_text()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())
