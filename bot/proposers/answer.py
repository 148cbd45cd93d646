"""The form of a model's answer, and how one is read. What cannot be applied as it is written is refused with the reason, never guessed."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.edit import EditRejected
from bot.proposers import blocks
from bot.proposers.blocks import GROWTH, SMALL, Block
from bot.proposers.markers import Raw, editable, fenced, named, scan

CATEGORIES = ("optimizer", "architecture", "initialization", "regularization", "schedule", "batching", "systems", "simplification")
FORMAT = f"""\
Answer in this form, with these words at the beginnings of lines:

HYPOTHESIS: what you change and why it should help, in one or two sentences.
EXPECTED: the size of the effect that you expect, and the reason for that size.
CATEGORY: one of {", ".join(CATEGORIES)}.
LEARNED: optional; something that past experiments taught you and that later ones should know, in one sentence. One line for each.

path/of/the/file.py
<<<<<<< SEARCH
lines that are in the file now, copied exactly
=======
the lines that shall stand there instead
>>>>>>> REPLACE

- One block for each place that changes; one line with the path above each block.
- SEARCH holds whole lines with their indentation and comments, and must be in the file exactly once: copy as many lines around the change
  as that takes, and no more. All blocks are searched in the file as you see it, so none can build on another one's REPLACE.
