"""What this machine can do, for `doctor`. Detection only: nothing is installed, kept or changed."""

import ctypes
import importlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "GITHUB_TOKEN", "GH_TOKEN")
GIB = 2**30
LANDLOCK_CREATE_RULESET, LANDLOCK_VERSION_FLAG = 444, 1  # the same number on every architecture
SWITCHES = {  # kernel setting -> (value that forbids user namespaces, value that allows them)
    "user.max_user_namespaces": ("0", "15000"),
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
}
NEW_USER_NAMESPACE = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x10000000) != 0)"


@dataclass(frozen=True)
class Line:
    name: str
    state: Literal["ok", "warn", "fail"]
    fact: str
    fix: str = ""


def works(argv: list[str]) -> str | None:
    """First line of output when the program runs and exits 0, else None."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout.strip().splitlines() or [""])[0] if done.returncode == 0 else None


def python() -> Line:
    state = "ok" if sys.version_info >= (3, 11) else "fail"
    return Line("python", state, f"{platform.python_version()} ({sys.executable})", "" if state == "ok" else "install Python 3.11 or newer")


def git() -> Line:
    version = works(["git", "--version"])
    if version is None:
        return Line("git", "fail", "not found", "install git (apt install git, brew install git)")
    return Line("git", "ok", version.removeprefix("git version "))


def machine() -> Line:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    fact = f"{cores} cores, {memory:.1f} GiB memory, {platform.system()} {platform.machine()}"
    if memory < 3.5:
        return Line("machine", "warn", fact, "training on a CPU takes about 2 GiB; close other programs")
    return Line("machine", "ok", fact)


def existing(path: Path) -> Path:
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())


def disk(name: str, path: Path) -> Line:
    free = shutil.disk_usage(existing(path)).free / GIB
    state = "fail" if free < 0.5 else "warn" if free < 5 else "ok"
    return Line(name, state, f"{free:.1f} GiB free at {path}", "" if state == "ok" else "free some space; a run wants about 5 GiB")


def writable(name: str, path: Path, fix: str) -> Line:
    try:
        with tempfile.NamedTemporaryFile(dir=existing(path)):
            return Line(name, "ok", f"{path} can be written")
    except OSError as error:
        return Line(name, "fail", f"{path} cannot be written: {error.strerror}", fix)


def bubblewrap() -> Line:
    version = works(["bwrap", "--version"])
    if version is None:
        return Line("bubblewrap", "warn", "not found", "install it: apt install bubblewrap")
    if works(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"]) is None:
        return Line("bubblewrap", "warn", f"{version}, but it cannot make namespaces here", namespace_fix())
    return Line("bubblewrap", "ok", f"{version}, works")


def namespaces() -> Line:
    if platform.system() == "Linux" and works([sys.executable, "-c", NEW_USER_NAMESPACE]) is not None:
        return Line("user namespaces", "ok", "available")
    return Line("user namespaces", "warn", "not available", namespace_fix())


def namespace_fix() -> str:
    """The switch that is off, where the kernel says which; else a container's, which only its starter can change."""
    for name, (off, on) in SWITCHES.items():
        path = Path("/proc/sys", *name.split("."))
        if path.exists() and path.read_text().strip() == off:
            return f"allow user namespaces: sysctl -w {name}={on}"
    if platform.system() != "Linux":
        return "use Linux; other systems have no namespaces"
    return "allow user namespaces; for a container that is its starter's choice (docker run --security-opt seccomp=unconfined)"


def landlock() -> Line:
    version = -1
    if platform.system() == "Linux":
        version = ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(LANDLOCK_VERSION_FLAG))
    if version < 1:
        return Line("landlock", "warn", "not available", "use Linux 5.13 or newer with landlock among its security modules")
    if works([sys.executable, "-c", "import landlockpy"]) is None:
        return Line("landlock", "warn", f"ABI {version}, but {sys.executable} has no landlockpy", "pip install landlockpy")
    return Line("landlock", "ok", f"ABI {version}")


def keys(environ: Mapping[str, str]) -> Line:
    """Names only; a value is never read into anything that is shown."""
    present = [name for name in KEYS if environ.get(name)]
    return Line("API keys", "ok", ", ".join(present) or "none set; the constants and replay proposers need none")


def package(name: str, use: str, needed: bool = True) -> Line:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return Line(name, "fail" if needed else "warn", f"cannot be imported: {error}", f"pip install {name}; it {use}")
    return Line(name, "ok", str(getattr(module, "__version__", "importable")))
