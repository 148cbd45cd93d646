"""Which sequences the second worker gets: rows of the scored text, cut where a leak would show, continued differently. Pure numpy.

A probe is (row, cut k): tokens 0 .. k-1 as they are, others from k on. It tests the answer at position k - 1, whose target is token
k, and any look-ahead from there on falls upon an altered token. Positions are drawn by importance: see `masses`; the expected number
of draws of each position is kept, so that the estimate of the leak is unbiased and its bound exact (`eval.agreement`).
"""

from dataclasses import dataclass

import numpy as np

# Shares of the draws: uniform, in proportion to the candidate's advantage in bits over the reference, to its square. The square finds
# leaks on few positions, the plain advantage makes the bound small, uniform draws need no advantage. `python benchmarks/probes.py --escape`
# prints what each of them finds: this mixture's worst leak is hit by 2.1 % of the draws, the best one's by 2.3 %, at a bound 30 % higher.
SHARES = (0.3, 0.3, 0.4)
POOL_TOKENS = 1 << 20  # where continuations are looked for; searching more of a large split costs more than it gives


@dataclass(frozen=True)
class Probe:
    """`inputs`: (T,) token ids, those of `row` below `cut`. `expected`: how often the plan draws this position, on average."""

    row: int
    cut: int
    expected: float
    inputs: np.ndarray


