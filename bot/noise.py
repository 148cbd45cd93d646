"""The night's noise: how much equal runs differ, whether sharing a seed helps, and whether the machine still is what it was. Pure."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice

from bot.history import History
from bot.records import Experiment, Measurement
from bot.stats import Comparison, Noise, Squares, compare, correlation, pooled, squares, variance

REMEMBERED = 200  # newest experiments with several equal runs that the noise is pooled over
WATCH = 40  # runs after which the champion is looked at again, whatever else is measured
AFTER = 2  # champion runs that must agree on a drift
SUSPICIOUS, JUMPED = 0.01, 0.001  # p (two-sided) at which one is looked at twice, and at which AFTER of them are a drift


class NightNoise:
    """Groups of equal runs of this context: the champions' and the tested candidates'."""

    def __init__(self, history: History):
        self.tested = list(islice(_tested(history), REMEMBERED))
        self.pools = {sha: history.pool(sha) for sha in history.champions}
        self.runs = {e.id: history.compared(e, "confirm") for e in self.tested}
        self.squares = [{name: squares([m.value for m in runs]) for name, runs in groups.items() if len(runs) > 1}
                        for groups in (self.pools, self.runs)]  # fmt: skip

    def of_others(self, *groups: str | int) -> Noise:
        """Without the groups that are compared themselves: a champion's by its sha, a candidate's by its id."""
        champions, candidates = (pooled([found for name, found in known.items() if name not in groups]) for known in self.squares)
        return Noise(champions, candidates, self.pairing)

    @cached_property
    def pairing(self) -> float:
        return correlation([shared(self.pools.get(e.proposal.parent, []), self.runs[e.id]) for e in self.tested])

    @property
    def sigma(self) -> float:
        """Standard deviation of one run of a champion."""
        return variance(self.of_others().champion)[0] ** 0.5


def _tested(history: History) -> Iterator[Experiment]:
    return (e for e in reversed(history.experiments.values()) if e.id and e.proposal and len(e.runs("confirm")) > 1)


def partners(champion: Sequence[Measurement], candidate: Sequence[Measurement]) -> list[int | None]:
    """For each of the candidate's runs the place of the champion's on the same seed."""
    at = {m.seed: i for i, m in enumerate(champion)}
    return [at.get(m.seed) for m in candidate]


def shared(champion: Sequence[Measurement], candidate: Sequence[Measurement]) -> tuple[list[float], list[float]]:
    """Values of candidate and champion on the seeds that both have run."""
    pairs = [(m.value, champion[p].value) for m, p in zip(candidate, partners(champion, candidate), strict=True) if p is not None]
    return [a for a, _ in pairs], [b for _, b in pairs]


def against(champion: Sequence[Measurement], candidate: Sequence[Measurement], noise: Noise, sign: int = 1) -> Comparison | None:
    """Candidate minus champion; None below two runs each. `sign` -1 turns a metric of which more is better around."""
    if len(champion) < 2 or len(candidate) < 2:
        return None
    values = [[sign * m.value for m in runs] for runs in (champion, candidate)]
    return compare(*values, partners(champion, candidate), noise)


def due(history: History) -> bool:
    """Whether so many runs have passed since the champion's last one that it is time to look at it again."""
    known = history.pool(history.champion_sha) or history.selected(history.champion_sha)
    return bool(known) and history.runs_since(known[-1].at) >= WATCH


def suspicion(values: Sequence[float], others: Squares) -> str:
    """`drift` if the newest AFTER runs of a champion's pool, in order of time, differ from the ones before; `look again` if so far only
    the last one seems to; else empty."""
    if len(values) > 2 + AFTER and _p(values[:-AFTER], values[-AFTER:], others) < JUMPED:  # first: a jump hides its own second run
        return "drift"
    return "look again" if len(values) > 3 and _p(values[:-1], values[-1:], others) < SUSPICIOUS else ""


def _p(before: Sequence[float], after: Sequence[float], others: Squares) -> float:
    ss, freedom = squares(before)  # the same commit: what its earlier runs scatter holds for the later ones, other champions or not
    p = compare(before, after, [None] * len(after), Noise(others, (others[0] + ss, others[1] + freedom))).p()
    return 2 * min(p, 1 - p)
