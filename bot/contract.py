"""The static half of `autoresearch check`: what a training script owes the referee, read from its syntax tree. Pure."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

TIMERS = {"time.time", "time.monotonic", "time.perf_counter", "time.process_time", "time.time_ns", "time.perf_counter_ns"}
SEEDS = {"random.seed", "np.random.seed", "numpy.random.seed", "torch.manual_seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all"}
READERS = {"np.load", "numpy.load", "np.memmap", "numpy.memmap", "np.fromfile", "numpy.fromfile", "load_dataset", "datasets.load_dataset",
           "pd.read_parquet", "pq.read_table", "pq.ParquetFile", "urllib.request.urlopen", "requests.get"}  # fmt: skip
PICKLES = {"torch.save", "pickle.dump", "torch.load", "pickle.load"}
GUARD_MESSAGE = "the worker imports this file to score it, which must not train"


@dataclass(frozen=True, order=True)
class Finding:
    """`line` 0: about the whole file."""

    line: int
    level: Literal["error", "warn"]
    problem: str
    fix: str


def findings(source: str) -> list[Finding]:
    """Everything that does not conform, by line; errors would fail a measurement, warnings would spoil it."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [Finding(error.lineno or 0, "error", f"does not parse: {error.msg}", "correct the syntax")]
    session = Session(tree)
    rules = (_session(session), _load_model(tree), _guard(tree, session), _prepare(tree), _calls(tree), _scores(tree))
    return sorted({finding for rule in rules for finding in rule})


class Session:
    """Which attributes of `eval.session` a module uses, under whatever name it imported it: attribute -> first line."""

    def __init__(self, tree: ast.Module):
        self.aliases: set[str] = set()
        self.names: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.aliases |= {alias.asname or alias.name for alias in node.names if alias.name == "eval.session"}
            elif isinstance(node, ast.ImportFrom) and node.module == "eval":
                self.aliases |= {alias.asname or alias.name for alias in node.names if alias.name == "session"}
            elif isinstance(node, ast.ImportFrom) and node.module == "eval.session":
                self.names |= {alias.asname or alias.name: alias.name for alias in node.names}
        self.imported = bool(self.aliases or self.names)
        self.used: dict[str, int] = {}
        for node in ast.walk(tree):
            if attribute := self.attribute(node):
                self.used.setdefault(attribute, node.lineno)

    def attribute(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute) and dotted(node.value) in self.aliases:
            return node.attr
        return None


def dotted(node: ast.AST) -> str:
    """`torch.cuda.manual_seed` of such an expression, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""


def _session(session: Session) -> Iterator[Finding]:
    if not session.imported:
        yield Finding(0, "error", "does not import the session", "add `from eval import session`; data, time and device come from it")
        return
    if "batches" not in session.used:
        fix = "loop over `for inputs, targets in session.batches(BATCH_SIZE)`; it ends when the budget is spent"
        yield Finding(0, "error", "never takes a batch", fix)
    if "output" not in session.used:
        yield Finding(0, "error", "writes no checkpoint", "save model.safetensors and config.json into `session.output` after the loop")
    if "warmup" not in session.used:
        fix = "first run a few steps on `session.warmup(BATCH_SIZE)`: its time, compilation included, is free"
        yield Finding(0, "warn", "does not warm up", fix)
    if "progress" not in session.used:
        yield Finding(0, "warn", "has no schedule", "drive schedules by `session.progress`, 0 to 1 over the budget; step counts vary")
    if "report" not in session.used:
        yield Finding(0, "warn", "reports no loss", "call `session.report(loss=loss.item())` once per optimizer step")


def _load_model(tree: ast.Module) -> Iterator[Finding]:
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "load_model"]
    fix = "add `def load_model(directory, device)` at the top level; it returns the trained model, (B, T) token ids -> (B, T, V) logits"
    if not found:
        yield Finding(0, "error", "has no load_model", fix)
        return
    arguments = found[-1].args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    if isinstance(found[-1], ast.AsyncFunctionDef) or required > 2 or (len(positional) < 2 and not arguments.vararg):
        yield Finding(found[-1].lineno, "error", "load_model cannot be called as load_model(directory, device)", fix)


def _guard(tree: ast.Module, session: Session) -> Iterator[Finding]:
    fix = "put the training under `if __name__ == '__main__':`"
    if not any(_is_guard(node) for node in tree.body):
        yield Finding(0, "error", f"has no main guard; {GUARD_MESSAGE}", fix)
    for node in _run_at_import(tree.body):
        if session.attribute(node) in ("batches", "warmup"):
            yield Finding(node.lineno, "error", f"takes batches when it is imported; {GUARD_MESSAGE}", fix)


def _is_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "__name__" in {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}


def _run_at_import(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_guard(node):
            continue
        yield node
        yield from _run_at_import(ast.iter_child_nodes(node))


def _prepare(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) else []
        if "prepare" in names:
            fix = "remove it: constants, tokenizer, batches and scoring are the referee's; use `session`"
            yield Finding(node.lineno, "error", "imports prepare, which is not there during a measurement", fix)


def _calls(tree: ast.Module) -> Iterator[Finding]:
    loading = {n for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == "load_model" for n in ast.walk(f)}
    plain = {a.asname or a.name: f"{n.module}.{a.name}" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = plain.get(dotted(node.func), dotted(node.func))
        if name in TIMERS:
            yield Finding(
                node.lineno, "warn", f"keeps its own time ({name})", "use `session.progress`; the referee's clock is the only one"
            )
        elif name in SEEDS and node.args and isinstance(node.args[0], ast.Constant):
            fix = "remove it, or use `session.seed`: with one fixed seed the noise cannot be measured"
            yield Finding(node.lineno, "warn", f"fixes the seed ({name})", fix)
        elif name in PICKLES:
            fix = "use safetensors.torch.save_model and load_model, and JSON for the configuration"
            yield Finding(node.lineno, "error", f"pickles ({name}); a checkpoint is plain data", fix)
        elif node not in loading and (name in READERS or (name == "open" and not _writes(node))):
            fix = "take batches from `session.batches`; during a measurement there is no data to open and no network"
            yield Finding(node.lineno, "warn", f"reads data itself ({name})", fix)


def _writes(call: ast.Call) -> bool:
    mode = next((k.value for k in call.keywords if k.arg == "mode"), call.args[1] if len(call.args) > 1 else None)
    return isinstance(mode, ast.Constant) and any(letter in str(mode.value) for letter in "wax")


def _scores(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            words = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            if any("val_bpb" in word for word in words):
                yield Finding(
                    node.lineno, "warn", "prints val_bpb", "remove it: only the referee scores, and what is printed is never read"
                )
