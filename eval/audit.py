"""The gap audit: did a gain on val also appear on text that steers nothing? A line of defence that needs no sandbox.

Whoever has seen val (read the file, carried it over from an earlier run, guessed the seed that fits it) gains there and nowhere
else. So candidate and champion are both scored on a slice of `audit` too, and the two gains are compared. Pure numpy.

Derivation. Row r (T neighbouring tokens) holds b_r bytes, and the candidate saves d_r bits on it against the champion. The gain on a
split is the ratio G = sum d / sum b, in bits per byte. With e_r = d_r - G b_r, which sum to zero, the first-order variance of a
ratio is n / (n - 1) * sum e_r^2 / (sum b)^2 (Cochran, Sampling Techniques, 3rd ed., 2.11). Tokens of a row are not independent, so
the row is the unit. Neighbouring rows are not either, where a document spans several: so the e of 2, 4, 8 ... neighbours are added
up, n counts the sums, as long as at least BLOCKS of them remain, and the largest variance is taken. The gap is G_val - G_audit,
its variance the sum of both, its degrees of freedom Satterthwaite's. `z` is the normal quantile of equal probability (Wallace
1959): with 32 rows of audit five standard errors are, by Student's t, 1 in 10^5 and not 1 in 3 million.

Power at 32,768 tokens of val and 8,192 of audit (`python -m benchmarks.gap_audit`; 20 pairs of five `10s cpu` runs near 1.67): val known by
heart is flagged 18 times in 20 where that gains 0.12 bits per byte, always where it gains 0.21; half of val's rows 13 times at 0.17,
19 times at 0.41; a tenth of the rows never. None of the honest pairs is flagged. Where a candidate differs from its champion by
the memory alone, its size does not matter. So this finds the gross cases. A leak of 0.004 is the agreement test's to find and
the sandbox's to prevent, and nothing here sees who knows audit as well as val.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from eval.reference import Reference

ENOUGH = 5.0  # standard deviations: one honest measurement in 3.5 million, if row sums were normal; they are not, hence five
PART = 0.5  # of the gain on val that must be missing; a smaller gap may be honest (val's topics need not be audit's)
BLOCKS = 16  # sums of neighbouring rows that a variance is estimated from, at least; fewer rows than this are not judged
MOST_BITS = 1e6  # a token's bits count up to here: a diverged model must not overflow the squares
LEAST_ERROR = 1e-9  # bits per byte; two equal files of bits have no spread at all


def gap(first: Mapping[str, np.ndarray], reference: "Reference", val_bytes: np.ndarray, audit_bytes: np.ndarray) -> dict:
    """How much more the candidate gains on val than on audit. `first`: its bits of each token, {"val": (rows, T), "audit": (rows, T)}.

    `reference`: the champion's bits, `.val` and `.audit` of the same shapes and rows in the same order (the caller has looked that
    `.audit` is there). `val_bytes`, `audit_bytes`: int (rows, T), bytes of each target; tokens without bytes are not scored.
    -> "gap", "error" (its standard error), "gain" (champion minus candidate on val), "bpb" (the candidate's on audit), all in bits per
    byte, and "z"; all finite. With fewer than BLOCKS rows on a side z is 0: nothing can be said. AssertionError for shapes that differ."""
    on_val, val_variance, val_freedom = gain(first["val"], reference.val, val_bytes)
    on_audit, audit_variance, audit_freedom = gain(first["audit"], reference.audit, audit_bytes)
    difference, variance = on_val - on_audit, val_variance + audit_variance
    error, z = math.sqrt(variance), 0.0
    if min(len(val_bytes), len(audit_bytes)) >= BLOCKS:
        least = max(variance, LEAST_ERROR**2)
        parts = val_variance**2 / val_freedom + audit_variance**2 / audit_freedom
        freedom = variance**2 / parts if parts > 0 else min(val_freedom, audit_freedom)
        z = normal_quantile(difference / math.sqrt(least), freedom)
    bits = np.where(audit_bytes > 0, np.clip(first["audit"], 0, MOST_BITS), 0).sum(dtype=np.float64)
    return {"gap": difference, "error": error, "z": z, "gain": on_val, "bpb": float(bits / max(1, audit_bytes.sum()))}


def gain(candidate: np.ndarray, champion: np.ndarray, sizes: np.ndarray) -> tuple[float, float, int]:
    """(bits per byte that the candidate saves, variance of that, its degrees of freedom) over rows; all arrays (rows, T)."""
    assert candidate.shape == champion.shape == sizes.shape, f"shapes differ: {candidate.shape}, {champion.shape}, {sizes.shape}"
    capped = (np.clip(bits.astype(np.float64), 0, MOST_BITS) for bits in (champion, candidate))
    saved = np.where(sizes > 0, np.subtract(*capped), 0.0).sum(axis=1)
    volume = sizes.sum(axis=1, dtype=np.float64)
    total = max(1.0, float(volume.sum()))
    mean = float(saved.sum()) / total
    rest, best = saved - mean * volume, (0.0, 1)
    while len(rest) >= min(BLOCKS, len(sizes)) > 1:
        count = len(rest)
        best = max(best, (count / (count - 1) * float((rest**2).sum()) / total**2, count - 1))
        rest = np.add.reduceat(rest, np.arange(0, count, 2))
    return mean, *best


def normal_quantile(t: float, freedom: float) -> float:
    """The z with the same tail as Student's t: Wallace (1959), "Bounds on normal approximations to Student's and the chi-square
    distributions", Ann. Math. Stat. 30; within 2 % from 5 degrees of freedom and |t| of 1 on."""
    factor = (8 * freedom + 1) / (8 * freedom + 3)
    return math.copysign(factor * math.sqrt(freedom * math.log1p(t * t / freedom)), t)


def verdict(found: dict) -> str:
    """One sentence if the gain on val is not there on unseen text, else "". `found`: what `gap` returned."""
    missing, better = found["gap"], found["gain"]
    if better <= 0 or found["z"] < ENOUGH or missing < PART * better:
        return ""
    return (
        f"it gains {better:.4f} bits per byte on val and {better - missing:.4f} on text that nobody has seen "
        f"(difference {missing:.4f}, {found['z']:.1f} standard errors): it knows val's text"
    )
