"""Finding repeats: which wordings of an idea are taken for one, which ideas are told apart, and what looking through a ledger costs.

python benchmarks/duplicates.py [experiments]      goals: index of 2,000 in at most 0.3 s, a look in milliseconds
"""

import random
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from statistics import median

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP))

from bot.duplicates import Seen, fingerprint, moved  # noqa: E402
from bot.history import History  # noqa: E402
from bot.ledger import Ledger  # noqa: E402
from bot.proposers.source import find, replace  # noqa: E402
from bot.records import Measurement, Opened, Proposal, Verdict  # noqa: E402
from bot.similar import ALIKE, alike, jaccard, shape  # noqa: E402
from tests.bot.ideas import OTHERS, PATH, SAME, TRAIN, diff, made  # noqa: E402

LOOKS = 40
WORDS = [
    "alpha",
    "beta",
    "gamma",
    "scale",
    "gate",
    "mix",
    "shift",
    "norm",
    "power",
    "decay",
    "noise",
    "mask",
    "rank",
    "merge",
    "fold",
    "drift",
]


def likeness() -> None:
    """All pairs of wordings of one idea, and of different ideas."""
    same = {name: [shape(diff(TRAIN, made(edit))) for edit in edits] for name, edits in SAME.items()}
    different = {name: shapes[0] for name, shapes in same.items()} | {name: shape(diff(TRAIN, made(edit))) for name, edit in OTHERS.items()}
    pairs = {
        "one idea, two wordings": [(name, "", a, b) for name, shapes in same.items() for a, b in combinations(shapes, 2)],
        "two ideas": [(n, m, a, b) for (n, a), (m, b) in combinations(different.items(), 2)],
    }
    print(f"{'pairs':<24}{'count':>6}{'words alike':>13}{'called the same':>17}    threshold {ALIKE}")
    for kind, rows in pairs.items():
        words = sum(jaccard(a, b) >= ALIKE for *_, a, b in rows)
        print(f"{kind:<24}{len(rows):>6}{words:>13}{sum(alike(a, b) for *_, a, b in rows):>17}")
    print("\nnearest below the threshold")
    for kind, rows in pairs.items():
        below = sorted(((jaccard(a, b), n, m) for n, m, a, b in rows if jaccard(a, b) < ALIKE), reverse=True)[:4]
        print(f"  {kind}: " + "; ".join(f"{score:.2f} {n}{' / ' + m if m else ''}" for score, n, m in below))


def structural(rng: random.Random) -> str:
    """train.py with a few lines of made-up code in one of its functions."""
    lines = TRAIN.split("\n")
    place = rng.choice([i for i, line in enumerate(lines) if line.startswith("        ") and i > 150])
    code = [
        f"        {rng.choice(WORDS)}_{rng.randrange(30)} = {rng.choice(WORDS)}({rng.choice(WORDS)}, {rng.random():.3f})" for _ in range(6)
    ]
    return "\n".join([*lines[:place], *code[: rng.randint(1, 6)], *lines[place:]])


def constant(rng: random.Random) -> str:
    chosen = rng.choice(find(TRAIN))
    value = chosen.value * rng.uniform(0.3, 3)
    return replace(TRAIN, {chosen: f"{value:.6g}" if isinstance(chosen.value, float) else str(round(value))})


def filled(experiments: int, ledger: Ledger) -> History:
    """Half of them changes of code, half of constants; one in 40 kept."""
    rng, history = random.Random(0), History()
    history.add(Opened(0.0, "autoresearch/x", "b" * 40, "main", "val_bpb", "min", "5m", "c", "llm"))
    diffs = [diff(TRAIN, structural(rng)) for _ in range(60)]
    for id in range(1, experiments + 1):
        now, kind = float(id), id % 2
        text = constant(rng) if kind else structural(rng)
        patch = diff(TRAIN, text) if kind and id < 20 else renamed(rng, rng.choice(diffs))
        ledger.write_patch(id, patch)
        facts = {"fingerprint": f"{id:016x}", "moved": moved({PATH: TRAIN}, {PATH: text}) if kind else {}}
        history.add(Proposal(now, id, "p", f"s{id}", f"idea {id}", "llm", patch.count("\n+"), patch.count("\n-"), **facts))
        history.add(Measurement(now, id, "screen", 0, f"s{id}", 1, "ok", "c", 1.0))
        kept = id % 40 == 0
        history.add(Verdict(now, id, "keep" if kept else "discard", "", delta=0.001, sha=f"k{id}" if kept else ""))
    return history


def renamed(rng: random.Random, patch: str) -> str:
    """The same diff with other names, so that no two are the same text."""
    return "\n".join(line.replace("(", f"_{rng.randrange(1000)}(", 1) if line.startswith("+ ") else line for line in patch.split("\n"))


def speed(experiments: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        history, rng = filled(experiments, ledger), random.Random(1)
        print(f"\n{experiments} experiments, half of them of code")
        began = time.perf_counter()
        seen = Seen(history, ledger.read_patch, {PATH: TRAIN})
        print(f"{'index':<44}{1e3 * (time.perf_counter() - began):>9.1f} ms")
        texts = [structural(rng) if i % 2 else constant(rng) for i in range(LOOKS)]
        asked = [({PATH: text}, diff(TRAIN, text), moved({PATH: TRAIN}, {PATH: text})) for text in texts]
        took = [[], []]
        for i, (files, patch, moves) in enumerate(asked):
            fingerprint(files)
            began = time.perf_counter()
            seen.refusal(files, patch, moves)
            took[i % 2].append(1e3 * (time.perf_counter() - began))
        print(f"{'first look at a change of code (reads diffs)':<44}{took[1][0]:>9.1f} ms")
        print(f"{'a look at a change of code, median':<44}{median(took[1][1:]):>9.1f} ms")
        print(f"{'a look at a change of constants, median':<44}{median(took[0][1:]):>9.1f} ms")
        again = Seen(history, ledger.read_patch, {PATH: TRAIN})
        began = time.perf_counter()
        again.refusal(*asked[-1])
        print(f"{'first look of another index (diffs are known)':<44}{1e3 * (time.perf_counter() - began):>8.1f} ms")
        began = time.perf_counter()
        fingerprint({PATH: TRAIN + "\nA = 1\n"})
        print(f"{'fingerprint of train.py':<44}{1e3 * (time.perf_counter() - began):>9.1f} ms")


if __name__ == "__main__":
    likeness()
    speed(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
