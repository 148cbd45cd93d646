"""What the code says about its constants together: one that must divide another, limits that an `assert` gives. By syntax tree.

assert WIDTH % HEADS == 0          also WIDTH // HEADS anywhere: a move of one that breaks it takes the other along
assert 0 < DROPOUT <= 0.5          no value beyond
"""

import ast
import math
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bot.proposers.source import BOM, number

Values = Mapping[str, float]
COMPARED = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


@dataclass(frozen=True)
class Relations:
    """`divisions`: (whole, part), each a constant's base name. `limits`: (name, comparison, number)."""

    divisions: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, type, float], ...] = ()

    def partners(self, name: str) -> Iterator[tuple[str, bool]]:
        """(the other one, whether it is the whole) of each division that `name` is part of."""
        for whole, part in self.divisions:
            if name == part:
                yield whole, True
            if name == whole:
                yield part, False

    def broken(self, values: Values) -> bool:
        """Whether these values, by base name, contradict the code. What is not among them contradicts nothing."""
        uneven = (whole in values and part in values and not divides(values[part], values[whole]) for whole, part in self.divisions)
        return any(uneven) or any(name in values and not COMPARED[kind](values[name], limit) for name, kind, limit in self.limits)


def divides(part: float, whole: float) -> bool:
    return bool(part) and whole % part == 0


def find(files: Mapping[str, str], values: Values) -> Relations:
    """Those that hold for `values`, the present ones: what the code does not keep to now is no rule."""
    found = [relation for path, text in files.items() if path.endswith(".py") for relation in _in(text, values.keys())]
    holding = dict.fromkeys(relation for relation in found if not relation.broken(values))
    return Relations(tuple(d for r in holding for d in r.divisions), tuple(x for r in holding for x in r.limits))


def _in(text: str, names: Iterable[str]) -> Iterator[Relations]:
    try:
        nodes = list(ast.walk(ast.parse(text.removeprefix(BOM))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in nodes:
        match node:
            case ast.BinOp(left=ast.Name(id=whole), op=ast.Mod() | ast.FloorDiv(), right=ast.Name(id=part)):
                if whole in names and part in names and whole != part:
                    yield Relations(divisions=((whole, part),))
            case ast.Assert(test=test):
                for name, kind, limit in _limits(test):
                    if name in names:
                        yield Relations(limits=((name, kind, limit),))


def _limits(test: ast.expr) -> Iterator[tuple[str, type, float]]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from _limits(value)
    if not isinstance(test, ast.Compare):
        return
    sides = [test.left, *test.comparators]
    for left, op, right in zip(sides, test.ops, sides[1:], strict=False):
        if type(op) in COMPARED:
            yield from ((name, type(op), value) for value in _number(right) for name in _names(left, type(op)))
            turned = TURNED[type(op)]
            yield from ((name, turned, value) for value in _number(left) for name in _names(right, turned))


def _names(node: ast.expr, kind: type) -> list[str]:
    """The constant; of `min(A, B) > 0` and `max(A, B) < 9` each of them."""
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Call(func=ast.Name(id="min" | "max" as which), args=args, keywords=[]):
            return [arg.id for arg in args if isinstance(arg, ast.Name)] if (which == "min") == (kind in (ast.Gt, ast.GtE)) else []
    return []


def _number(node: ast.expr) -> list[float]:
    value = number(node)
    return [] if value is None or not math.isfinite(value) else [value]
