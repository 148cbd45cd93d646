"""Numeric constants of a Python file: found by syntax tree, replaced in place, every other byte left as it is."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

DEVICES = {"cpu", "cuda", "mps", "xpu", "rocm", "tpu"}
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
OWNED = re.compile(
    r"(^|_)(SEEDS?|VOCAB|EVAL|VERSION|PORT|TIMEOUT|BUDGET|VERBOSE|DEBUG|BOS|EOS|PAD|DTYPE)(_|$)"
    r"|(^|_)(SEQUENCE_LENGTH|SEQ_LEN|CONTEXT_LENGTH|MAX_SEQ_LEN)$|(LOG|PRINT|REPORT|SAVE)_(EVERY|INTERVAL|STEPS)$"
)
LINE_END = re.compile(rb"\r\n|\r|\n")
COMMENT = re.compile(rb"[ \t,;)\]}]*#([^\r\n]*)")
BOM = "\ufeff"
LARGEST = 1e300
OPERATORS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Pow: lambda a, b: a**b,
    ast.LShift: lambda a, b: a << b,
}


@dataclass(frozen=True)
class Constant:
    name: str  # NAME, or NAME.keyword
    value: int | float
    text: str  # as it is written
    start: int  # byte span in the file's UTF-8
    end: int
    comment: str = ""  # behind it on its line, else behind its statement


def find(text: str, device: str = "cpu") -> list[Constant]:
    """Constants a candidate may tune, in file order; none for a file that this Python cannot parse."""
    try:
        tree = ast.parse(text.removeprefix(BOM))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    raw = text.encode()
    starts = _line_starts(raw)
    found = []
    for name, node, statement in _parameters(tree, device.partition(":")[0]):
        value = number(node)
        if value is not None:
            start, end = _offset(starts, node.lineno, node.col_offset), _offset(starts, node.end_lineno, node.end_col_offset)
            last = _offset(starts, statement.end_lineno, statement.end_col_offset)
            comment = COMMENT.match(raw, end) or COMMENT.match(raw, last)
            found.append(Constant(name, value, raw[start:end].decode(), start, end, comment[1].decode().strip() if comment else ""))
    return found


def replace(text: str, changes: dict[Constant, str]) -> str:
    raw = text.encode()
    for constant in sorted(changes, key=lambda c: c.start, reverse=True):
        raw = raw[: constant.start] + changes[constant].encode() + raw[constant.end :]
    return raw.decode()


@lru_cache(maxsize=4096)
def evaluate(text: str) -> int | float | None:
    """The number a constant expression such as `2**19` stands for."""
    try:
        return number(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError):
        return None


def number(node: ast.expr) -> int | float | None:
    match node:
        case ast.Constant(value=bool() | complex()):
            return None
        case ast.Constant(value=int() | float() as value):
            return value if abs(value) <= LARGEST else None
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = number(operand)
            return value if value is None or isinstance(sign, ast.UAdd) else -value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _combine(op, number(left), number(right))
    return None


def _combine(op: ast.operator, left: int | float | None, right: int | float | None) -> int | float | None:
    if left is None or right is None:
        return None
    if isinstance(op, ast.Pow | ast.LShift) and (abs(right) > 1000 or abs(left) > 1e9):
        return None  # 9**9**9 would never end
    try:
        value = OPERATORS[type(op)](left, right)
    except (ArithmeticError, TypeError, ValueError):
        return None
    return value if isinstance(value, int | float) and abs(value) <= LARGEST else None


def _parameters(tree: ast.Module, device: str) -> Iterator[tuple[str, ast.expr, ast.stmt]]:
    times = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    for name, value, statement in _assignments(tree):
        if times[name] > 1 or not CONSTANT.fullmatch(name) or OWNED.search(name):
            continue
        if not isinstance(value, ast.Call):
            yield name, value, statement
            continue
        for keyword in value.keywords:
            if keyword.arg and not OWNED.search(keyword.arg.upper()) and (keyword.arg not in DEVICES or keyword.arg == device):
                yield f"{name}.{keyword.arg}", keyword.value, statement


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr, ast.stmt]]:
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value, statement
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value, statement


def _line_starts(raw: bytes) -> list[int]:
    starts = [0, *(match.end() for match in LINE_END.finditer(raw))]
    if raw.startswith(BOM.encode()):
        starts[0] = len(BOM.encode())
    return starts


def _offset(starts: list[int], line: int, column: int) -> int:
    return starts[line - 1] + column
