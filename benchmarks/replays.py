"""Ways of choosing constants, replayed on configurations that were measured for real (`benchmarks/table.py`).

    python benchmarks/replays.py [repeats]     200 repeats of 30 experiments: 12 minutes on one core

A night begins at train.py's own values. Ledger and decision are the real ones (`tests/bot/landscape.py`); a measurement is the true value
and a draw of the measured noise. Gain: of the champion's true value, as a share of what the best one gains. Area: the mean of that
after each experiment. `alone`: the five constants of the table and nothing else. `among others`: beside OTHERS, which change nothing here,
as most constants of a train.py change nothing that a night could tell.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev

TOP = Path(__file__).parents[1]
sys.path[:0] = [str(TOP), str(TOP / "benchmarks")]

from table import LEVELS, Fit, read, told  # noqa: E402

from bot.proposers import Answer, ProposalContext  # noqa: E402
from bot.proposers.constants import Constants  # noqa: E402
from bot.proposers.hybrid import tunes  # noqa: E402
from bot.proposers.source import find  # noqa: E402
from tests.bot.landscape import STRATEGIES, Night, Valley  # noqa: E402

COUNTS, AREAS = (6, 12, 20, 30), (12, 30)
OTHERS = """\
HEAD_DIM = 64
SOFTCAP = 15.0
ROTARY_BASE = 10_000
HEAD_LR = 0.004
SCALAR_LR = 0.5
GATE_LR = 0.01
ADAM_BETA1 = 0.8
ADAM_BETA2 = 0.95
MUON_BETA2 = 0.95
WEIGHT_DECAY = 0.2
WARMDOWN = 0.5
MOMENTUM_END = 0.95
EMBED_STD = 1.0
X0_INIT = 0.1
"""


class Table(Valley):
    """A landscape whose values are the table's."""

    others = ""

    def __init__(self, fit: Fit):
        lines = [f"{name.partition('.')[0]} = {first}  # one of {', '.join((first, *more))}\n" for name, (first, *more) in LEVELS.items()]
        self.fit, self.noise, self.source = fit, fit.noise, "".join(lines) + self.others
        self.start = self.loss(self.source)

    def loss(self, text: str) -> float:
        """Bits per byte beyond the best configuration's."""
        written = {constant.name: constant.text for constant in find(text)}
        return self.fit.true[tuple(written[name.partition(".")[0]] for name in LEVELS)] - min(self.fit.true.values())


class AmongOthers(Table):
    others = OTHERS


def hybrids_part(seed: int) -> Callable[[ProposalContext], Answer | None]:
    """The hybrid with a proposer of code that has no ideas: what its constants find before it stops."""
    return lambda context: Constants().propose(context) if tunes(context) else None


RIVALS = STRATEGIES | {"hybrid's constants": hybrids_part}


def gains(kind: type[Table], fit: Fit, strategy: str, seed: int) -> list[float]:
    """After each experiment. Who has nothing to propose stays where it is."""
    night, found = Night(kind(fit), RIVALS[strategy](seed), seed), []
    while len(found) < COUNTS[-1] and night.experiment():
        found.append(night.valley.gain(night.text))
    return found + [night.valley.gain(night.text)] * (COUNTS[-1] - len(found))


def report(repeats: int) -> None:
    fit = Fit(read())
    told(fit)
    for title, kind in (("alone", Table), ("among others", AmongOthers)):
        rows = {name: [gains(kind, fit, name, seed) for seed in range(repeats)] for name in RIVALS}
        head = [f"{f'@{count}':>15}" for count in COUNTS] + [f"{f'area {count}':>15}" for count in AREAS]
        print(f"\n{title:20}{''.join(head)}   area over random's")
        for name, row in rows.items():
            cells = [[one[count - 1] for one in row] for count in COUNTS] + [areas(row, count) for count in AREAS]
            ratios = [fmean(areas(row, count)) / fmean(areas(rows["random"], count)) for count in AREAS]
            print(
                f"  {name:18}{''.join(f'{mean(cell):>15}' for cell in cells)}   {', '.join(f'{ratio:.2f}' for ratio in ratios)}", flush=True
            )


def areas(rows: list[list[float]], count: int) -> list[float]:
    return [fmean(row[:count]) for row in rows]


def mean(values: list[float]) -> str:
    return f"{fmean(values):.3f} ± {stdev(values) / len(values) ** 0.5:.3f}"


if __name__ == "__main__":
    report(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
