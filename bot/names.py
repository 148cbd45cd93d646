"""A Python file's names, read off its syntax tree: what is imported as what, and what gives a variable its value."""

import ast
from collections import Counter
from collections.abc import Iterator


class Module:
    """One parsed file, asked what its names mean."""

    def __init__(self, path: str, tree: ast.Module):
        self.path = path
        self.nodes = list(ast.walk(tree))
        self.call_of = {id(node.func): node for node in self.nodes if isinstance(node, ast.Call)}
        self.packages: dict[str, str] = {}  # `import x.y as z`: z -> x.y
        self.taken: dict[str, str] = {}  # `from x import y as z`: z -> x.y
        for node in self.nodes:
            if isinstance(node, ast.Import):
                self.packages |= dict((a.asname, a.name) if a.asname else (a.name.partition(".")[0],) * 2 for a in node.names)
            elif isinstance(node, ast.ImportFrom):
                self.taken |= {a.asname or a.name: f"{node.module or ''}.{a.name}" for a in node.names}
        self.known = self.packages | self.taken  # and what is assigned from these, below
        for target, value in self.bound_once():
            if target not in self.known and not (name := self.name(value)).startswith("?"):
                self.known[target] = name

    def bound_once(self) -> Iterator[tuple[str, ast.expr]]:
        """`name = value` where nothing else in the file gives that name a value."""
        stores = [n.id for n in self.nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)]
        times = Counter(stores + [n.arg for n in self.nodes if isinstance(n, ast.arg)])
        for node in self.nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=value) if times[target] == 1:
                    yield target, value

    def name(self, node: ast.AST | None) -> str:
        """Dotted, with imports resolved: `rd.seed` after `import random as rd` is "random.seed". "?" stands for what is not known."""
        if isinstance(node, ast.Name):
            return self.known.get(node.id, f"?{node.id}")
        return f"{self.name(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"

    def variables(self, node: ast.AST) -> set[str]:
        """Variables, attributes and string keys in an expression, under the names they have at home; not the names of packages."""
        parts = list(ast.walk(node))
        keys = {p.slice.value for p in parts if isinstance(p, ast.Subscript) and isinstance(p.slice, ast.Constant)}
        names = {last(self.taken.get(p.id, p.id)) for p in parts if isinstance(p, ast.Name) and p.id not in self.packages}
        return {key for key in keys if isinstance(key, str)} | names | {p.attr for p in parts if isinstance(p, ast.Attribute)}

    def feeding(self, fed: set[str]) -> Iterator[tuple[ast.AST, ast.expr]]:
        """(place, value) wherever one of the names `fed` gets a value: assigned, by default, as an argument, as a key, as an option."""
        takers = {node.name: node.args for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        for node in self.nodes:
            yield from ((place, value) for place, value in _bindings(node, fed) if value is not None)
            if isinstance(node, ast.Call) and (parameters := takers.get(last(self.name(node.func)))):
                names = [arg.arg for arg in [*parameters.posonlyargs, *parameters.args]]
                given = zip(names[names[:1] == ["self"] :], node.args, strict=False)
                yield from ((value, value) for name, value in given if name in fed)


def _bindings(node: ast.AST, fed: set[str]) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    match node:
        case ast.Assign(targets=targets, value=value) if any(_binds(target, fed) for target in targets):
            yield node, value
        case ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr() if _binds(node.target, fed):
            yield node, node.value
        case ast.keyword(arg=str(name), value=value) if name in fed:
            yield value, value
        case ast.Dict(keys=keys, values=values):
            named = zip(keys, values, strict=True)
            yield from ((value, value) for key, value in named if isinstance(key, ast.Constant) and key.value in fed)
        case ast.arguments():
            ordered = [*node.posonlyargs, *node.args]
            pairs = [*zip(ordered[len(ordered) - len(node.defaults) :], node.defaults, strict=True)]
            pairs += zip(node.kwonlyargs, node.kw_defaults, strict=True)
            yield from ((default, default) for arg, default in pairs if arg.arg in fed)
        case ast.Call(args=[ast.Constant(value=str(option)), *_]) if option.lstrip("-").replace("-", "_") in fed:
            yield node, node  # argparse, click


def _binds(target: ast.AST, fed: set[str]) -> bool:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=name)):
            return name in fed
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return any(_binds(part, fed) for part in parts)
    return False


def values(node: ast.AST) -> list[ast.expr]:
    """What a call is given."""
    return [*node.args, *(keyword.value for keyword in node.keywords)] if isinstance(node, ast.Call) else []


def last(name: str) -> str:
    return name.rpartition(".")[2].lstrip("?")