- To add lines, search for the lines next to them and repeat those in REPLACE. To remove lines, leave REPLACE empty.
- Write everything out: nothing like "# ... rest unchanged" is filled in.
- Where the code itself has a line such as =======, write that block's three markers longer: <<<<<<<<< SEARCH, =========, >>>>>>>>> REPLACE.
- A file of up to {SMALL} lines may be given as a whole: its path, then its text between <<<<<<< WHOLE and >>>>>>> WHOLE.
- The files together may not become longer by more than {GROWTH} lines, unless you are told another number.
- The change is applied as it is and measured; nobody completes or corrects it.
"""
LONGEST = 1_000_000  # characters of an answer
FIELD_LENGTH, NOTE_LENGTH, NOTES = 600, 300, 5
FIELD = re.compile(
    r"\s*(?:[#>*+-]+\s+|\d+[.)]\s+)?(?P<mark>[*_`]{0,3})(?P<name>HYPOTHESIS|EXPECTED(?: EFFECT| GAIN)?|CATEGORY|LEARNED(?: NOTES?)?)"
    r"(?:\s*\(.{0,40}\))?(?:\s*[*_`]{0,3}\s*:\s*[*_`]{0,3}\s*(?P<text>.*)|(?P<bold>[*_]{2,3})\s*)",
    re.IGNORECASE,
)
HEADING = re.compile(r"\s*#+\s*[*_]*(?P<name>HYPOTHESIS|EXPECTED(?: EFFECT| GAIN)?|CATEGORY|LEARNED(?: NOTES?)?)[*_]*\s*", re.IGNORECASE)
NOTHING = re.compile(r"(none|nothing( new| yet)?|n/?a|-+)?\W*", re.IGNORECASE)
BULLET = re.compile(r"\s*(?:[*+-]|\d+[.)])\s+")
OPENED = re.compile(r"\s*(<(?P<tag>think|thinking|thought|reasoning)>|\[THINK\])", re.IGNORECASE)
CLOSED = re.compile(r"(</(think|thinking|thought|reasoning)>|\[/THINK\])", re.IGNORECASE)
WORDS = (  # as models also say it
    (r"optimi[sz]", "optimizer"), (r"architect|attention|\bmodel\b|embedding|activation", "architecture"), (r"\binit", "initialization"),
    (r"regulari[sz]|weight decay|dropout", "regularization"), (r"schedul|warm-?(up|down)|learning[- ]rate", "schedule"),
    (r"batch", "batching"), (r"system|throughput|speed|efficien|kernel|performance", "systems"), (r"simpl", "simplification"),
)  # fmt: skip


@dataclass(frozen=True)
class Parsed:
    """One answer. `edits`: path -> the whole new text of each changed file."""

    hypothesis: str
    expected: str
    category: str
    edits: dict[str, str]
    learned: tuple[str, ...] = ()


def parse(text: str, files: Mapping[str, str], growth: int = GROWTH) -> Parsed:
    """The answer in a model's `text`, applied to `files`, the editable ones. EditRejected names everything that is wrong, one line each.

    Of several answers the last one counts, as that is what a model writes that corrects itself; if that one is cut off, none does."""
    lines = spoken(_normal(text)).split("\n")
    section = _chosen(lines, scan(lines, files))
    raws = scan(section, files)
    fields = _fields(section, raws)
    found = _blocks(section, raws, files)
    problems = [*_missing(fields), *(problem for problem in found if isinstance(problem, str))]
    ready = [block for block in found if isinstance(block, Block)]
    try:
        edits = blocks.apply(files, ready, growth) if ready else {}
    except EditRejected as error:
        problems += str(error).split("\n")
    if problems:
        raise EditRejected("\n".join(problems))
    category = categorized(" ".join(fields.get("CATEGORY", [])))
    learned = [note for text in fields.get("LEARNED", []) if not NOTHING.fullmatch(note := _cut(text, NOTE_LENGTH))]
    hypothesis, expected = (_cut(next(filter(None, fields[name])), FIELD_LENGTH) for name in ("HYPOTHESIS", "EXPECTED"))
    return Parsed(hypothesis, expected, category, edits, tuple(learned[:NOTES]))


def spoken(text: str) -> str:
    """An answer without the thoughts before it. A closing tag alone on its line, in no block, counts without an opening one: some servers
    swallow that. EditRejected for thoughts without an end."""
    if opening := OPENED.match(text):
        closing = CLOSED.search(text, opening.end())
        if not closing:
            raise EditRejected("the answer ends while it is still thinking; think less, and write the answer after it")
        return text[closing.end() :]
    lines = text.split("\n")
    inside = _inside(raw for raw in scan(lines, {}) if not raw.problem)
    end = next((i for i, line in enumerate(lines) if i not in inside and CLOSED.fullmatch(line.strip())), -1)
    return "\n".join(lines[end + 1 :])


def categorized(text: str) -> str:
    """The category that is meant, "" where none is: the first one that is named, else the first that a usual word stands for."""
    low = text.lower()
    exact = sorted((low.index(name), name) for name in CATEGORIES if name in low)
    meant = sorted((match.start(), name) for pattern, name in WORDS if (match := re.search(pattern, low)))
    return next((name for _, name in [*exact, *meant]), "")


def _normal(text: str) -> str:
    if len(text) > LONGEST:
        raise EditRejected(f"the answer has {len(text):,} characters; {LONGEST:,} are read at most")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise EditRejected("the answer is empty")
    return text


def _chosen(lines: Sequence[str], raws: Sequence[Raw]) -> Sequence[str]:
    """The lines of the last answer: from its HYPOTHESIS on, or all of them where no such line has blocks below it."""
    inside = _inside(raws)
    starts = [i for i, line in enumerate(lines) if i not in inside and _field(line) == "HYPOTHESIS"]
    for start, end in reversed([*pairwise([*starts, len(lines)])]):
        if any(start < raw.first < end for raw in raws):
            return lines[start:end]
    return lines


def _inside(raws: Iterable[Raw]) -> set[int]:
    """The lines that are part of a block."""
    return {i for raw in raws for i in range(raw.first, raw.last + 1)}


def _field(line: str) -> str:
    """The field whose name begins a line, "" for none."""
    match = FIELD.fullmatch(line) or HEADING.fullmatch(line)
    if not match or (match.re is FIELD and match["bold"] and match["bold"] != match["mark"]):
        return ""
    return match["name"].upper().split()[0]


def _fields(lines: Sequence[str], raws: Sequence[Raw]) -> dict[str, list[str]]:
    """What each field says, each note of a list for itself. A field ends at a blank line, a fence, the next field or a block."""
    inside = _inside(raws)
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for index, line in enumerate(lines):
        if index in inside or line.lstrip().startswith(("```", "~~~")):
            current = None
        elif name := _field(line):
            match = FIELD.fullmatch(line)
            current = found.setdefault(name, [])
            current.append((match and match["text"] or "").strip())
        elif current is not None and line.strip():
            listed = BULLET.match(line)
            if listed and current[-1] and current is found.get("LEARNED"):
                current.append("")
            current[-1] = f"{current[-1]} {line[listed.end() if listed else 0 :].strip()}".strip()
        elif current is not None and current[-1]:
            current = None
    return found


def _missing(fields: Mapping[str, list[str]]) -> Iterator[str]:
    says = {"HYPOTHESIS": "what is changed and why", "EXPECTED": "the effect that you expect and the reason for it"}
    for name, what in says.items():
        if not any(fields.get(name, ())):
            yield f"there is no line `{name}: {what}`"
    if not categorized(" ".join(fields.get("CATEGORY", []))):
        yield f"there is no line `CATEGORY: ` with one of {', '.join(CATEGORIES)}"


def _blocks(lines: Sequence[str], raws: Sequence[Raw], files: Mapping[str, str]) -> list[Block | str]:
    """The blocks with their files, and in words what is wrong with the others."""
    found: list[Block | str] = []
    path = next(iter(files)) if len(files) == 1 else ""
    for raw in raws:
        path = raw.path or path  # one that names no file goes on with the one before it
        name = f"block {raw.number} ({path})" if path else f"block {raw.number}"
        if raw.problem:
            found.append(f"{name}: {raw.problem}")
        elif not path:
            found.append(f"{name}: there is no path on the line above it; write one of {', '.join(sorted(files))}")
        else:
            found.append(Block(raw.number, path, raw.search, raw.replace))
    return found or _fenced_files(lines, files)


def _fenced_files(lines: Sequence[str], files: Mapping[str, str]) -> list[Block | str]:
    """Without any block: fences below a path, taken as whole files where they can be."""
    wanted = "there is no block `<<<<<<< SEARCH` ... `=======` ... `>>>>>>> REPLACE` with a path above it"
    found: dict[str, Block] = {}
    for index, inside in fenced(lines):
        above = next((line for line in reversed(lines[max(0, index - 2) : index]) if line.strip()), "")
        path = named(lines[index].strip("`~ "), files) or (named(above, files) if len(above.split()) <= 3 else "")
        if not editable(path, files):
            continue
        size = files[path].count("\n")
        if path in found or 2 * len(inside) < size:
            return [f"{wanted}; the code below `{path}` is not its whole text"]
        found[path] = Block(len(found) + 1, path, None, inside)
    diff = any(line.startswith(("@@ ", "+++ ", "--- a/")) for line in lines)
    return [*found.values()] or [wanted + ("; a diff is not read" if diff else "")]


def _cut(text: str, limit: int) -> str:
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split()).strip("*_ ")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
