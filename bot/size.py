"""How long a program is, in a way that layout and comments do not change. Pure."""

import ast
from collections.abc import Mapping

BOM = "\ufeff"


def statements(path: str, text: str) -> int | None:
    """Python statements, docstrings not counted; for other files lines that are not blank. None where Python cannot read it."""
    if not path.endswith(".py"):
        return sum(bool(line.strip()) for line in text.splitlines())
    try:
        nodes = list(ast.walk(ast.parse(text.removeprefix(BOM))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    texts = [n for n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) and isinstance(n.value.value, str)]
    return sum(isinstance(n, ast.stmt) for n in nodes) - len(texts)


def grown(old: Mapping[str, str], new: Mapping[str, str]) -> int | None:
    """How many statements more the files of `new` have than they had in `old`."""
    counts = [(statements(path, old[path]), statements(path, text)) for path, text in new.items()]
    return None if any(None in pair for pair in counts) else sum(after - before for before, after in counts)
