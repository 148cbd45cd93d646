"""A command target that takes milliseconds: a cost that is an exact function of the editable number and of the seed."""

import atexit
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bot.history import History
from bot.ledger import Ledger
from tests import warm
from tests.conftest import make_repo

LOCKS = tempfile.mkdtemp(prefix="autoresearch-tests-")  # as TMPDIR: else tests in other processes wait for ours to measure
atexit.register(shutil.rmtree, LOCKS, ignore_errors=True)

SCORE = """import os, random
from params import X
noise = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.01)
print("hello from the target")
print(f"METRIC cost={(X - 2.0) ** 2 + noise:.6f}")
"""
CONFIG = """name: demo
editable: [params.py]
command: python score.py
metric: cost
budget: 20s
proposer: replay:patches
stop_after: null
"""


def patch(old: str, new: str, hypothesis: str) -> str:
    return f"{hypothesis}\n\ndiff --git a/params.py b/params.py\n--- a/params.py\n+++ b/params.py\n@@ -1 +1 @@\n-X = {old}\n+X = {new}\n"


def walk(steps: int) -> list[str]:
    """Patches that apply whatever was kept before: each is a real gain, a loss, a null edit or one that does not apply."""
    patches, x = [], 5.0
    for i in range(steps):
        if i % 4 == 0:
            patches.append(patch(x, round(x - 0.1, 2), f"step {i}: down, a gain"))
            x = round(x - 0.1, 2)
        elif i % 4 == 1:
            patches.append(patch(x, round(x + 1, 2), f"step {i}: up, a loss"))
        elif i % 4 == 2:
            patches.append(patch(x, f"{x} + 0", f"step {i}: a null edit"))
        else:
            patches.append(patch("77.0", 1, f"step {i}: does not apply"))
    return patches


def make_target(root: Path, patches: list[str], config: str = CONFIG) -> Path:
    """A committed repository; the patches lie beside the tracked files, as a user's would."""
    make_repo(root, {"params.py": "X = 5.0\n", "score.py": SCORE, "autoresearch.yml": config, "program.md": "Lower the cost.\n"})
    (root / "patches").mkdir()
    for i, text in enumerate(patches):
        (root / "patches" / f"{i:03d}.patch").write_text(text)
    return root


def command_line(*args: str) -> list[str]:
    return [sys.executable, "-m", "bot", *args]


def environment(**extra: str) -> dict[str, str]:
    top = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": top, "COLUMNS": "120", "TMPDIR": LOCKS, **extra}


def autoresearch(root: Path, *args: str, code: int = 0, **extra: str) -> str:
    """Runs the command line in `root`; its stdout and stderr together."""
    done = warm.run("bot", list(args), root, environment(**extra), merged=True)
    assert done.returncode == code, done.stdout
    return done.stdout


def history(root, name="demo"):
    return History.fold(Ledger(root / ".autoresearch/ledger" / name).events())


def statuses(root):
    return {e.id: e.status for e in history(root).experiments.values()}


def wait_for(root, count):
    deadline = time.monotonic() + 60
    while not (path := root / ".autoresearch/ledger/demo/local.jsonl").exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
