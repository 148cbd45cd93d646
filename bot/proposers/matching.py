"""Where a text of whole lines stands in a file: once and exactly, else once but for blanks, else nowhere.

But for blanks: at the end of lines, blank lines around the text, or one indentation more or less for all of it. Nothing is guessed beyond.
Line ends, a byte order mark and a missing newline at the end of the file stay as they are.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from bot.edit import BOM

BLANKS = " \t\r\f\v"
FENCE = re.compile(r"\s*(`{3,}|~{3,})[\w.+-]*\s*")
SHOWN = 20  # lines of the file that a reason quotes
WIDE = 200  # characters of each
LOOKED_AT = 3000  # lines that a text is compared with by its letters
TELLING = 8  # characters that must agree before two places are called similar

Lines = tuple[str, ...]
Span = tuple[int, int]


@dataclass(frozen=True)
class File:
    """A text in lines: what they say, how each ends, and the mark that the file begins with."""

    lines: Lines
    ends: Lines
    mark: str = ""

    @classmethod
    def of(cls, text: str) -> "File":
        mark = BOM if text.startswith(BOM) else ""
        *whole, rest = text.removeprefix(mark).split("\n")
        lines, ends = tuple(line.removesuffix("\r") for line in whole), tuple("\r\n" if line.endswith("\r") else "\n" for line in whole)
        return cls((*lines, rest), (*ends, ""), mark) if rest else cls(lines, ends, mark)

    @property
    def end(self) -> str:
        """How its lines usually end."""
        return "\r\n" if self.ends.count("\r\n") > self.ends.count("\n") else "\n"

    def with_lines(self, changes: Mapping[Span, Lines]) -> str:
        """The text in which the lines of each span are others. Spans do not overlap."""
        parts, at = [], 0
        for (start, stop), lines in sorted(changes.items()):
            parts += [*zip(self.lines[at:start], self.ends[at:start], strict=True), *((line, self.end) for line in lines)]
            at = stop
        parts += zip(self.lines[at:], self.ends[at:], strict=True)
        ends = [end or self.end for _, end in parts]
        if self.ends and not self.ends[-1] and parts:
            ends[-1] = ""  # there is no newline at the end of the file
        return self.mark + "".join(line + end for (line, _), end in zip(parts, ends, strict=True))


@dataclass(frozen=True)
class Match:
    """The file's lines from `start` on, and what shall stand there, written as the file writes it."""

    start: int
    found: Lines
    new: Lines

    @property
    def change(self) -> tuple[Span, Lines]:
        """(span, its new lines), without the lines at both ends that stay."""
        head, tail = _common(self.found, self.new)
        return (self.start + head, self.start + len(self.found) - tail), self.new[head : len(self.new) - tail]


def matches(lines: Lines, search: Lines, new: Lines) -> list[Match]:
    """Every place, by the strictest way of looking that finds one."""
    pairs = [(search, new), *_unfenced(search, new)]
    for search, new in pairs:
        if found := [Match(start, search, new) for start in exact(lines, search)]:
            return found
    return next((found for search, new in pairs if (found := list(_loose(lines, *_trimmed(search, new))))), [])


def exact(lines: Lines, search: Lines) -> list[int]:
    size = len(search)
    return [i for i in range(len(lines) - size + 1) if lines[i] == search[0] and lines[i : i + size] == search] if size else []


def nearest(lines: Lines, search: Lines) -> str:
    """What in the file looks most like a text that is not there, for a reader who wants to copy it."""
    start = _most_alike(lines, search)
    if start is None:
        return "; nothing there is like it"
    window = lines[start : start + len(search)]
    shown = [line[:WIDE] for line in window[:SHOWN]]
    where = f"are lines {start + 1} to {start + len(shown)}" if len(shown) > 1 else f"is line {start + 1}"
    text = f"; most like it {where}:\n" + "\n".join(shown)
    for number, (asked, there) in enumerate(zip(search, window, strict=False), 1):
        if asked.strip() != there.strip():
            return text + f"\nLine {number} of SEARCH is `{asked.strip()[:WIDE]}`, the file has `{there.strip()[:WIDE]}`."
    return text + "\nOnly the indentation differs, and not by the same for every line."


def _most_alike(lines: Lines, search: Lines) -> int | None:
    places: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        places.setdefault(line.strip(), []).append(index)
    votes: Counter[int] = Counter()
    for offset, line in enumerate(search):
        for index in places.get(line.strip(), ())[:SHOWN] if line.strip() else ():
            votes[max(0, index - offset)] += len(line.strip())
    (start, agreeing), *_ = votes.most_common(1) or [(None, 0)]
    if agreeing < TELLING:
        longest = max(range(len(search)), key=lambda i: len(search[i].strip()))
        asked = search[longest].strip()
        if close := [line for line in places if asked and asked in line] or get_close_matches(asked, [*places][:LOOKED_AT], 1):
            return max(0, places[close[0]][0] - longest)
    return start


def _unfenced(search: Lines, new: Lines) -> Iterator[tuple[Lines, Lines]]:
    """Both texts without a code fence that was put inside the block."""
    parts = [part for part in (search, new) if part]
    if parts and all(len(part) > 2 and FENCE.fullmatch(part[0]) and FENCE.fullmatch(part[-1]) for part in parts):
        yield search[1:-1], new[1:-1]


def _trimmed(search: Lines, new: Lines) -> tuple[Lines, Lines]:
    """Without blank lines around them, as far as both have them."""
    for side in (slice(1, None), slice(None, -1)):
        while search and not (search[0] if side.start else search[-1]).strip():
            search = search[side]
            if new and not (new[0] if side.start else new[-1]).strip():
                new = new[side]
    return search, new


def _loose(lines: Lines, search: Lines, new: Lines) -> Iterator[Match]:
    for start in range(len(lines) - len(search) + 1) if search else ():
        window = lines[start : start + len(search)]
        if (shift := _shift(window, search)) and (moved := _moved(new, *shift)) is not None:
            head, tail = _common(search, new)  # what is only repeated stays as the file has it, to the blank
            yield Match(start, window, (*window[:head], *moved[head : len(moved) - tail], *window[len(window) - tail :]))


def _shift(found: Lines, wanted: Lines) -> tuple[str, str] | None:
    """(what to take from the front of every line, what to put there) to make `wanted` what was `found`; None where no such pair does."""
    shifts = set()
    for have, want in zip(found, wanted, strict=True):
        have, want = have.rstrip(BLANKS), want.rstrip(BLANKS)
        if have.lstrip(BLANKS) != want.lstrip(BLANKS):
            return None
        if have:
            before, asked = (line[: len(line) - len(line.lstrip(BLANKS))] for line in (have, want))
            if not before.endswith(asked) and not asked.endswith(before):
                return None
            shifts.add((asked[: max(0, len(asked) - len(before))], before[: max(0, len(before) - len(asked))]))
    return shifts.pop() if len(shifts) == 1 else None


def _moved(lines: Lines, less: str, more: str) -> Lines | None:
    if any(line.strip() and not line.startswith(less) for line in lines):
        return None
    return tuple(more + line.removeprefix(less).rstrip(BLANKS) if line.strip() else "" for line in lines)


def _common(old: Lines, new: Lines) -> tuple[int, int]:
    """How many lines two texts share at their beginning, and of the rest at their end."""
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most - head) if old[-1 - i] != new[-1 - i]), most - head)
    return head, tail
