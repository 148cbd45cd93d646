"""A runner's machine for the tests: a checkout of a command target, and a tool cache whose controller is made of what runs the tests."""

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from tests.action.executor import TOP, Job
from tests.conftest import git
from tests.targets import LOCKS, make_target


def installer() -> Any:
    """action/install.py as a module."""
    spec = importlib.util.spec_from_file_location("install", TOP / "action/install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def interpreter() -> str:
    """A real Python that `python:` can name: the one below the environment of the tests."""
    return getattr(sys, "_base_executable", sys.executable)


def prepare(tool_cache: Path) -> Path:
    """A finished controller environment, without the network: the tests' own packages behind an interpreter of its own.

    The machine's `python3` is the one that it was made from, whatever else this computer has."""
    asked = f"import runpy; m = runpy.run_path({str(TOP / 'action/install.py')!r}); print(m['key'](m['LOCK'].read_bytes()))"
    key = subprocess.run([interpreter(), "-I", "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    home = tool_cache / "autoresearch" / "environments" / key
    subprocess.run([interpreter(), "-I", "-m", "venv", "--without-pip", home], check=True)
    packages = next(home.glob("lib/python*/site-packages"))
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (home / "complete").touch()
    (tool_cache / "bin").mkdir()
    (tool_cache / "bin/python3").symlink_to(interpreter())
    return tool_cache


def machine(folder: Path, patches: list[str], **files: str) -> Job:
    """A job on a fresh checkout below `folder`, whose tool cache and other folders outlive it. The server's side is a bare repository."""
    workspace = make_target(folder / "work", patches)
    for name, text in files.items():
        (workspace / name).write_text(text)
    prepare(folder / "tools")
    git(workspace, "clone", "-q", "--bare", ".", str(folder / "server/owner/name.git"))
    github = {"server_url": f"file://{folder}/server", "repository": "owner/name"}
    return Job(workspace, folder / "tools", folder / "temp", github=github, environ={"TMPDIR": LOCKS, "COLUMNS": "120"})
