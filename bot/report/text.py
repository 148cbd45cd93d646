"""Numbers and untrusted text made fit to print: hypotheses, logs and file names were written by candidates."""

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from eval.text import harmless

BARS = "▁▂▃▄▅▆▇█"
INVISIBLE = "\u200b"  # zero-width space: breaks GitHub's mentions, references and links without showing


def plain(text: str, limit: int = 0) -> str:
    """One line, no control or direction characters, no CI workflow command; shortened to `limit` characters."""
    shown = "".join(_visible(c) for c in text)
    line = re.sub(r"(?<!\S)::", ": :", harmless(" ".join(shown.split())))
    return line if not limit or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def block(text: str) -> list[str]:
    """The lines of a log or diff without control characters and CI workflow commands."""
    return [harmless("".join(_visible(c) for c in line.expandtabs(4)).rstrip()) for line in text.splitlines()]


def dumps(value: Any) -> str:
    """JSON for standard output in which a CI runner finds no command: `##[` is always part of a string, where an escape says the same."""
    return json.dumps(value, indent=2).replace("##[", "#\\u0023[")


def _visible(char: str) -> str:
    if char.isascii():
        return char if " " <= char <= "~" else " "
    category = unicodedata.category(char)
    return " " if category in ("Cc", "Zl", "Zp") else "" if category == "Cf" else "�" if category in ("Cs", "Co", "Cn") else char


def md(text: str, limit: int = 0) -> str:
    """Inline GitHub markdown that shows `text` and does nothing else: no HTML, mention, link, image, math or table cell."""
    line = plain(text, limit)
    line = re.sub(r"([\\`*\[\]!|~])", r"\\\1", line)
    line = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;\u200b")
    line = re.sub(r"(?i)(@|:(?=//)|www|gh-)", lambda m: m[0] + INVISIBLE, line)
    return re.sub(r"(?<!&)#", "#" + INVISIBLE, line)


def fence(text: str) -> str:
    lines = block(text)
    ticks = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    return "\n".join([f"{ticks}text", *lines, ticks])


def spark(values: Sequence[float], width: int = 32) -> str:
    """A line of bars, the newest value last; more values than `width` are averaged."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return ""
    if len(finite) > width:
        edges = [i * len(finite) // width for i in range(width + 1)]
        finite = [sum(finite[a:b]) / (b - a) for a, b in zip(edges, edges[1:], strict=False)]
    low, high = min(finite), max(finite)
    return "".join(BARS[round((v - low) / (high - low) * 7) if high > low else 0] for v in finite)


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


class Scale:
    """How many decimals a metric of this size deserves: four for bits per byte, none for 20,000 tokens a second."""

    def __init__(self, reference: float | None):
        size = abs(reference) if reference and math.isfinite(reference) else 1.0
        magnitude = math.floor(math.log10(size))
        self.decimals = min(12, max(0, 4 - magnitude - (magnitude == -1)))

    def value(self, value: float | None) -> str:
        return "–" if value is None else f"{value:,.{self.decimals}f}".replace("-", "−")

    def delta(self, value: float | None) -> str:
        return "–" if value is None else f"{value:+,.{self.decimals}f}".replace("-", "−")

    def spread(self, low: float | None, high: float | None) -> str:
        return "" if low is None or high is None else f"{self.delta(low)} to {self.delta(high)}"
