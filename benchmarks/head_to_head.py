"""Two real nights on this repository's train.py, one of the constants proposer and one of random search, and what each has at the end.

    python benchmarks/head_to_head.py [--experiments 12] [--runs 6]     20 minutes or so on two quiet cores

Each works in a clone of its own, with the real referee, decision and confirmation. The two champions and the base then run in turn on the
same seeds, which neither night has used: that is the comparison. One night of each is an anecdote; `replays.py` has the statistics.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean, stdev

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP))

from bot.commands import act  # noqa: E402
from bot.loop import Night, run_loop  # noqa: E402
from bot.proposers import Answer, ProposalContext  # noqa: E402
from bot.settings import Settings  # noqa: E402
from tests.bot.landscape import random_without_repeats  # noqa: E402

SEEDS = 900_001  # the first of those that no night uses


class Random:
    """One random constant to one random allowed value, no set of values twice."""

    def __init__(self, seed: int):
        self._propose = random_without_repeats(seed)

    def slow(self, context: ProposalContext) -> bool:
        return False

    def propose(self, context: ProposalContext) -> Answer | None:
        return self._propose(context)


def night(folder: Path, experiments: int, proposer: Random | None) -> Night:
    """A whole one in a clone at `folder`; what is known at its end."""
    subprocess.run(["git", "clone", "--quiet", str(TOP), str(folder)], check=True)
    settings = Settings.load(folder, "autoresearch.yml", {"max_experiments": experiments, "stop_after": None})

    def work(night: Night) -> str:
        night.proposer = night.ahead.proposer = proposer or night.proposer
        return run_loop(night)

    return act(settings, work, sys.stderr)


def compared(nights: dict[str, Night], runs: int) -> dict[str, list[float]]:
    """Bits per byte of each champion, and of the base, on the same fresh seeds, in turn."""
    first = next(iter(nights.values()))
    sides = {"the base": (first, first.history.base), **{name: (night, night.history.champion_sha) for name, night in nights.items()}}
    found: dict[str, list[float]] = {name: [] for name in sides}
    for index, (name, (night, sha)) in itertools.product(range(runs), sides.items()):
        run = night.measure(id=0, role="final", index=index, sha=sha, seed=SEEDS + index)
        assert run.outcome == "ok", f"{name}: {run.reason}"
        found[name].append(run.value)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiments", type=int, default=12)
    parser.add_argument("--runs", type=int, default=6)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="head-to-head-") as place:
        nights, minutes = {}, {}
        for name, proposer in (("constants", None), ("random", Random(1))):
            began = time.monotonic()
            nights[name] = night(Path(place) / name, given.experiments, proposer)
            minutes[name] = (time.monotonic() - began) / 60
        values = compared(nights, given.runs)
    base = values["the base"]
    print(f"{'':12}{'kept':>6}{'minutes':>9}{'val_bpb':>9}   against the base")
    for name, row in values.items():
        deltas = [value - other for value, other in zip(row, base, strict=True)]
        kept = f"{len(nights[name].history.keeps):>6}{minutes[name]:>9.1f}" if name in nights else " " * 15
        told = f"   {fmean(deltas):+.4f} ± {stdev(deltas) / len(deltas) ** 0.5:.4f}" if name in nights else ""
        print(f"{name:12}{kept}{fmean(row):9.4f}{told}")


if __name__ == "__main__":
    main()
