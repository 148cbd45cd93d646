"""Do the two workers agree? From the probes' answers to the leak in bits per byte, its bound, and a verdict. Pure numpy.

An honest answer at a position is a function of the tokens up to it and of the checkpoint, so both workers give it: on a CPU mostly to the
last bit. Rounding may differ where a matrix product's shape depends on the data (mixture of experts), and on accelerators; the rules
below tell that from knowing more. docs/referee.md derives them.
"""

import math
from dataclasses import dataclass

import numpy as np

from eval.probes import Probe

CONFIDENCE = math.log(20)  # a set of positions with this many expected draws escapes 1 time in 20
SIDE = 1.645  # standard errors, one-sided 95 %
# Rounding found on a CPU: at most 5e-6 bits (`python benchmarks/probes.py --rounding`). 16-bit logits and accelerators get more room, for a
# router that falls to the other side of a tie changes an answer by tenths of a bit.
NOTHING = 1e-4  # bits; a difference below is rounding whatever else holds, and 30 millionths of a bit per byte are no gain
# Bits; no single answer of an honest model is expected to differ by more, so one that does is proof, if altering the row is what does it.
# float32 logits of models that round to bfloat16 or int8 inside differ by up to 0.034 (tests/zoo: fft_bfloat16, 50 scorings): honest
# rounding may depend on later tokens, so below this only what points in one direction, or stands out many times, counts.
LARGE = {"fine": 0.1, "coarse": 0.25}
SHARE = 0.01  # of the compared positions may differ by more than that
MEAN = {"fine": 0.002, "coarse": 0.02}  # bits; mean absolute difference that rounding stays below
MARGIN = 4  # times the largest difference where nothing was altered: what a tested one must exceed to stand out
PRIOR = {"fine": 5000, "coarse": 0}  # honest answers taken as seen to agree beforehand, for judging a single one that does not
UNLIKELY = 1e-3  # of what would be seen if tested positions were like all others
SIGMAS = 5.0  # standard errors of a mean that no chance explains
MATERIAL = 2e-4  # bits per byte; a mean below that decides nothing


@dataclass(frozen=True, eq=False)
class Compared:
    """One probe's answers: `first` and `second` worker's bits of the true targets at the positions below the cut, (cut,) each."""

    probe: Probe
    first: np.ndarray
    second: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """What the first worker knew more, bits, (cut,)."""
        return self.second - self.first

    @property
    def tested(self) -> float:
        """The difference at the one position that was drawn, the last one: look-ahead by one token shows nowhere else."""
        return float(self.difference[-1])


def leak(found: list[Compared], total_bytes: int) -> tuple[float, float]:
    """(the leak, bits per byte of the whole scored text; its standard error). Unbiased (Horvitz and Thompson): each tested position
    counts for as many as it was drawn for."""
    values = np.array([pair.tested / pair.probe.expected for pair in found])
    spread = values.std(ddof=1) * math.sqrt(len(values)) if len(values) > 1 else abs(float(values.sum()))
    return float(values.sum()) / total_bytes, float(spread) / total_bytes


def escaped(gain: np.ndarray, expected: np.ndarray) -> float:
    """Bits: the most gain (R, T) that positions can hold which escape all draws 1 time in 20. `expected` draws of each, (R, T).

    A set with E expected draws escapes with a chance of at most exp(-E) (see `probes.pivotal`), so with 95 % confidence the set of all
    positions that would show a difference has fewer than ln 20 = 3.0. The most that fits into that is a fractional knapsack."""
    worth = np.maximum(gain, 0.0).ravel()
    weight = np.maximum(expected.ravel()[worth > 0], 1e-300)
    worth = worth[worth > 0]
    order = np.argsort(-worth / weight)
    room = CONFIDENCE - np.cumsum(weight[order]) + weight[order]  # what is left for each, the better ones packed
    return float((worth[order] * np.clip(room / weight[order], 0.0, 1.0)).sum())


