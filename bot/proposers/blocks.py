"""Search/replace blocks applied to files. A text that is searched for must be there exactly once (`bot.proposers.matching`).

Whole lines are matched, never parts of one: `LR = 1` is not in `MATRIX_LR = 1`. Every block is matched against the file as it is before the
answer, so their order does not matter, and none can build on what another writes. All or nothing: a block that fails fails the answer.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.edit import BOM, EditRejected
from bot.proposers.matching import File, Lines, Match, exact, matches, nearest

GROWTH, BOLD_GROWTH = 100, 400  # lines that are not blank, of all files together
SMALL = 150  # lines of a file that may be given as a whole
PLACES = 10  # that a reason names
LEFT_OUT = re.compile(  # a comment that stands for code
    r"\s*(\.{3}\s*)?(#|//|--|/\*|<!--)\s*("
    r"(\.{3}|…).*\b(rest|remain\w*|existing|unchanged|omitted|same|as before|previous)\b.*"
    r"|.*\b(rest|remainder) of (the )?\w+\b.*(\b(unchanged|same|as before|omitted)\b.*|\.{3}|…)"
    r"|[(\[]?(existing code|unchanged)( here)?[)\]]?"
    r")(\*/|-->)?\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Block:
    """Lines without their ends. `search` None: `replace` is the whole file. `number` as a reader of the answer counts."""

    number: int
    path: str
    search: Lines | None
    replace: Lines

    @property
    def name(self) -> str:
        return f"block {self.number} ({self.path})"


def growth(mode: str) -> int:
    """Lines that the files may grow by in one answer, in a way of searching (`bot.plateau`)."""
    return BOLD_GROWTH if mode == "bold" else GROWTH


def apply(files: Mapping[str, str], blocks: Sequence[Block], growth: int = GROWTH) -> dict[str, str]:
    """path -> new text of what the blocks change. EditRejected names every block that cannot be applied, and why."""
    once = {(block.path, block.search, block.replace): block for block in reversed(blocks)}.values()  # a block said twice is one
    problems, edits = [], {}
    for path in sorted({block.path for block in once}):
        mine = sorted((block for block in once if block.path == path), key=lambda block: block.number)
        if path not in files:
            problems.append(f"{mine[0].name}: {path} is not editable; editable: {', '.join(sorted(files))}")
            continue
        try:
            edits[path] = _applied(files[path], mine)
        except EditRejected as error:
            problems.append(str(error))
    problems = problems or [reason for path, text in edits.items() if (reason := _unreadable(path, text))]
    problems = problems or list(_too_long(files, edits, growth))
    edits = {path: text for path, text in edits.items() if text != files[path]}
    if problems or not edits:
        raise EditRejected("\n".join(problems) or "the answer changes nothing: with it every file stays as it is")
    return edits


def _applied(text: str, blocks: Sequence[Block]) -> str:
    file = File.of(text)
    _raise(_wrong(block, file, alone=len(blocks) == 1) for block in blocks)
    if not blocks[0].search:  # the whole file, or an empty one
        return file.mark + "".join(line + file.end for line in blocks[0].replace)
    found = {block: matches(file.lines, block.search, block.replace) for block in blocks}
    _raise(_not_once(block, places, file, blocks) for block, places in found.items())
    changes = {block: places[0].change for block, places in found.items()}
    _raise(_collisions({block: span for block, (span, _) in changes.items()}))
    return file.with_lines(dict(changes.values()))


def _raise(problems: Iterator[str]) -> None:
    if found := [problem for problem in problems if problem]:
        raise EditRejected("\n".join(found))


def _wrong(block: Block, file: File, alone: bool) -> str:
    """What can be said against a block before it is looked for."""
    known = {line.strip() for line in file.lines}
    placeholder = next((line.strip() for line in block.replace if LEFT_OUT.fullmatch(line) and line.strip() not in known), None)
    if placeholder is not None:
        return f"{block.name}: `{placeholder}` stands for code that is left out, and nothing is filled in; write it out"
    if block.search is None:
        return _wrong_whole(block, file, alone)
    if block.search == block.replace:
        return f"{block.name}: it changes nothing, REPLACE is the same text as SEARCH; leave it out, or write the change"
    if not block.search and (not alone or any(line.strip() for line in file.lines)):
        return f"{block.name}: SEARCH is empty; to add lines, search for the lines next to them and repeat those in REPLACE"
    return ""


def _wrong_whole(block: Block, file: File, alone: bool) -> str:
    if len(file.lines) > SMALL:
        return f"{block.name}: a whole file is taken up to {SMALL} lines, and this one has {len(file.lines)}; use SEARCH and REPLACE"
    if not alone:
        return f"{block.name}: it gives the whole file, and another block changes the same file; send one or the other"
    return ""


def _not_once(block: Block, found: Sequence[Match], file: File, blocks: Sequence[Block]) -> str:
    if len(found) > 1:
        where = ", ".join(str(match.start + 1) for match in found[:PLACES])
        return (
            f"{block.name}: its SEARCH text is in the file {len(found)} times, from lines {where} on; add lines above or below that "
            "tell the place apart"
        )
    if found:
        return ""
    maker = next((other for other in blocks if other is not block and exact(other.replace, block.search)), None)
    if maker:
        how = f"it is what block {maker.number} writes, but each block is searched in the file as it is now; make one block of the two"
        return f"{block.name}: its SEARCH text is nowhere in the file; {how}"
    return f"{block.name}: its SEARCH text is nowhere in the file{nearest(file.lines, block.search)}"


def _collisions(spans: Mapping[Block, tuple[int, int]]) -> Iterator[str]:
    ordered = sorted(spans.items(), key=lambda item: item[1])
    for (first, (start, stop)), (second, (begin, end)) in zip(ordered, ordered[1:], strict=False):
        if begin < stop or (start, stop) == (begin, end):
            yield f"{second.name}: it changes the same place as block {first.number} (from line {begin + 1} on); make one block of the two"


def _unreadable(path: str, text: str) -> str:
    """Why Python cannot read a new text, with the line."""
    if not path.endswith(".py"):
        return ""
    try:
        ast.parse(text.removeprefix(BOM))
    except SyntaxError as error:
        shown = f": `{error.text.strip()[:200]}`" if error.text and error.text.strip() else ""
        return f"with the change, {path} cannot be parsed: {error.msg}, line {error.lineno}{shown}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"with the change, {path} cannot be parsed: {error or type(error).__name__}"
    return ""


def _too_long(files: Mapping[str, str], edits: Mapping[str, str], growth: int) -> Iterator[str]:
    grown = sum(_length(text) - _length(files[path]) for path, text in edits.items())
    if grown > growth:
        yield f"the change adds {grown} lines more than it takes out, and {growth} are allowed in one answer; make it shorter"


def _length(text: str) -> int:
    return sum(bool(line.strip()) for line in text.split("\n"))
