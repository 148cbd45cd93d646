"""Checks of a change that need no device and no time: what would fail at once, measures nothing, or is not the candidate's to touch.

Each compares with the champion, so that what is odd in the target itself is not held against a change. Nothing of the candidate is run.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import PurePosixPath

from bot import edit
from bot.contract import Session, dotted, findings
from bot.fingerprints import moved, written
from bot.proposers import Answer
from bot.proposers.interpreter import ask
from bot.proposers.source import BOM, DEVICES
from bot.proposers.undefined import Trees, imports, links, names, trees
from bot.settings import Settings

OWNED = (  # the last part of a number's name, and what it is
    (re.compile(r"(.*_)?SEEDS?"), "the seed is the referee's; use `session.seed`, or nothing at all"),
    (re.compile(r"(.*_)?VOCAB(_SIZE)?"), "the vocabulary is the referee's; use `session.vocab_size`"),
    (re.compile(r"(.*_)?(SEQUENCE_LENGTH|SEQ_LEN|CONTEXT_LENGTH)"), "the context is the referee's; use `session.sequence_length`"),
    (re.compile(r"(.*_)?(TIME_BUDGET|BUDGET|EVAL_TOKENS)(_.*)?"), "the clock and the scoring are the referee's; use `session.progress`"),
)
SEED = OWNED[:1]  # of a command target the rest is its own business
SESSION = {"does not import the session", "never takes a batch", "writes no checkpoint", "reports no loss"}  # of `bot.contract`
SERIOUS = {"reports no loss"}  # no error for `check`, but the champion has the curve that early stopping compares


def refusal(files: Mapping[str, str], edits: Mapping[str, str], settings: Settings) -> str:
    """Why the change need not run, one reason a line; "" where nothing speaks against it. `files`: the champion's, all editable ones."""
    after = {**files, **edits}
    changed = {path: text for path, text in edits.items() if path.endswith(".py") and text != files.get(path)}
    before, now = trees(files), trees(after)
    modules = {name for path in changed for name in imports(now.get(path)) - imports(before.get(path))}
    sources = {path: text.removeprefix(BOM) for path, text in changed.items()}
    wrong, missing = ask(settings.python, sources, [name for name in modules if not local(name, settings)])
    if wrong:
        return "\n".join(wrong)
    rules = [_owned(files, after, settings), _elsewhere(files, after, settings), _missing(missing)]
    rules += [names(files, changed), links(before, now)]
    if not settings.command:
        rules += [_imports(before, now, settings.entry), _session(before, now), _contract(files, after, settings.entry)]
    reasons = dict.fromkeys(reason for rule in rules for reason in rule)
    return "\n".join(reasons) or _rejected(files, edits)


def _rejected(files: Mapping[str, str], edits: Mapping[str, str]) -> str:
    """What would be refused when it becomes a commit."""
    if {**files, **edits} == files:
        return ""
    try:
        edit.apply(files, Answer("", "", edits=dict(edits)), lambda patch: {})
    except edit.EditRejected as error:
        return str(error)
    return ""


def _owned(before: Mapping[str, str], after: Mapping[str, str], settings: Settings) -> Iterator[str]:
    for path in sorted(after):
        old, new = (written(path, files.get(path, "")) for files in (before, after))
        was, now = (dict(program.numbers.values()) if program else {} for program in (old, new))
        for name in sorted(name for name in was.keys() & now.keys() if was[name] != now[name]):
            last = name.partition("[")[0].rpartition(".")[2].upper()
            for pattern, whose in SEED if settings.command else OWNED:
                if pattern.fullmatch(last):
                    yield f"{path}: {name} goes from {was[name]} to {now[name]}, but {whose}"


def _elsewhere(before: Mapping[str, str], after: Mapping[str, str], settings: Settings) -> Iterator[str]:
    """A change of nothing but what holds on other devices."""
    here, moves = settings.device.partition(":")[0], moved(before, after)
    devices = {name.rpartition(".")[2] for name in moves}
    if here in DEVICES and devices and devices <= DEVICES - {here}:
        yield f"{', '.join(sorted(moves))}: this is measured on {here}, where that changes nothing; change the values for {here}"


def local(module: str, settings: Settings) -> bool:
    """Whether a module is the referee's, or one of the target's own files."""
    first = module.partition(".")[0]
    folders = {PurePosixPath("."), *(PurePosixPath(path).parent for path in (*settings.editable, *settings.locked))}
    beside = [settings.root / folder / first for folder in folders]
    return first == "eval" or any(place.is_dir() or place.with_name(f"{first}.py").is_file() for place in beside)


def _missing(modules: list[str]) -> Iterator[str]:
    for name in modules:
        yield f"imports {name}, which the training interpreter does not have, and nothing can be installed; do without it"


def _imports(before: Trees, after: Trees, entry: str) -> Iterator[str]:
    for path, tree in sorted(after.items()):
        new = {name for name in imports(tree) - imports(before.get(path)) if name.partition(".")[0] == "eval"}
        for name in sorted(new - {"eval", "eval.session"}):
            yield f"{path} imports {name}; of the referee, `session` alone is for a candidate (`from eval import session`)"
        if path == entry and any(isinstance(node, ast.ImportFrom) and node.level for node in tree.body):
            yield f"{path} has a relative import; it is run by itself and is in no package, so name the module alone"


def _session(before: Trees, after: Trees) -> Iterator[str]:
    known = {ast.dump(node) for tree in before.values() for node in _stores(tree)}
    for path, tree in sorted(after.items()):
        for node in _stores(tree):
            if ast.dump(node) not in known:
                yield f"{path}, line {node.lineno}: gives `{ast.unparse(node)}` a value; the session is the referee's, to be read only"


def _stores(tree: ast.Module) -> Iterator[ast.Name | ast.Attribute]:
    """Where the session, or something in it, is given another value."""
    session = Session(tree)
    for node in ast.walk(tree):
        owner = node.value if isinstance(node, ast.Attribute) else node
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del) and dotted(owner) in session.aliases:
            yield node


def _contract(before: Mapping[str, str], after: Mapping[str, str], entry: str) -> Iterator[str]:
    """What `autoresearch check` calls an error, where the champion's file has none of that kind."""
    old, new = (files.get(entry, "").removeprefix(BOM) for files in (before, after))
    known = _problems(old)
    elsewhere = any(
        Session(tree).imported for path, tree in trees(after).items() if path != entry
    )  # a file beside it deals with the session
    for found in findings(new):
        wrong = found.level == "error" or found.problem in SERIOUS
        if wrong and found.problem not in known and not (elsewhere and found.problem in SESSION):
            yield f"{entry}{f', line {found.line}' if found.line else ''}: it {found.problem}; {found.fix}"


@lru_cache(maxsize=4)
def _problems(text: str) -> frozenset[str]:
    """Of the champion's file, which stays for many changes."""
    return frozenset(finding.problem for finding in findings(text))
