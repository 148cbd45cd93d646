"""Budgets: how long a candidate may train, and on which clock (DESIGN 5, step 1).

`5m` is wall time, the default on an accelerator. `10s cpu` is CPU seconds of the whole process tree, the default on a
CPU: there wall time measures the neighbours (the same seed got 62 steps on a busy machine and 206 on a quiet one).
"""

import re
from dataclasses import dataclass
from decimal import Decimal

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST = 365 * 24 * 3600.0  # seconds
# A slow disk costs wall time and no CPU time; the shipped train.py saves in 0.06 CPU seconds at most (docs/performance.md).
SAVE_FLOOR_SECONDS = {"wall": 1.0, "cpu": 0.3}
SAVE_FRACTION = 0.01
SAVE_BYTES_PER_SECOND = 500e6
SAVE_BYTES_FRACTION = 0.05  # of the budget, at most, for the checkpoint's size: a file blown up on purpose must not buy training time

LOGITS_BYTES_PER_SECOND = 1e9  # written once to shared memory
FIRST_FORWARD_SECONDS = 0.2  # thread pools and kernels are set up in the first one, unless a rehearsal has done so


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `5m`, `1.5h` or `1h30m`. ValueError (one sentence) for anything else or for zero."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", str(text).strip())
    if not parts or "".join(a + b for a, b in parts) != str(text).strip():
        raise ValueError(f"{text!r} is not a duration; write it like 90s, 5m or 1h30m")
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not 0 < seconds < LONGEST:
        raise ValueError(f"{text!r} is not a duration above zero and below a year")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back as the same number: 300 -> `5m`."""
    for unit in "hm":
        if seconds >= UNITS[unit] and seconds % UNITS[unit] == 0:
            return f"{int(seconds / UNITS[unit])}{unit}"
    return f"{Decimal(repr(seconds)).normalize():f}s"  # `:g` would round, and write 1e+06


@dataclass(frozen=True)
class Budget:
    """`seconds` on `clock`: "wall" or "cpu" (user + system time of every process of the candidate)."""

    seconds: float
    clock: str = "wall"

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """`5m`, `90s wall`, `10s cpu`. ValueError with one sentence otherwise."""
        words = str(text).split()
        if not words or len(words) > 2 or (len(words) == 2 and words[1] not in ("cpu", "wall")):
            raise ValueError(f"{text!r} is not a budget; write it like 5m (wall time) or 10s cpu (CPU time)")
        return cls(parse_duration(words[0]), words[1] if len(words) == 2 else "wall")

    def __str__(self) -> str:
        return format_duration(self.seconds) + (" cpu" if self.clock == "cpu" else "")

    def save_allowance(self, checkpoint_bytes: int) -> float:
        """Seconds, on the budget's clock, between the end of the budget and a complete checkpoint.

        Tight on purpose: what it grants beyond saving is training time that nobody pays for."""
        writing = min(checkpoint_bytes / SAVE_BYTES_PER_SECOND, SAVE_BYTES_FRACTION * self.seconds)
        return max(SAVE_FLOOR_SECONDS[self.clock], SAVE_FRACTION * self.seconds) + writing

    def scoring_allowance(self, checkpoint_bytes: int, training_cost: float, logits_bytes: int) -> float:
        """Seconds, on the budget's clock, for loading the checkpoint and answering with `logits_bytes` of logits.

        `training_cost`: what training cost for as many tokens; a forward pass is about a third of that. Tight like `save_allowance`:
        a model could be trained on in the scoring process."""
        first = FIRST_FORWARD_SECONDS if self.clock == "cpu" else 0.0
        return self.save_allowance(checkpoint_bytes) + first + training_cost + logits_bytes / LOGITS_BYTES_PER_SECOND
