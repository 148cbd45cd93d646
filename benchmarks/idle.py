"""How long the machine waits for ideas: the real loop, a language model's server that takes its time, a trainer that only sleeps.

    python benchmarks/idle.py [--experiments 10] [--scale 10] [--budgets 60 300] [--thinking 0 20 60]

The server and the trainer run `--scale` times faster than named; the bot does not. So these are told apart, in real seconds a run: "around"
is what a run takes beside its budget (sandbox, start, end), "between" what the bot needs from one run to the next, both with a proposer
that takes no time; "waiting" is how long nothing is measured because the next idea is not there yet, scaled back. The share is of a night
at full scale: (between + waiting) / (that + a run). A gain comes every sixth time: then the idea that was thought of meanwhile is for an
older champion.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bot.history import History  # noqa: E402
from bot.ledger import Ledger  # noqa: E402
from tests.conftest import make_repo  # noqa: E402
from tests.llm.server import ModelServer, says  # noqa: E402

PARAMS = "".join(f"X{i} = 5.0\n# {i}\n# about it\n" for i in range(40))
TRAIN = """import os, time
import params
time.sleep({seconds})
noise = int(os.environ["AUTORESEARCH_SEED"]) % 1000 / 1e6
print(f"METRIC loss={{sum((value - 1) ** 2 for name, value in vars(params).items() if name[0] == 'X') + noise:.6f}}")
"""
CONFIG = """name: idle
editable: [params.py]
locked: [trainer.py]
command: python trainer.py
metric: loss
budget: 10m
proposer: llm
models: [{{model: slow, base_url: "{url}", key: ""}}]
stop_after: null
max_experiments: {experiments}
"""
ANSWER = """HYPOTHESIS: another value of X{i}
EXPECTED: nobody knows
CATEGORY: optimizer

params.py
<<<<<<< SEARCH
X{i} = 5.0
=======
X{i} = {value}
>>>>>>> REPLACE
"""


def night(budget: float, thinking: float, experiments: int, scale: float) -> tuple[float, float]:
    """(mean gap between two measurements of the search, mean length of one), in seconds as they passed."""
    with tempfile.TemporaryDirectory(prefix="idle-") as folder, ModelServer() as server:
        asked = iter(range(1000))

        def idea(_):
            i = next(asked)
            return says(ANSWER.format(i=i, value=4.0 if i % 6 == 3 else 9.0), delay=thinking / scale)

        server.otherwise = idea
        config = CONFIG.format(url=server.base_url, experiments=experiments)
        trainer = TRAIN.format(seconds=budget / scale)
        files = {"params.py": PARAMS, "trainer.py": trainer, "autoresearch.yml": config, "program.md": "Down.\n"}
        root = Path(folder) / "repo"
        make_repo(root, files)
        command = [sys.executable, "-m", "bot", "run"]
        subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})
        return gaps(History.fold(Ledger(root / ".autoresearch/ledger/idle").events()))


def gaps(history: History) -> tuple[float, float]:
    """Between the first experiment's first run and the last one's last, but for the final comparison."""
    every = (m for e in history.experiments.values() for m in e.measurements)
    runs = sorted((m for m in every if m.role not in ("final", "ablate")), key=lambda m: m.at)
    first = next(i for i, m in enumerate(runs) if m.id == 1)
    searched = runs[first:]
    between = [b.at - b.seconds - a.at for a, b in zip(searched, searched[1:], strict=False)]
    return fmean(between), fmean(m.seconds for m in searched)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python benchmarks/idle.py", description=__doc__)
    parser.add_argument("--experiments", type=int, default=10)
    parser.add_argument("--scale", type=float, default=10)
    parser.add_argument("--budgets", type=float, nargs="+", default=[60, 300])
    parser.add_argument("--thinking", type=float, nargs="+", default=[0, 20, 60])
    options = parser.parse_args()
    print("| budget s | proposer s | around s | between s | waiting s | idle share |\n|---|---|---|---|---|---|")
    for budget in options.budgets:
        fixed, whole = night(budget, 0, options.experiments, options.scale)
        around = whole - budget / options.scale
        for thinking in options.thinking:
            gap, _ = night(budget, thinking, options.experiments, options.scale) if thinking else (fixed, 0.0)
            waiting = max(0.0, gap - fixed) * options.scale
            idle = fixed + waiting
            share = idle / (idle + around + budget)
            print(f"| {budget:g} | {thinking:g} | {around:.2f} | {fixed:.2f} | {waiting:.1f} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
