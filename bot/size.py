"""How long a program is, in a way that layout and comments do not change. Pure."""

import ast
from collections.abc import Mapping

BOM = "\ufeff"


def statements(path: str, text: str) -> int | None:
    """Python statements, docstrings not counted; for other files lines that are not blank. None where Python cannot read it."""
    if not path.endswith(".py"):
        return sum(bool(line.strip()) for line in text.splitlines())
    nodes = parsed(text)
    if nodes is None:
        return None
    texts = [n for n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) and isinstance(n.value.value, str)]
    return sum(isinstance(n, ast.stmt) for n in nodes) - len(texts)


def parsed(text: str) -> list[ast.AST] | None:
    """Every node of its syntax tree."""
    try:
        return list(ast.walk(ast.parse(text.removeprefix(BOM))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def grown(old: Mapping[str, str], new: Mapping[str, str]) -> int | None:
    """How many statements more the files of `new` have than they had in `old`. Fewer statements of no fewer words (`a, b = 1, 2` for two
    assignments) are 0: they were joined, not removed."""
    counts = [(statements(path, old[path]), statements(path, text)) for path, text in new.items()]
    if any(None in pair for pair in counts):
        return None
    more = sum(after - before for before, after in counts)
    files = [path for path in new if path.endswith(".py")]
    words = sum(len(parsed(new[path])) - len(parsed(old[path])) for path in files)
    return 0 if more < 0 and files and words >= 0 else more
