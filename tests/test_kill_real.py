"""kill -9 of bot, referee, trainer and worker while the real target trains and scores: nothing lost, nothing repeated, nothing left."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from bot.history import History
from bot.ledger import Ledger
from tests.conftest import git, make_repo
from tests.targets import autoresearch, command_line, environment

TOP = Path(__file__).parents[1]
PARTS = {"referee": "eval\0measure", "trainer": "eval.trainer", "worker": "eval.worker"}
CONFIG = """name: demo
editable: [train/train.py]
corpus: path:texts
vocab_size: 512
sequence_length: 128
eval_tokens: 2048
budget: 1s cpu
device: cpu
baseline_seeds: 4
max_experiments: 3
stop_after: null
"""


def texts() -> dict[str, str]:
    """About 500 kB of sentences of made-up words: enough to train on, different enough to split."""
    rng = random.Random(0)
    syllables = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "r", "st")]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(600)]

    def sentence() -> str:
        return " ".join(rng.choices(words, k=rng.randint(4, 12))).capitalize() + ". "

    return {f"texts/{i:03d}.txt": "".join(sentence() for _ in range(80)) for i in range(120)}


def descendants(pid: int) -> dict[int, str]:
    """pid -> command line of every living descendant."""
    found = {}
    try:
        threads = Path(f"/proc/{pid}/task").iterdir()
        children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return found
    for child in children:
        try:
            found[child] = Path(f"/proc/{child}/cmdline").read_bytes().decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found |= descendants(child)
    return found


def strike(bot: subprocess.Popen, who: str, after: float) -> set[int]:
    """SIGKILL to `who`, `after` seconds into a measurement. Returns the pids of bot and descendants at that moment."""
    deadline = time.monotonic() + 90
    while bot.poll() is None and time.monotonic() < deadline:
        family = descendants(bot.pid)
        named = [pid for pid, line in family.items() if PARTS.get(who, "eval.trainer") in line]
        if named:
            time.sleep(after)
            family = descendants(bot.pid)
            target = bot.pid if who == "bot" else named[0]
            if target == bot.pid or target in family:
                os.kill(target, signal.SIGKILL)
            return {bot.pid, *family}
        time.sleep(0.02)
    return set()


def alive(pids: set[int]) -> set[int]:
    """Those that still run; a zombie does not."""
    running = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            running.add(pid)
    return running


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twelve_kills_on_the_real_target(tmp_path):
    root = make_repo(tmp_path / "repo", {"autoresearch.yml": CONFIG, "program.md": "brief\n", "train/train.py": "", **texts()})
    shutil.copyfile(TOP / "train/train.py", root / "train/train.py")
    git(root, "commit", "-qam", "the real one")
    head = git(root, "rev-parse", "HEAD")
    rng = random.Random(4)
    for round in range(12):
        who = ["bot", "referee", "trainer", "worker"][round % 4]
        bot = subprocess.Popen(
            command_line("run", "--max-experiments", "99"), cwd=root, env=environment(AUTORESEARCH_CACHE=str(tmp_path / "cache")),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        family = strike(bot, who, rng.uniform(0.0, 5.0))
        assert family
        if who != "bot":
            time.sleep(1.0)
            bot.send_signal(signal.SIGTERM)
        bot.wait(timeout=30)
        deadline = time.monotonic() + 10
        while alive(family) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(family), f"killing the {who} left processes behind"
    autoresearch(root, "run", "--max-experiments", "1", AUTORESEARCH_CACHE=str(tmp_path / "cache"))

    ledger = Ledger(root / ".autoresearch/ledger/demo")
    past = History.fold(ledger.events())
    assert not past.oddities
    runs = Counter((m.id, m.role, m.index) for e in past.experiments.values() for m in e.measurements)
    assert set(runs.values()) == {1}
    assert sorted(past.experiments) == list(range(len(past.experiments)))
    assert all(e.verdict for e in past.experiments.values())
    outcomes = Counter(m.outcome for e in past.experiments.values() for m in e.measurements)
    assert set(outcomes) <= {"ok", "invalid"}, "a kill from outside was blamed on the candidate"
    assert git(root, "rev-parse", "autoresearch/demo") == past.champion_sha and git(root, "rev-parse", "HEAD") == head
    assert not list((root / ".autoresearch").glob("scratch/*"))