def masses(bits: np.ndarray, reference: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """float64 (R, T), sums to 1: how likely a draw tests each position. All arguments (R, T).

    `bits` the candidate's, `reference` the champion's, `sizes` bytes of each target: what has none is not scored and not tested.
    The last position of a row has no token after it."""
    open_ = sizes > 0
    if open_.shape[1] > 1:
        open_[:, -1] = False
    if not open_.any():
        open_ = np.ones_like(open_)
    gain = np.where(open_, np.maximum(0.0, reference - bits), 0.0)
    total = np.zeros(bits.shape)
    for share, part in zip(SHARES, (open_.astype(float), gain, gain**2), strict=True):
        total += share * part / part.sum() if part.sum() > 0 else 0.0
    return total / total.sum()


def capped(mass: np.ndarray, count: int) -> np.ndarray:
    """Inclusion probabilities of `count` distinct rows, in proportion to `mass` (R,), none above 1. Sums to `count` <= R."""
    chance = np.zeros(len(mass))
    full = np.zeros(len(mass), dtype=bool)
    mass = np.maximum(mass, 1e-12 * mass.max())  # a row without mass may have to fill a block
    while True:
        chance[full] = 1.0
        chance[~full] = (count - full.sum()) * mass[~full] / max(mass[~full].sum(), 1e-300)
        over = (chance >= 1.0) & ~full
        if not over.any():
            return chance
        full |= over


def pivotal(chance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sample without replacement that holds each index with its `chance` (which sum to a whole number), and is of that size.

    Sequential pivotal method (Deville and Tillé 1998) in random order: inclusions are negatively associated (Dubhashi, Jonasson and
    Ranjan 2007), so a set of rows escapes at most as often as if each were drawn on its own."""
    chosen, order = [], rng.permutation(len(chance))
    held, p = order[0], chance[order[0]]
    for other in order[1:]:
        q, u = chance[other], rng.random()
        if p + q < 1.0:  # one of the two is out, the other carries both chances on
            held = other if u * (p + q) < q else held
            p = p + q
        else:  # one of the two is in, the other carries the rest on
            first = u * (2.0 - p - q) < 1.0 - q
            chosen.append(held if first else other)
            held = other if first else held
            p = p + q - 1.0
    if p > 0.5:
        chosen.append(held)
    return np.array(chosen, dtype=np.int64)


def draw(mass: np.ndarray, rows: int, blocks: int, rng: np.random.Generator) -> tuple[list[list[tuple[int, int]]], np.ndarray]:
    """Positions (row, position) for each of `blocks` blocks of `rows` distinct rows; and the expected number of draws, like `mass`.

    A row that is drawn again is cut later in a later block: until it has answered, the second worker has seen no token that is tested."""
    of_row = mass.sum(axis=1)
    chance = capped(of_row, rows)
    taken = [pivotal(chance, rng) for _ in range(blocks)]
    positions: dict[int, list[int]] = {}
    for row, times in zip(*np.unique(np.concatenate(taken), return_counts=True), strict=True):
        share = mass[row] / of_row[row] if of_row[row] > 0 else np.full(mass.shape[1], 1 / mass.shape[1])
        positions[int(row)] = sorted(int(p) for p in rng.choice(len(share), size=times, p=share))
    plan = [[(int(row), positions[int(row)].pop(0)) for row in rng.permutation(block)] for block in taken]
    expected = blocks * chance[:, None] * mass / np.where(of_row > 0, of_row, 1)[:, None]
    return plan, expected


class Continuations:
    """Real text of the split that goes on differently: after the same two tokens, else the same one, another token follows.

    No piece of it shows a token that is tested, or comes after one in its row: `first_cut` maps each probed row to its first cut."""

    def __init__(self, tokens: np.ndarray, starts: np.ndarray, length: int, first_cut: dict[int, int], rng: np.random.Generator):
        begin = int(rng.integers(max(1, len(tokens) - POOL_TOKENS + 1)))
        self.pool, self.rng = np.array(tokens[begin : begin + POOL_TOKENS]), rng
        shown = np.ones(len(self.pool), dtype=bool)
        for row, cut in first_cut.items():
            start = int(starts[row]) - begin
            shown[max(0, start + cut) : max(0, start + length + 1)] = False
        shown[:2] = False  # nothing precedes them
        self.shown = shown
        ends = np.flatnonzero(np.append(~shown, True))
        self.end = ends[np.searchsorted(ends, np.arange(len(shown)))]  # of the stretch that may be shown, from each token on

    def after(self, before: np.ndarray, truth: int, count: int) -> np.ndarray:
        """`count` token ids to follow `before` (at least one token), the first of them not `truth`."""
        pieces, size = [], 0
        while size < count:
            piece = self._piece(before, truth if not pieces else -1, count - size)
            pieces.append(piece)
            size += len(piece)
            before = np.concatenate([before, piece])[-2:]
        return np.concatenate(pieces)

    def _piece(self, before: np.ndarray, truth: int, count: int) -> np.ndarray:
        follows = self.shown & (self.pool != truth)
        same = np.append(False, self.pool[:-1] == before[-1])
        pairs = same & np.append([False, False], self.pool[:-2] == before[-2]) if len(before) > 1 else same
        for context in (pairs, same, np.ones_like(same)):
            found = np.flatnonzero(follows & context)
            if len(found):
                start = int(self.rng.choice(found))
                return self.pool[start : min(int(self.end[start]), start + count)]
        others = np.unique(self.pool[self.pool != truth])  # everything is tested: no text is left, only tokens
        return self.rng.choice(others if len(others) else np.array([truth - 1 if truth else 1], self.pool.dtype), size=count)


def prepare(
    tokens: np.ndarray, starts: np.ndarray, texts: np.ndarray, plan: list[list[tuple[int, int]]], expected: np.ndarray, rng
) -> list[list[Probe]]:
    """The probes of a plan, block by block. `tokens`: the split; `texts`: its scored rows, (R, T + 1), which begin at `starts`."""
    length = texts.shape[1] - 1
    first: dict[int, int] = {}
    for row, position in (cell for block in plan for cell in block):
        first[row] = min(first.get(row, length), position + 1)
    continuations = Continuations(tokens, starts, length, first, rng)

    def probe(row: int, position: int) -> Probe:
        cut, inputs = position + 1, texts[row, :-1].copy()
        if cut < length:
            inputs[cut:] = continuations.after(inputs[:cut][-2:], int(inputs[cut]), length - cut)
        return Probe(row, cut, float(expected[row, position]), inputs)

    return [[probe(row, position) for row, position in block] for block in plan]
