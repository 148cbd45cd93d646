"""How long a program is, in a way that layout and comments do not change. Pure."""

import ast
from collections.abc import Mapping

BOM = "\ufeff"


def length(path: str, text: str) -> tuple[int, int] | None:
    """Python: statements, docstrings not counted, and nodes of the syntax tree; other files: lines that are not blank, twice. None where
    Python cannot read it."""
    if not path.endswith(".py"):
        lines = sum(bool(line.strip()) for line in text.splitlines())
        return lines, lines
    try:
        nodes = list(ast.walk(ast.parse(text.removeprefix(BOM))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    texts = [n for n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) and isinstance(n.value.value, str)]
    return sum(isinstance(n, ast.stmt) for n in nodes) - len(texts), len(nodes)


def grown(old: Mapping[str, str], new: Mapping[str, str]) -> int | None:
    """How many statements more the files of `new` have than they had in `old`. Fewer of them out of as many nodes (`a, b = 1, 2` for two
    assignments) were joined, not removed: 0."""
    sizes = [(length(path, old[path]), length(path, text)) for path, text in new.items()]
    if any(None in pair for pair in sizes):
        return None
    return sum(0 if more < 0 <= nodes else more for more, nodes in ((b[0] - a[0], b[1] - a[1]) for a, b in sizes))
