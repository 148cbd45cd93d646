"""Asks the training interpreter about a candidate's files, running nothing of them: whether it can compile them, which modules it has."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir

from bot.helpers import started

SECONDS = 20.0
# A module is looked up on the path, never imported: torch takes seconds. What a package makes in its __init__ counts as there.
ASK = r"""
import json, re, sys
from importlib.machinery import PathFinder
from importlib.util import find_spec

def there(name):
    whole, *rest = name.split(".")
    try:
        spec = find_spec(whole)
    except (ImportError, ValueError):
        return True
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            break
        whole, package = whole + "." + part, spec
        spec = PathFinder.find_spec(whole, spec.submodule_search_locations)
        if spec is None:
            return named(package.origin, part)
    return spec is not None

def named(path, word):
    try:
        with open(path, encoding="utf-8") as file:
            return bool(re.search(r"\b%s\b" % re.escape(word), file.read()))
    except (OSError, TypeError, ValueError):
        return True

def wrong(path, text):
    try:
        compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = (error.text or "").strip()[:200]
        return "%s, line %s: %s%s" % (path, error.lineno, error.msg, ": `%s`" % line if line else "")
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return "%s cannot be compiled: %s" % (path, error or type(error).__name__)

asked = json.load(sys.stdin)
found = {"wrong": [why for path, text in asked["files"] if (why := wrong(path, text))]}
print(json.dumps(found | {"missing": [name for name in asked["modules"] if not there(name)]}))
"""


def ask(python: str, files: Mapping[str, str], modules: Sequence[str]) -> tuple[list[str], list[str]]:
    """(why files cannot be compiled, those of `modules` that are not installed). Nothing of either where it does not answer."""
    from eval.process import clean_environment

    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    environment = clean_environment(Path.home(), Path(gettempdir()))
    question = json.dumps({"files": sorted(files.items()), "modules": sorted(modules)})
    try:
        with started([python, "-P", "-W", "ignore", "-c", ASK], cwd="/", env=environment, **pipe) as process:
            out, _ = process.communicate(question.encode(errors="surrogatepass"), SECONDS)
        found = json.loads(out)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return [], []
    return found["wrong"], found["missing"]
