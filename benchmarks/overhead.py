"""Where the bot's own seconds go: everything of an experiment except the measured command itself.

    python benchmarks/overhead.py [experiments]     goal: under 1 s an experiment, process start-up of the measured command aside

The real loop, in this process, on train/train.py with the constants proposer and a command that only prints a number.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bot import edit, runner
from bot.gitrepo import GitRepo
from bot.ledger import Ledger
from bot.live import PlainObserver
from bot.loop import run_loop
from bot.night import open_night
from bot.proposers.constants import Constants
from bot.report import write_all
from bot.settings import Settings
from bot.signals import Stop

TOP = Path(__file__).parents[1]
CONFIG = """name: overhead
editable: [train.py]
command: python score.py
metric: cost
budget: 60s
max_experiments: {}
"""
SCORE = "import os, random\nprint('METRIC cost=' + str(random.Random(int(os.environ['AUTORESEARCH_SEED'])).gauss(1, 0.01)))\n"


class Timer:
    """Adds up the seconds spent in wrapped calls, nested ones only once (in the outermost)."""

    def __init__(self):
        self.seconds, self.calls, self.depth = defaultdict(float), defaultdict(int), 0

    def wrap(self, owner: object, name: str, label: str) -> None:
        inner = getattr(owner, name)

        def timed(*args: object, **kwargs: object) -> object:
            began, self.depth = time.perf_counter(), self.depth + 1
            try:
                return inner(*args, **kwargs)
            finally:
                self.depth -= 1
                self.calls[label] += 1
                if not self.depth:
                    self.seconds[label] += time.perf_counter() - began

        setattr(owner, name, timed)


def main(experiments: int) -> None:
    timer = Timer()
    timer.wrap(runner.Runner, "_wait", "the measured command")
    timer.wrap(runner, "spawn", "starting it")
    timer.wrap(GitRepo, "export", "export of the candidate")
    timer.wrap(GitRepo, "_git", "git")
    timer.wrap(Ledger, "append", "ledger (fsync)")
    timer.wrap(Ledger, "write_patch", "patch file (fsync)")
    timer.wrap(Constants, "propose", "proposer")
    timer.wrap(edit, "apply", "edit checks")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w") as silent:
        root = Path(folder)
        texts = {"train.py": (TOP / "train/train.py").read_text(), "score.py": SCORE, "program.md": "brief\n"}
        for name, text in {**texts, "autoresearch.yml": CONFIG.format(experiments)}.items():
            (root / name).write_text(text)
        git = ["git", "-C", folder, "-c", "user.name=b", "-c", "user.email=b@example.com"]
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "start"]):
            subprocess.run([*git, *words], check=True)
        random.seed(0)
        settings = Settings.load(root)
        with open_night(settings, root / "autoresearch.yml", PlainObserver(silent), Stop()) as night:
            began = time.perf_counter()
            run_loop(night)
            total = time.perf_counter() - began
            began = time.perf_counter()
            write_all(night.history, night.ledger, night.settings)
            report = time.perf_counter() - began
        runs = timer.calls["the measured command"]
    print(f"{experiments} experiments, {runs} runs, {total:.2f} s; report at the end {report:.2f} s (once a night)")
    print(f"{'':<26}{'ms an experiment':>17}{'calls':>7}{'share':>8}")
    rows = sorted(timer.seconds.items(), key=lambda row: -row[1])
    rows.append(("everything else", total - sum(timer.seconds.values())))
    for label, seconds in rows:
        print(f"{label:<26}{1000 * seconds / experiments:>17.1f}{timer.calls[label]:>7}{seconds / total:>8.1%}")
    own = total - timer.seconds["the measured command"]
    print(f"{'the bot itself':<26}{1000 * own / experiments:>17.1f}{'':>7}{own / total:>8.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
