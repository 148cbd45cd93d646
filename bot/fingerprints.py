"""What a program is, whatever it looks like: its syntax tree without what changes nothing. Equal for equal programs on any Python. Pure.

Not counted: layout, comments, docstrings, annotations of parameters and variables (in a class body they count: a dataclass is made of
them), how a number is written (`1e-3`, `0.001`; `2**11`, `2048`), and the names of variables that a function keeps to itself. Counted:
everything else, `4` against `4.0` too, since a size is not a rate. Two that are told apart for nothing cost one run; two that are wrongly
called equal cost an idea.
"""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

from bot.proposers.source import BOM, number

SILENT = {"ctx", "kind", "type_comment", "type_ignores", "returns", "type_params"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


class Writer:
    """One syntax tree as a list of words. `numbers`: place in the list -> (where in the program it stands, its value)."""

    def __init__(self, tree: ast.Module):
        self.words: list[str] = []
        self.numbers: dict[int, tuple[str, int | float]] = {}
        self.where: list[str] = []
        self.names: dict[str, str] = {}  # of the function being written: its own variables -> neutral ones
        self.inside_class = False
        self._body(tree.body)

    def _node(self, node: ast.AST) -> None:
        value = number(node) if isinstance(node, ast.Constant | ast.BinOp | ast.UnaryOp) else None
        if value is not None:
            self.numbers[len(self.words)] = (".".join(self.where).replace(".[", "[") or "module", value)
            self.words.append(f"{type(value).__name__} {value!r}")
        elif isinstance(node, FUNCTIONS | ast.ClassDef):
            self._definition(node)
        elif isinstance(node, ast.AnnAssign) and not self.inside_class:
            if node.value:  # `x: int` alone makes nothing
                self._node(ast.Assign([node.target], node.value))
        elif isinstance(node, ast.Name):
            self.words.append(f"Name {self.names.get(node.id, node.id)}")
        else:
            self._fields(node)

    def _fields(self, node: ast.AST) -> None:
        self.words.append(f"({type(node).__name__}")
        for field, value in ast.iter_fields(node):
            if value is None or value == [] or field in SILENT or field == "annotation" and not isinstance(node, ast.AnnAssign):
                continue
            self.words.append(field)
            if isinstance(value, list) and isinstance(value[0], ast.stmt):
                self._body(value)
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    self._at(_place(node, field, index), item)
            else:
                self._at(_place(node, field, 0), value)
        self.words.append(")")

    def _at(self, place: str, value: object) -> None:
        if place:
            self.where.append(place)
        if isinstance(value, ast.AST):
            self._node(value)
        else:
            self.words.append(f"{type(value).__name__} {value!r}")
        if place:
            self.where.pop()

    def _body(self, body: list[ast.stmt]) -> None:
        for statement in body:
            match statement:
                case ast.Expr(value=ast.Constant(value=str())):  # a docstring, or a text that nobody reads
                    continue
            self._node(statement)

    def _definition(self, node: ast.stmt) -> None:
        outermost = isinstance(node, FUNCTIONS) and not self.names
        before = self.names, self.inside_class
        self.names = own_names(node) if outermost else self.names
        self.inside_class = isinstance(node, ast.ClassDef)
        self.where.append(node.name)
        self._fields(node)
        self.where.pop()
        self.names, self.inside_class = before


def own_names(function: ast.AST) -> dict[str, str]:
    """The variables that a function and those inside it keep to themselves -> neutral names, by the order in which they are written."""
    nodes = list(ast.walk(function))
    if any(isinstance(node, ast.ClassDef) for node in nodes):
        return {}
    given = {node.arg for node in nodes if isinstance(node, ast.arg)}
    stored = [node for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)]
    stored.sort(key=lambda node: (node.lineno, node.col_offset))
    return {name: f"${i}" for i, name in enumerate(dict.fromkeys(n.id for n in stored if n.id not in given))}


def _place(node: ast.AST, field: str, index: int) -> str:
    """What a part of a node adds to the name of the numbers in it: `NAME`, `keyword`, `parameter`, `function` called, `[index]`."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return name if field == "value" else ""
        case ast.keyword(arg=str(name)):
            return name
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name if field == "args" else ""
        case ast.arguments(defaults=defaults):
            names = [arg.arg for arg in [*node.posonlyargs, *node.args]][-len(defaults) or None :]
            return names[index] if field == "defaults" else node.kwonlyargs[index].arg if field == "kw_defaults" else ""
        case ast.Dict(keys=keys):
            return str(keys[index].value) if field == "values" and isinstance(keys[index], ast.Constant) else ""
        case ast.Tuple() | ast.List():
            return f"[{index}]"
    return ""


@lru_cache(maxsize=16)
def written(path: str, text: str) -> Writer | None:
    """The program in a Python file; None for another file, or one that this Python cannot parse."""
    if not path.endswith(".py"):
        return None
    try:
        return Writer(ast.parse(text.removeprefix(BOM)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def fingerprint(files: Mapping[str, str]) -> str:
    """16 hex digits of all editable files together: path -> text."""
    whole = hashlib.sha256()
    for path, text in sorted(files.items()):
        program = written(path, text)
        words = program.words if program else [line.rstrip() for line in text.splitlines() if line.strip()]
        whole.update("\0".join([path, *words, ""]).encode(errors="surrogatepass"))
    return whole.hexdigest()[:16]


def moved(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """Where nothing but numbers differs: name -> (old, new). `NAME` or `NAME.keyword` at the top, `function.variable.keyword` elsewhere;
    `path:NAME` where several files have that name. Empty where anything else differs, or nothing."""
    found: list[tuple[str, str, float, float]] = []
    for path in sorted({*old, *new}):
        if old.get(path) == new.get(path):
            continue
        before, after = (written(path, files.get(path, "")) for files in (old, new))
        if not before or not after or len(before.words) != len(after.words):
            return {}
        places = [i for i, pair in enumerate(zip(before.words, after.words, strict=True)) if pair[0] != pair[1]]
        if any(i not in before.numbers or i not in after.numbers for i in places):
            return {}
        found += [(path, _unlike(after, i), before.numbers[i][1], after.numbers[i][1]) for i in places]
    names = Counter(name for path, text in new.items() for name in _labels(path, text))
    return {name if names[name] <= 1 else f"{path}:{name}": (was, now) for path, name, was, now in found}


def _labels(path: str, text: str) -> Iterator[str]:
    program = written(path, text)
    return iter({label for label, _ in program.numbers.values()}) if program else iter(())


def _unlike(program: Writer, index: int) -> str:
    """The label of a number, with its count where several have the same."""
    label = program.numbers[index][0]
    same = [i for i, (other, _) in program.numbers.items() if other == label]
    return label if len(same) == 1 else f"{label}#{same.index(index) + 1}"
