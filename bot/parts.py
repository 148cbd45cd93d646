"""A kept change taken apart: its hunks, which of them can be left out alone, and what the files are without them. Pure."""

import ast
import builtins
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

Texts = Mapping[str, str]  # path -> text
Merge = Callable[[str, str, str], str | None]  # (base, ours, theirs) -> both, or None where they touch the same lines

MOST = 12  # hunks that are told apart; a change of more is left whole
BOM = "\ufeff"


@dataclass(frozen=True)
class Hunk:
    """Lines `old` of a file became lines `new` at `start` of its new text."""

    path: str
    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


def hunks(old: Texts, new: Texts) -> list[Hunk]:
    """Every run of changed lines, in order."""
    found = []
    for path in sorted(new):
        before, after = old[path].splitlines(keepends=True), new[path].splitlines(keepends=True)
        for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if kind != "equal":
                found.append(Hunk(path, c, tuple(before[a:b]), tuple(after[c:d])))
    return found


def undone(new: Texts, chosen: Sequence[Hunk]) -> dict[str, str]:
    """`new` with these hunks as they were before."""
    texts = dict(new)
    for path in {hunk.path for hunk in chosen}:
        lines = new[path].splitlines(keepends=True)
        for hunk in sorted((h for h in chosen if h.path == path), key=lambda h: -h.start):
            lines[hunk.start : hunk.start + len(hunk.new)] = hunk.old
        texts[path] = "".join(lines)
    return texts


def without(stack: Texts, kept: Texts, reverted: Texts, merge: Merge) -> dict[str, str] | None:
    """The files of the stack with what leads from `reverted` to `kept` taken out; None where later changes touch the same lines."""
    texts = dict(stack)
    for path in kept:
        if kept[path] != reverted[path]:
            merged = reverted[path] if stack[path] == kept[path] else merge(kept[path], stack[path], reverted[path])
            if merged is None:
                return None
            texts[path] = merged
    return texts


def groups(found: Sequence[Hunk], build: Callable[[Sequence[Hunk]], Texts | None], stack: Texts) -> list[tuple[int, ...]]:
    """Places of hunks that can be left out together and, as far as can be seen, without the others. `build` gives the files without
    some hunks. Empty where there are not at least two such groups."""
    if not 2 <= len(found) <= MOST:
        return []
    group_of = list(range(len(found)))
    for place in range(len(found)):
        closed = _closed({place}, found, build, stack)
        targets = {group_of[i] for i in closed}
        group_of = [min(targets) if g in targets else g for g in group_of]
    result = [tuple(i for i, g in enumerate(group_of) if g == group) for group in sorted(set(group_of))]
    return result if len(result) > 1 else []


def _closed(chosen: set[int], found: Sequence[Hunk], build: Callable, stack: Texts) -> set[int]:
    """`chosen` and the hunks that use names which only `chosen` brought, or took names that it uses; all where that does not do."""
    for _ in found:
        missing = lost(stack, build([found[i] for i in sorted(chosen)]))
        if missing == set():
            return chosen
        users = {i for i, hunk in enumerate(found) if missing and _mentions("".join(hunk.old + hunk.new), missing)}
        if users <= chosen:
            break
        chosen = chosen | users
    return set(range(len(found)))


def lost(before: Texts, after: Texts | None) -> set[str] | None:
    """Names that `after` uses and nothing in its file gives a value any more; None where it cannot even be read."""
    if after is None:
        return None
    missing: set[str] = set()
    for path, text in after.items():
        if path.endswith(".py") and text != before[path]:
            try:
                missing |= unbound(text) - unbound(before[path])
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return None
    return missing


def unbound(text: str) -> set[str]:
    """Names that a Python file reads and that nothing in it binds, in any scope. SyntaxError where it is no Python."""
    read, bound = set(), set(dir(builtins)) | {"__file__", "__name__", "__doc__"}
    for node in ast.walk(ast.parse(text.removeprefix(BOM))):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                bound.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                bound |= {(alias.asname or alias.name).partition(".")[0] for alias in names}
    return read - bound


def _mentions(text: str, names: set[str]) -> bool:
    return not names.isdisjoint(re.findall(r"\w+", text))
