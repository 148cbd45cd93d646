"""What a Python file uses and does not have: modules, names, what another editable file no longer defines. Nothing is run."""

import ast
import builtins
import re
import symtable
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from bot.contract import dotted
from bot.proposers.source import BOM

MADE = {"__file__", "__name__", "__doc__", "__package__", "__spec__", "__loader__", "__builtins__", "__annotations__", "__path__"}
HIDING = {"globals", "exec", "vars"}  # with these any name may come to be
ABSENCE = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
STAR = re.compile(r"^\s*from\s+\S+\s+import\s+\*", re.MULTILINE)

Trees = dict[str, ast.Module]


@dataclass(frozen=True)
class Scopes:
    """`defined`: at the top of the file. `undefined`: used, and defined nowhere. `wrong`: why Python does not take it at all."""

    defined: set[str] = field(default_factory=set)
    undefined: set[str] = field(default_factory=set)
    wrong: str = ""

    @classmethod
    def of(cls, text: str) -> "Scopes":
        try:
            top = symtable.symtable(text, "file", "exec")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return cls(wrong=getattr(error, "msg", "") or str(error) or type(error).__name__)
        tables = [top]
        for table in tables:
            tables += table.get_children()
        everywhere = [(table, symbol) for table in tables for symbol in table.get_symbols()]
        given = [(table, symbol) for table, symbol in everywhere if symbol.is_assigned() or symbol.is_imported()]
        defined = {symbol.get_name() for table, symbol in given if table is top or symbol.is_declared_global()}
        used = {s.get_name() for table, s in everywhere if s.is_referenced() and (s.is_global() or table is top)}
        any_name = used & HIDING or STAR.search(text)
        return cls(defined, set() if any_name else used - defined - MADE - set(dir(builtins)))


def trees(files: Mapping[str, str]) -> Trees:
    """Of the Python files that can be parsed."""
    found = {}
    for path, text in files.items():
        if path.endswith(".py"):
            try:
                found[path] = ast.parse(text.removeprefix(BOM))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return found


def imports(tree: ast.Module | None) -> set[str]:
    """Modules that a file cannot do without: not those whose absence it handles, nor those that only a type checker sees."""
    nodes = list(ast.walk(tree)) if tree else []
    optional = {id(below) for node in nodes if _optional(node) for part in node.body for below in ast.walk(part)}
    found = [node for node in nodes if id(node) not in optional]
    plain = {alias.name for node in found if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in found if isinstance(node, ast.ImportFrom) and node.module and not node.level}


def _optional(node: ast.AST) -> bool:
    match node:
        case ast.Try(handlers=handlers):
            caught = {dotted(part) for handler in handlers if handler.type for part in ast.walk(handler.type)}
            return bool(caught & ABSENCE) or any(handler.type is None for handler in handlers)
        case ast.If(test=test):
            return dotted(test).endswith("TYPE_CHECKING")
    return False


def names(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Names of the Python files `after` that are defined nowhere, and were not missing `before` already."""
    for path, text in sorted(after.items()):
        old, new = Scopes.of(before.get(path, "").removeprefix(BOM)), Scopes.of(text.removeprefix(BOM))
        if new.wrong:
            yield f"{path}: {new.wrong}"
            continue
        for name in sorted(new.undefined - old.undefined):
            used = (n.lineno for n in ast.walk(ast.parse(text.removeprefix(BOM))) if isinstance(n, ast.Name) and n.id == name)
            gone = "the change takes its definition out" if name in old.defined else "nothing defines it"
            yield f"{path}, line {min(used, default=0)}: uses `{name}`, but {gone}"


def links(before: Trees, after: Trees) -> Iterator[str]:
    """Names that one editable file takes from another one, which no longer has them."""
    yield from sorted(set(_broken(after)) - set(_broken(before)))


def _broken(files: Trees) -> Iterator[str]:
    homes = {PurePosixPath(path).stem: path for path in files}
    for path, tree in files.items() if len(files) > 1 else ():
        for node in ast.walk(tree):
            home = homes.get((node.module or "").rpartition(".")[2], path) if isinstance(node, ast.ImportFrom) else path
            have = _given(files[home]) if home != path else {"*"}
            missing = [alias.name for alias in getattr(node, "names", ()) if "*" not in {*have, alias.name} and alias.name not in have]
            yield from (f"{path} imports `{name}` from {home}, which does not define it" for name in missing)


def _given(tree: ast.Module) -> set[str]:
    """Every name that a file gives something to, at whatever depth; `*` where it may be any."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add("*" if name == "__getattr__" else name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {alias.asname or alias.name.partition(".")[0] for alias in names}
    return found
