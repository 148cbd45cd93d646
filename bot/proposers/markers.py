"""Finds the blocks in a model's answer: a line with a path, then `<<<<<<< SEARCH`, `=======` and `>>>>>>> REPLACE` on lines of their own.

Where the code itself has such lines the block's own are longer, all by the same. What could be read in two ways is refused, never guessed.
Fences around blocks mean nothing, so code may hold fences.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

OPEN = re.compile(r"(?P<indent>[ \t]*)(?P<signs><{5,})[ ]*(?P<word>SEARCH|ORIGINAL|WHOLE)\b:?[ ]*(?P<rest>.*)", re.IGNORECASE)
DIVIDER = re.compile(r"([ \t]*)(={5,})")
CLOSE = re.compile(r"([ \t]*)(>{5,})[ ]*\w*")
STRAY = re.compile(r"[ \t]*>{5,}[ ]*(REPLACE|UPDATED|WHOLE)\b.*", re.IGNORECASE)
FENCE = re.compile(r"\s*(?P<ticks>`{3,}|~{3,})(?P<info>[^`]*)")
PATH = re.compile(r"[\w.@/\\+-]+\.\w+")
LABEL = re.compile(r"^\s*(?:[#>*-]+|\d+[.)]|//)?\s*(?:(?:file|path|filename)\s*:)?\s*", re.IGNORECASE)
LONGER = "if the code itself has such lines, give this block's own markers more signs, 9 each"


@dataclass(frozen=True)
class Raw:
    """One block as it stands in the answer. `problem`: why it cannot be read. `search` None: the text is a whole file."""

    number: int
    first: int  # line of its opening marker
    last: int
    path: str  # as it is written there, "" where it names none
    search: tuple[str, ...] | None = ()
    replace: tuple[str, ...] = ()
    problem: str = ""


def scan(lines: Sequence[str], files: Mapping[str, str]) -> list[Raw]:
    """Every block, in order. A closing marker that closes nothing counts as one that cannot be read."""
    found: list[Raw] = []
    index = 0
    while index < len(lines):
        if opening := OPEN.fullmatch(lines[index]):
            found.append(_read(lines, index, opening, len(found) + 1, files))
            index = found[-1].last
        elif STRAY.fullmatch(lines[index]):
            problem = f"a line `{lines[index].strip()}` closes nothing; {LONGER}"
            found.append(Raw(len(found) + 1, index, index, "", problem=problem))
        index += 1
    return found


def _read(lines: Sequence[str], first: int, opening: re.Match[str], number: int, files: Mapping[str, str]) -> Raw:
    path = named(opening["rest"], files) or _path_above(lines, first, files)
    count, indent = len(opening["signs"]), opening["indent"]
    after = range(first + 1, len(lines))
    following = next((i for i in after if (m := OPEN.fullmatch(lines[i])) and len(m["signs"]) == count), len(lines))
    close = _marked(lines, CLOSE, range(first + 1, following), indent, count)[:1]
    if not close:
        ended = "the answer is cut off" if following == len(lines) else f"the next block begins before it ends; {LONGER}"
        problem = f"it has no line `{'>' * count} REPLACE`: {ended}"
        return Raw(number, first, following - 1, path, problem=problem)
    inside = range(first + 1, close[0])
    if opening["word"].upper() == "WHOLE":
        return Raw(number, first, close[0], path, None, _dedented(lines, inside, indent))
    dividers = _marked(lines, DIVIDER, inside, indent, count)
    if len(dividers) != 1:
        problem = f"it has {len(dividers) or 'no'} line{'s' * (len(dividers) > 1)} `{'=' * count}` where one belongs; {LONGER}"
        return Raw(number, first, close[0], path, problem=problem)
    parts = (_dedented(lines, part, indent) for part in (range(first + 1, dividers[0]), range(dividers[0] + 1, close[0])))
    return Raw(number, first, close[0], path, *parts)


def _marked(lines: Sequence[str], marker: re.Pattern[str], where: range, indent: str, count: int) -> list[int]:
    """Lines that are such a marker; those of another length count where none is as long as the opening one."""
    found = [(i, m) for i in where if (m := marker.fullmatch(lines[i].rstrip())) and m[1] in (indent, "")]
    return [i for i, m in found if len(m[2]) == count] or [i for i, m in found]


def _dedented(lines: Sequence[str], part: range, indent: str) -> tuple[str, ...]:
    text = [lines[i] for i in part]
    shifted = indent and all(line.startswith(indent) or not line.strip() for line in text)
    return tuple(line.removeprefix(indent) if shifted else line for line in text)


def _path_above(lines: Sequence[str], index: int, files: Mapping[str, str]) -> str:
    """The path on the line above a block, or above the fence around it, or in that fence's opening line."""
    for line in reversed(lines[max(0, index - 4) : index]):
        if fence := FENCE.fullmatch(line):
            if path := named(fence["info"], files):
                return path
        elif line.strip():
            return "" if STRAY.fullmatch(line) else named(line, files)
    return ""


def named(text: str, files: Mapping[str, str]) -> str:
    """The path that a line names: an editable one if it is that, or mentions one alone; else what looks like a path, alone on its line."""
    bare = LABEL.sub("", text).strip().strip("*_`'\"()<>:=").strip()
    if path := editable(bare, files):
        return path
    words = (word.strip("*_`'\"()<>:,;=") for word in re.split(r"[\s=:]+", text))
    mentioned = {path for word in words if "." in word and (path := editable(word, files))}
    if len(mentioned) == 1:
        return mentioned.pop()
    return bare if PATH.fullmatch(bare) else ""


def editable(text: str, files: Mapping[str, str]) -> str:
    """The editable path that is meant: itself, `./` before it, or its name where only one file has that name. Else ""."""
    path = text.replace("\\", "/").removeprefix("./")
    if path in files:
        return path
    same = [known for known in files if PurePosixPath(known).name == path]
    return same[0] if len(same) == 1 else ""


def fenced(lines: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line of the opening fence, the lines inside) of every code fence that is closed."""
    index = 0
    while index < len(lines):
        if opening := FENCE.fullmatch(lines[index]):
            closing = re.compile(rf"\s*{opening['ticks']}{opening['ticks'][0]}*\s*")  # as long, or longer
            if (end := next((i for i in range(index + 1, len(lines)) if closing.fullmatch(lines[i])), None)) is not None:
                yield index, tuple(lines[index + 1 : end])
                index = end
        index += 1