def estimate(found: list[Compared], gain: np.ndarray, expected: np.ndarray, total_bytes: int) -> dict:
    """"bpb": the leak; "error": its standard error; "bound": how much of the gain over the reference (R, T), bits per byte, positions can
    hold that depend on more than they may, with 95 % confidence; "positions" compared; "exact": not one bit differed."""
    bpb, error = leak(found, total_bytes)
    exact = all(not pair.difference.any() for pair in found)
    bound = escaped(gain, expected) / total_bytes + max(0.0, bpb + SIDE * error)
    positions = sum(pair.probe.cut for pair in found)
    return {"cuts": len(found), "positions": positions, "bpb": bpb, "error": error, "bound": bound, "exact": exact}


def stands_out(found: list[Compared], enough: float) -> list[tuple[Compared, int]]:
    """(pair, position) of the largest difference at a tested position, and at any, as far as they are more than `enough` bits."""
    tested = max(found, key=lambda pair: abs(pair.tested))
    anywhere = max(found, key=lambda pair: np.abs(pair.difference).max())
    cells = [(tested, tested.probe.cut - 1), (anywhere, int(np.abs(anywhere.difference).argmax()))]
    return [(pair, at) for pair, at in dict.fromkeys(cells) if abs(pair.difference[at]) > enough]


def tail(hits: int, tries: int, seen: int, of: int) -> float:
    """The chance of `hits` or more in `tries` if `seen` came up in `of` others (beta-binomial, Jeffreys prior)."""
    a, b = seen + 0.5, of - seen + 0.5

    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    def chance(k: int) -> float:
        return math.comb(tries, k) * math.exp(log_beta(k + a, tries - k + b) - log_beta(a, b))

    return 1.0 - sum(chance(k) for k in range(hits)) if hits <= tries / 2 else sum(chance(k) for k in range(hits, tries + 1))


def z_of(values: np.ndarray) -> float:
    """How many standard errors the sum is from zero if signs were chance. At most sqrt(n): a light dose cannot reach SIGMAS."""
    return float(abs(values.sum()) / math.sqrt(max(float((values**2).sum()), 1e-300)))


def suspect(found: list[Compared], facts: dict, coarse: bool, bytes_per_token: float) -> Compared | None:
    """The pair that shows a disagreement beyond rounding best, or None. `coarse`: 16-bit logits, or an accelerator."""
    if facts["exact"]:
        return None
    room = "coarse" if coarse else "fine"
    tested = np.array([abs(pair.tested) for pair in found])
    others = np.concatenate([np.abs(pair.difference[:-1]) for pair in found] + [np.zeros(1)])
    everything = np.concatenate([tested, others])
    by_probe = np.array([pair.difference.sum() for pair in found])
    mean = float(by_probe.sum()) / facts["positions"] / bytes_per_token
    outstanding = (tested > max(NOTHING, MARGIN * others.max())).sum()
    large, among_others = (tested > LARGE[room]).sum(), (others > LARGE[room]).sum()
    if tail(int(outstanding), len(tested), 0, len(others)) < UNLIKELY and outstanding:
        return max(found, key=lambda pair: abs(pair.tested))
    if large and tail(int(large), len(tested), int(among_others), len(others) + PRIOR[room]) < UNLIKELY:
        return max(found, key=lambda pair: abs(pair.tested))
    allowed = SHARE * len(everything) + 4 * math.sqrt(SHARE * len(everything))  # a light dose has few positions, and flips come in runs
    dependent = (everything > LARGE[room]).sum() > allowed or everything.mean() > MEAN[room]
    shifted = abs(mean) > MATERIAL and z_of(by_probe) > SIGMAS
    leaking = abs(facts["bpb"]) > max(MATERIAL, SIGMAS * facts["error"]) and len(found) > SIGMAS**2
    return max(found, key=lambda pair: np.abs(pair.difference).max()) if dependent or shifted or leaking else None
