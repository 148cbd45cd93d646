"""How alike two changes are: of constants by how far they move, of code by the words of the changed lines. Pure.

A change's words are the pairs of neighbours in its added and in its removed lines, less those that it only moves within a line: where GELU
replaces ReLU, the rest of the line says nothing. Names that the change itself brings in are one name; comments do not count; the line
above each place does. Two changes are as alike as the share of words that they have in common (Jaccard). Other names, other comments and
another champion leave 1.00 of an idea; different ideas for one place share up to 0.96 (`python benchmarks/duplicates.py` prints both), and
one word in a change of 25 lines is worth 0.02. What is wrongly called the same costs an idea, a repeat that is missed one run: so ALIKE.
Numbers are compared for themselves, since the same code with a number that is materially another one is another experiment.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import accumulate

ALIKE = 0.98
STEP = 0.2  # of a move: how much longer or shorter another one may be and still count as the same
CLOSE = 0.3  # doublings: about a fifth of a value
SAME_START = 0.02  # doublings between the values that two moves start from
WORD = re.compile(
    r"(?P<number>(?<![\w.])(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][+-]?\d+)?)|[^\W\d]\w*|\"[^\"]*\"|'[^']*'|\*\*|//|->|[-+*/%@|&^<>=!:]=|\S"
)
SILENT = re.compile(r"(^|\s)#.*$|\"\"\".*?\"\"\"")
BROUGHT = re.compile(  # names that a line gives something to
    r"(?:^|[;(,])\s*((?:\w+\s*,\s*)*\w+)\s*(?::[^=]*)?=(?!=)|\bfor\s+((?:\w+\s*,\s*)*\w+)\s+in\b|\bas\s+(\w+)|(\w+)\s*:=|\b(?:def|class)\s+(\w+)"
)
NAME = re.compile(r"[^\W\d]\w*")
UNIT = re.compile(r"(?:async\s+def|def|class)\s+(\w+)|(\w+)\s*(?::[^=]*)?=(?!=)")
HUNK = re.compile(r"@@ [^@]* @@ ?(.*)")

Words = Counter[tuple[str, ...]]


@dataclass(frozen=True)
class Line:
    sign: str  # "+" added, "-" removed, " " neither
    text: str
    unit: str  # function, class or constant at the top of the file that it is in, "" for none


@dataclass(frozen=True)
class Shape:
    """A diff in words. `units`: what it touches at the top of a file."""

    words: Words
    numbers: tuple[tuple[float, ...], tuple[float, ...]]  # removed and added ones, sorted
    units: frozenset[str]
    size: int


@lru_cache(maxsize=8192)
def shape(patch: str) -> Shape:
    """Of a unified diff."""
    lines = list(read(patch))
    changed = [line for line in lines if line.sign != " " and SILENT.sub("", line.text).strip()]
    own = _brought(lines)
    words = {sign: Counter(_pairs((line for line in changed if line.sign == sign), own)) for sign in "-+"}
    removed, added = words["-"] - words["+"], words["+"] - words["-"]
    if not removed and not added:  # lines that only change places
        removed, added = words["-"], words["+"]
    together: Words = Counter({(sign, *word): n for sign, part in (("-", removed), ("+", added)) for word, n in part.items()})
    together.update(("above", text) for text in _above(lines))
    numbers = {sign: Counter(_numbers(line for line in changed if line.sign == sign)) for sign in "-+"}
    gone, come = ((numbers[a] - numbers[b]).elements() for a, b in ("-+", "+-"))
    return Shape(together, (tuple(sorted(gone)), tuple(sorted(come))), frozenset(line.unit for line in changed), together.total())


def read(patch: str) -> Iterator[Line]:
    """The lines of all hunks, with what they are in as far as the hunk or its heading shows it."""
    unit, inside = "", False
    for line in patch.split("\n"):
        if hunk := HUNK.match(line):
            unit, inside = _unit(hunk[1], ""), True
        elif line.startswith(("diff --git ", "--- a/")):
            inside = False
        elif inside and line[:1] in ("+", "-", " ") and line:
            unit = _unit(line[1:], unit)
            yield Line(line[0], line[1:], unit)


def _unit(line: str, before: str) -> str:
    """The definition or constant that begins at the top of a file with this line, else the one `before` that goes on."""
    if not line or line[0] in " \t)]}#\r":
        return before
    found = UNIT.match(line)
    return found[1] or found[2] if found else ""


def touched(old: str, new: str) -> frozenset[str]:
    """The functions, classes and constants at the top of a file whose lines differ between two texts of it."""
    before, after = old.split("\n"), new.split("\n")
    places = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    of_old, of_new = (list(accumulate(lines, lambda unit, line: _unit(line, unit), initial=""))[1:] for lines in (before, after))
    return frozenset(unit for kind, a, b, c, d in places if kind != "equal" for unit in [*of_old[a:b], *of_new[c:d]])


def _brought(lines: Iterable[Line]) -> set[str]:
    """Names that the added lines give something to and that no other line has."""
    made, known = set(), set()
    for line in lines:
        text = SILENT.sub("", line.text)
        if line.sign == "+":
            made.update(name for match in BROUGHT.finditer(text) for group in match.groups() if group for name in NAME.findall(group))
        else:
            known.update(NAME.findall(text))
    return made - known


def _pairs(lines: Iterable[Line], own: set[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        words = ["0" if m["number"] else "$" if m[0] in own else m[0] for m in WORD.finditer(SILENT.sub("", line.text))]
        yield from zip(["", *words], [*words, ""], strict=True)


def _numbers(lines: Iterable[Line]) -> Iterator[float]:
    for line in lines:
        yield from (float(m["number"].replace("_", "")) for m in WORD.finditer(SILENT.sub("", line.text)) if m["number"])


def _above(lines: list[Line]) -> Iterator[str]:
    """The line that stands before each run of changed ones."""
    for line, after in zip(lines, lines[1:], strict=False):
        if line.sign == " " != after.sign:
            yield SILENT.sub("", line.text).strip()


def jaccard(a: Shape, b: Shape) -> float:
    """Share of words in common, 0 to 1."""
    fewer, more = (a.words, b.words) if len(a.words) <= len(b.words) else (b.words, a.words)
    both = sum(min(count, more.get(word, 0)) for word, count in fewer.items())
    return both / (a.size + b.size - both) if both else 0.0


def alike(a: Shape, b: Shape) -> bool:
    """Whether two diffs say nearly the same."""
    if min(a.size, b.size) < ALIKE * max(a.size, b.size) or jaccard(a, b) < ALIKE:
        return False
    return all(_same_numbers(x, y) for x, y in zip(a.numbers, b.numbers, strict=True))


def _same_numbers(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b, strict=True))


def close(a: float, b: float) -> bool:
    return a == b or all(abs(scale(a) - scale(b)) <= CLOSE for scale in _scales(a, b))


def same_move(a: tuple[float, float], b: tuple[float, float], exactly: bool = False) -> bool:
    """Whether a constant goes from about the same value the same way by about as much; `exactly`: to the same value."""
    if a[0] != b[0] and any(abs(scale(a[0]) - scale(b[0])) > SAME_START for scale in _scales(a[0], b[0])):
        return False
    if exactly or a[1] == b[1]:
        return a[1] == b[1]
    scales = ((scale(a[1]) - scale(b[1]), scale(a[1]) - scale(a[0]), scale(b[1]) - scale(b[0])) for scale in _scales(*a, *b))
    return all(abs(apart) <= STEP * max(abs(first), abs(second)) for apart, first, second in scales)


def _scales(*values: float) -> list[Callable[[float], float]]:
    """What differences are taken of, in doublings; for values from 0.5 to 1, as of a momentum, also of what they lack to 1. Where one is
    zero or has another sign, a hundredth counts as next to nothing."""
    if any(value == 0 or (value > 0) != (values[0] > 0) for value in values):
        return [lambda value: math.asinh(50 * value) / math.log(2)]
    scales = [lambda value: math.log2(abs(value))]
    if all(0.5 <= value < 1 for value in values):
        scales.append(lambda value: -math.log2(1 - value))
    return scales
