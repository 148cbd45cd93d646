"""What a program needs of the file system to start: for Python its own installation, for anything else its folder. Torch-free.

Never all of sys.path: an editable install puts a whole repository on it, with .git/config and the ledger inside.
"""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

from eval.process import clean_environment, spawn

# Of an installation's prefix: not the whole of it, since a prefix may be a home folder or a repository, and pip.conf in it holds tokens.
PARTS = ("bin", "lib", "lib32", "lib64", "libexec", "include", "share", "ssl", "nvvm", "targets", "compiler_compat", "pyvenv.cfg")
CONDA = ("x86_64-conda-linux-gnu", "aarch64-conda-linux-gnu", "x86_64-conda_cos6-linux-gnu", "conda-meta")
ASK = """
import json, os, site, sys, sysconfig
paths = [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "include", "platinclude")]
paths += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
if sysconfig.get_config_var("Py_ENABLE_SHARED"):
    paths += [sysconfig.get_config_var("LIBDIR") or ""]
prefixes = sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix})
print(json.dumps({"executable": sys.executable, "paths": paths, "prefixes": prefixes}))
"""
ASK_SECONDS = 60.0


def needs(program: str, cwd: Path) -> tuple[str, list[str]]:
    """(the program by its full path, what else must be readable for it to run). A name that is nowhere is returned as it is."""
    found = shutil.which(program) if "/" not in program else os.path.join(cwd, program)
    if found is None or not os.path.exists(found):
        return program, []
    if os.path.basename(found).startswith(("python", "pypy")) and (answer := ask(found)):
        return answer["executable"], installation(answer)
    home, folder = os.path.realpath(os.path.expanduser("~")), os.path.dirname(os.path.realpath(found))
    whole = not (home + "/").startswith(folder.rstrip("/") + "/")
    return found, [found, os.path.realpath(found), *([folder] if whole else [])]


def installation(answer: dict) -> list[str]:
    """The readable part of a Python installation: the folders that are really there."""
    inside = [os.path.join(prefix, part) for prefix in answer["prefixes"] for part in (*PARTS, *CONDA)]
    return [path for path in (answer["executable"], *answer["paths"], *inside) if path and os.path.exists(path)]


@functools.lru_cache
def ask(python: str) -> dict | None:
    """Where an interpreter has its parts, from itself; None if it does not say (then it is a program like any other)."""
    home = Path.home()
    child = spawn([python, "-c", ASK], Path("/"), clean_environment(home, Path("/tmp")), stdout=subprocess.PIPE)
    with child.stdout:
        answer = child.stdout.read()
    code = child.wait(ASK_SECONDS)
    child.kill()
    return json.loads(answer) if code == 0 else None
