"""Edits without any effect, made for a given train.py by its syntax tree. Pure.

Two sorts. An EXACT one is the same program in other words: the same seed gives the same numbers, but for how many steps fit the budget.
A SHUFFLED one is the same in distribution only, as a change of a seed is: other random numbers become the initial weights. A new
`torch.manual_seed(...)` would do just that, but the loop refuses it (`bot.seeding`); so these draw numbers and throw them away, or turn
the sign of what was drawn. They test what exact ones cannot: sharing a seed with the champion does not make the two runs alike.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

DRAWING = ("__init__", "init_weights", "make_config", "rotary_tables")  # functions that run before the last initial weight is drawn
FEW_LINES = 4  # that a renamed variable stands on, at most


@dataclass(frozen=True)
class Change:
    """Lines [start, stop) of the file, from 0, become `lines`."""

    start: int
    stop: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Null:
    kind: str
    what: str
    changes: tuple[Change, ...]


def all_of(text: str) -> dict[str, list[Null]]:
    """kind -> everything of that kind that can be done to this file, in its order. Many of them touch the same lines."""
    source = Source(text)
    return {kind: list(make(source)) for kind, make in (EXACT | SHUFFLED).items()}


class Source:
    def __init__(self, text: str):
        self.lines, self.tree = text.splitlines(), ast.parse(text)
        self.functions = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]
        self.known = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)} | {f.name for f in self.functions}

    def statements(self, function: ast.FunctionDef) -> list[ast.stmt]:
        """Of its body, without a docstring and without definitions: another line may go before each."""
        body = function.body[1:] if ast.get_docstring(function) else function.body
        return [node for node in body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]

    def before(self, node: ast.stmt, line: str) -> Change:
        return Change(node.lineno - 1, node.lineno - 1, (" " * node.col_offset + line if line else "",))

    def rewritten(self, line: int, places: list[tuple[int, int, str]]) -> Change:
        """Line `line`, from 1, with the byte spans of `places` replaced."""
        raw = self.lines[line - 1].encode()
        for start, stop, new in sorted(places, reverse=True):
            raw = raw[:start] + new.encode() + raw[stop:]
        return Change(line - 1, line, (raw.decode(),))


def comments(source: Source) -> Iterator[Null]:
    for function in source.functions:
        for node in source.statements(function):
            yield Null("comment", f"a comment in {function.name}", (source.before(node, "# unchanged"),))


def blank_lines(source: Source) -> Iterator[Null]:
    for function in source.functions:
        for node in source.statements(function)[1:]:
            yield Null("whitespace", f"an empty line in {function.name}", (source.before(node, ""),))


def docstrings(source: Source) -> Iterator[Null]:
    for function in source.functions:
        if not ast.get_docstring(function):
            line = f'"""{function.name.strip("_")} of this model."""'
            yield Null("docstring", f"a docstring for {function.name}", (source.before(function.body[0], line),))


def renames(source: Source) -> Iterator[Null]:
    """A local variable gets another name, wherever it stands."""
    for function in source.functions:
        names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        formatted = {n.id for s in ast.walk(function) if isinstance(s, ast.JoinedStr) for n in ast.walk(s) if isinstance(n, ast.Name)}
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        outside = {node.id for f in source.functions if f is not function for node in ast.walk(f) if isinstance(node, ast.Name)}
        for name in sorted(stored - formatted - outside - _arguments(function)):
            mine, new = [node for node in names if node.id == name], f"{name}_renamed"
            rows = sorted({node.lineno for node in mine})
            if len(rows) <= FEW_LINES and new not in source.known:
                spots = {row: [(n.col_offset, n.end_col_offset, new) for n in mine if n.lineno == row] for row in rows}
                yield Null("rename", f"{name} of {function.name} is called {new}", tuple(source.rewritten(r, spots[r]) for r in rows))


def _arguments(function: ast.FunctionDef) -> set[str]:
    return {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}


def parentheses(source: Source) -> Iterator[Null]:
    for function in source.functions:
        for node in ast.walk(function):
            value = node.value if isinstance(node, ast.Return) else None
            if value and value.lineno == value.end_lineno == node.lineno:
                spots = [(value.col_offset, value.col_offset, "("), (value.end_col_offset, value.end_col_offset, ")")]
                yield Null("parentheses", f"parentheses around what {function.name} returns", (source.rewritten(node.lineno, spots),))


def orders(source: Source) -> Iterator[Null]:
    """Two constants, one line each, one after the other: neither uses the other."""
    for one, other in zip(source.tree.body, source.tree.body[1:], strict=False):
        if _constant(one) and _constant(other) and other.lineno == one.lineno + 1:
            lines = tuple(source.lines[node.lineno - 1] for node in (other, one))
            yield Null("order", f"{other.targets[0].id} before {one.targets[0].id}", (Change(one.lineno - 1, other.lineno, lines),))


def _constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and node.lineno == node.end_lineno and not _names(node.value) - {"preset"}


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def unused_seeds(source: Source) -> Iterator[Null]:
    """A seed constant that nothing reads."""
    for number, node in enumerate(node for node in source.tree.body if _constant(node)):
        yield Null("seed constant", f"an unused constant SEED_{number}", (source.before(node, f"SEED_{number} = {1337 + number}"),))


def draws(source: Source) -> Iterator[Null]:
    """Random numbers drawn and thrown away before the weights are drawn, in functions and on import."""
    inside = [(f, node) for f in source.functions if f.name in DRAWING for node in source.statements(f)]
    models = {node.name: node for node in source.tree.body if isinstance(node, ast.ClassDef)}
    for number, (function, node) in enumerate(inside, 1):
        if function.name != "__init__" or function in models.get("GPT", function).body:
            yield Null("draw", f"{number} numbers thrown away in {function.name}", (source.before(node, f"torch.rand({number})"),))
    definitions = [node for node in source.tree.body if isinstance(node, ast.FunctionDef)]
    for number, node in enumerate(definitions, len(inside) + 1):
        if not node.decorator_list:
            change = Change(node.lineno - 1, node.lineno - 1, (f"torch.rand({number})", "", ""))
            yield Null("draw", f"{number} numbers thrown away before {node.name}", (change,))


def signs(source: Source) -> Iterator[Null]:
    """The negative of a symmetric draw."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="normal_" | "uniform_") as drawn)) if node.lineno == node.end_lineno:
                change = source.rewritten(node.lineno, [(node.end_col_offset, node.end_col_offset, ".neg_()")])
                yield Null("sign", f"the sign of {ast.unparse(drawn.value)} turned", (change,))


EXACT = {"comment": comments, "rename": renames, "docstring": docstrings, "seed constant": unused_seeds, "whitespace": blank_lines,
         "order": orders, "parentheses": parentheses}  # fmt: skip
SHUFFLED = {"draw": draws, "sign": signs}
