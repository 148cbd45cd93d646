"""What the comment behind a constant says about its values. Pure.

LR = 0.02  # 0.005 .. 0.1            also: between 0.005 and 0.1; in [0.005, 0.1]; range: 0.005 to 0.1; >= 0.005; at most 0.1
WIDTH = 128  # one of 64, 128, 256   also: 64 | 128 | 256; choices: 64, 128 or 256
HIDDEN = 640  # multiple of 64       also: power of two
LAYOUT = 3  # fixed                  also: do not change
"""

import math
import re
from dataclasses import dataclass

from bot.proposers.source import evaluate

NUMBER = r"[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?(?:\s*\*\*\s*\d+)?(?![\w%])"
RANGES = [
    re.compile(text.replace("N", f"({NUMBER})"), re.I)
    for text in (
        r"(?<![\w.])N\s*(?:\.{2,3}|…)\s*N", r"\bbetween\s+N\s+and\s+N", r"\bin\s*[\[(]\s*N\s*,\s*N\s*[\])]",
        r"\brange:?\s*[\[(]?\s*N\s*(?:,|to|-)\s*N",
    )
]  # fmt: skip
LIST = rf"{NUMBER}(?:\s*(?:,\s*or\b|,|\||/|\bor\b)\s*{NUMBER})+"
CHOICES = [re.compile(rf"(?:\b(?:one of|any of|either)\b|\bchoices?:?)\s*[\[({{]?\s*({LIST})", re.I)]
CHOICES += [re.compile(rf"^\W*({NUMBER}(?:\s*\|\s*{NUMBER})+)", re.I)]
LOW = re.compile(rf"(?:>=|≥|\bat least)\s*({NUMBER})", re.I)
HIGH = re.compile(rf"(?:<=|≤|\bat most)\s*({NUMBER})", re.I)
MULTIPLE = re.compile(r"\b(?:a )?multiple of (\d+)\b", re.I)
POWER = re.compile(r"\bpower of (?:two|2)\b", re.I)
FIXED = re.compile(r"^fixed(?=\s*$|[:;,.]| by\b)|\b(?:do not|don't|never) (?:change|tune|touch|edit)\b", re.I)


@dataclass(frozen=True)
class Hint:
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[float, ...] = ()
    multiple: int = 0
    power: bool = False
    fixed: bool = False


def read(comment: str, value: float) -> Hint:
    """What the value itself contradicts is not about it, and does not count."""
    low, high = _bounds(comment)
    if not low <= value <= high:
        low, high = -math.inf, math.inf
    choices = _choices(comment, value)
    multiple = int(found[1]) if (found := MULTIPLE.search(comment)) else 0
    if not multiple or value % multiple:
        multiple = 0
    return Hint(low, high, choices, multiple, bool(POWER.search(comment)), bool(FIXED.search(comment)))


def _bounds(comment: str) -> tuple[float, float]:
    for pattern in RANGES:
        if found := pattern.search(comment):
            low, high = map(_number, found.groups())
            return low, high
    low, high = LOW.search(comment), HIGH.search(comment)
    return _number(low[1]) if low else -math.inf, _number(high[1]) if high else math.inf


def _choices(comment: str, value: float) -> tuple[float, ...]:
    for pattern in CHOICES:
        if found := pattern.search(comment):
            values = tuple(_number(text) for text in re.findall(NUMBER, found[1], re.I))
            kind = int if isinstance(value, int) else float
            if value in values and all(v == kind(v) for v in values):
                return tuple(dict.fromkeys(map(kind, values)))
    return ()


def _number(text: str) -> float:
    found = evaluate(text)
    return math.nan if found is None else found
