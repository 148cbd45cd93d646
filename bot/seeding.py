"""Refuses edits that change or add seeding: a lucky seed that trains honestly cannot be told from an idea by its score alone.

By syntax tree: every place that seeds a generator, sets its state, draws from the operating system's entropy or reaches into the
session is a *site*; so is whatever feeds one (`SEED = 42`, a default, an argument). A site of the new text that did not stand in the
champion's is refused, unless its seed is the harness's: `session.seed`, `session.seed % 2**32` (numpy takes no more), or
`int(os.environ["AUTORESEARCH_SEED"])` in a command target. Removing a site is always allowed.

What no syntax tree shows: names put together at run time and hidden well, draws thrown away until the next ones are lucky, weights
written as numbers or as a formula, several initializations drawn from the given seed with the best one kept. The last is paid for
with the candidate's own budget; for the others stand the fresh seeds of the confirmation, to which a lucky one must not generalize.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.names import Module, last, values

BOM = "\ufeff"
SHOWN = 80  # characters of a site in the message
SESSION = "eval.session"
WAY_OUT = "seeds belong to the harness; session.seed is the only seed a train.py may use"
# Names that have no other meaning: refused wherever they stand, called or not
SEEDERS = {
    "manual_seed", "manual_seed_all", "seed_all", "seed_everything", "set_seed", "set_random_seed", "initial_seed", "fork_rng",
    "set_rng_state", "set_rng_state_all", "setstate", "graphsafe_set_state", "default_generator", "default_generators", "bit_generator",
    "urandom", "getrandom", "SystemRandom", "uuid1", "uuid4",
}  # fmt: skip
CALLED = {"seed", "set_state"}  # refused where called: attributes of this name may be anything
MAKERS = {"default_rng", "RandomState", "SeedSequence", "Philox", "PCG64", "PCG64DXSM", "MT19937", "SFC64", "Generator", "Random"}
STRINGS = {"PYTHONHASHSEED", "/dev/urandom", "/dev/random", "random.seed", "np.random.seed", "numpy.random.seed", "torch.seed"}
UNSEEN = {"exec", "eval", "compile", "__import__"}  # code that is made at run time
ROOTS = ("torch", "numpy", "random")
SEED_MODULES = ("random", "numpy.random", "torch", "torch.random", "torch.cuda", "torch.mps")


@dataclass(frozen=True)
class Site:
    path: str
    line: int
    text: str
    key: str  # equal for equal code, wherever it stands


def refusal(before: Mapping[str, str], after: Mapping[str, str]) -> str | None:
    """One sentence if the Python files `after` seed what the files `before` do not. Both: every editable file, path -> text.

    RecursionError as in `sites`."""
    known = Counter(site.key for site in sites(before))
    for site in sites(after):
        if not known[site.key]:
            return f"{site.path}, line {site.line}: `{site.text}` decides which random numbers come; {WAY_OUT}"
        known[site.key] -= 1
    return None


def sites(files: Mapping[str, str]) -> list[Site]:
    """First what seeds, then what feeds it. A file that cannot be parsed has none. RecursionError for one nested too deeply to judge."""
    modules = [module for path, text in sorted(files.items()) if path.endswith(".py") and (module := _parse(path, text))]
    direct = [(module, node) for module in modules for node in module.seeding()]
    fed = {name for module, node in direct for value in values(node) for name in module.variables(value)}
    seen, feeding = set(), {}
    while fed - seen:  # what feeds what feeds a seed
        seen |= fed
        for module in modules:
            for node, value in module.feeding(seen):
                if not module.harness(value):
                    feeding[id(node)] = (module, node)
                    fed = fed | module.variables(value)
    return [_site(module, node) for module, node in [*direct, *feeding.values()]]


def _site(module: Module, node: ast.AST) -> Site:
    text = " ".join(ast.unparse(node).split())
    shown = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    return Site(module.path, getattr(node, "lineno", 0), shown, ast.dump(node))


def _parse(path: str, text: str) -> "Seeding | None":
    try:
        tree = ast.parse(text.removeprefix(BOM))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return Seeding(path, tree)


class Seeding(Module):
    def __init__(self, path: str, tree: ast.Module):
        super().__init__(path, tree)
        self.session = {name for name, home in (self.packages | self.taken).items() if home == SESSION}
        self.seeds: set[str] = set()  # variables that hold the harness's seed
        self.seeds = {target for target, value in self.bound_once() if self.harness(value)}
        self.exempt: set[int] = set()
        for node in self.nodes:
            self._exempt(node)

    def harness(self, node: ast.AST) -> bool:
        """Whether an expression is the harness's seed."""
        match node:
            case ast.Name() | ast.Attribute():
                return self.name(node) == f"{SESSION}.seed" or isinstance(node, ast.Name) and node.id in self.seeds
            case ast.BinOp(left=left, op=ast.Mod(), right=right):
                return ast.unparse(right) in ("2 ** 32", str(2**32)) and self.harness(left)
            case ast.Call(func=ast.Name(id="int"), args=[ast.Subscript(value=value, slice=ast.Constant(value="AUTORESEARCH_SEED"))]):
                return self.name(value) == "os.environ"
        return False

    def given(self, call: ast.Call) -> bool:
        """Whether a call seeds with the harness's seed and nothing else; `Generator(PCG64(session.seed))` included."""
        given = values(call)
        if len(given) != 1 or self.harness(given[0]):
            return len(given) == 1
        return isinstance(given[0], ast.Call) and last(self.name(given[0].func)) in MAKERS and self.given(given[0])

    def _exempt(self, node: ast.AST) -> None:
        """Marks the names that may stand: seeded by the harness, or in annotations and isinstance, which make nothing."""
        if isinstance(node, ast.Call) and last(self.name(node.func)) in SEEDERS | CALLED | MAKERS and self.given(node):
            self.exempt.add(id(node.func))
            base = node.func.value if isinstance(node.func, ast.Attribute) else None
            if isinstance(base, ast.Call) and last(self.name(base.func)) == "Generator":
                self.exempt.add(id(base.func))  # torch.Generator(device).manual_seed(session.seed)
        harmless = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            harmless += node.args
        self.exempt |= {id(below) for part in harmless if isinstance(part, ast.AST) for below in ast.walk(part)}

    def seeding(self) -> Iterator[ast.AST]:
        """The nodes that seed, set a state, or hide such a thing."""
        for node in self.nodes:
            match node:
                case ast.Name() | ast.Attribute() if id(node) not in self.exempt and self._seeds(node):
                    yield self.call_of.get(id(node), node)
                case ast.Call(func=ast.Name(id="getattr" | "setattr" | "delattr" | "vars")) if self._reflects(node):
                    yield node
                case ast.Call(args=[argument, *_]) if self.name(node.func) == "importlib.import_module":
                    if not isinstance(argument, ast.Constant):
                        yield node
                case ast.Constant(value=str(text)) if text in STRINGS or " " not in text and last(text) in SEEDERS:
                    yield node
                case ast.ImportFrom(names=[ast.alias(name="*")]) | ast.ImportFrom(module="secrets"):
                    yield node
                case ast.Import() if any(alias.name == "secrets" for alias in node.names):
                    yield node
                case ast.arg(arg=name) if name in self.session:  # another object under the session's name
                    yield node

    def _seeds(self, node: ast.Name | ast.Attribute) -> bool:
        name, called = self.name(node), id(node) in self.call_of
        owner, _, leaf = name.rpartition(".")
        if not isinstance(node.ctx, ast.Load):
            patched = leaf in SEEDERS or leaf in CALLED | MAKERS and name.partition(".")[0] in ROOTS  # session.reseed calls these
            return node.id in self.session if isinstance(node, ast.Name) else owner == SESSION or patched
        if owner == SESSION:
            return leaf in ("attach", "__dict__") or leaf.startswith("_")
        if leaf.lstrip("?") in SEEDERS:
            return True
        if isinstance(node, ast.Name) and name.startswith("?"):
            return node.id in UNSEEN and (called or node.id in ("exec", "__import__"))
        if leaf in CALLED:
            return called or owner in SEED_MODULES
        if leaf in MAKERS:
            return name.partition(".")[0] in ROOTS or called and leaf not in ("Generator", "Random")
        return False

    def _reflects(self, call: ast.Call) -> bool:
        """getattr and its kin on a module: with the name of a seeder, or with one that is put together on the spot; any on the session."""
        owner = self.name(call.args[0]) if call.args else "?"
        if call.func.id != "getattr" or len(call.args) < 2:
            return owner == SESSION
        match call.args[1]:
            case ast.Constant(value=str(text)):
                return not owner.startswith("?") and text in SEEDERS | CALLED | MAKERS and owner != SESSION
            case ast.Name() | ast.Attribute():
                return False
        return not owner.startswith("?")
