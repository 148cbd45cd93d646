"""The controller's own virtual environment: made once for each lock and interpreter, then reused, offline too. Standard library only.

    python -I action/install.py        (by action/install.sh; reads RUNNER_TOOL_CACHE, RUNNER_TEMP and GITHUB_OUTPUT)

It lies in the runner's tool cache, which checkout does not clean, and never touches the interpreter it is made from. Jobs that start
at once wait for the one that installs; an environment that a kill left half made is made again. Writes the outputs `controller`
(its interpreter) and `interpreter` (the one it was made from, which trains where `python: auto` stands in the settings).
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.txt")
COMPLETE = "complete"  # written last: an environment without it is not one
UNUSED_SECONDS = 30 * 24 * 3600.0
# Wheels only: nothing that was downloaded is run in order to install it.
PIP = ["-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--only-binary", ":all:"]


class InstallError(Exception):
    """One sentence that names the fix."""


def key(lock: bytes) -> str:
    """Names an environment: which Python it is for, and what is in it."""
    python = f"{sys.implementation.cache_tag}-{os.path.realpath(sys.executable)}-{sys.version}"
    return f"{sys.implementation.cache_tag}-{hashlib.sha256(python.encode() + lock).hexdigest()[:16]}"


def store() -> Path:
    """The folder of all environments: in the tool cache, or in this job's own folder where that cannot be written."""
    for variable in ("RUNNER_TOOL_CACHE", "RUNNER_TEMP"):
        if os.environ.get(variable):
            folder = Path(os.environ[variable]) / "autoresearch" / "environments"
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                if os.access(folder, os.W_OK):
                    return folder
    raise InstallError("neither RUNNER_TOOL_CACHE nor RUNNER_TEMP names a folder that this user can write; make the first one writable")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all jobs of this machine. The kernel lets go when the holder dies, so the file is never deleted and never stale."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(folder: Path, lock: Path = LOCK) -> Path:
    """The interpreter of a complete environment below `folder`, made now if there is none. InstallError with the fix."""
    home = folder / key(lock.read_bytes())
    python = home / "bin" / "python"
    with locked(folder / "lock"):
        if not usable(home, python):
            shutil.rmtree(home, ignore_errors=True)
            print(f"installing the controller's environment into {home} (once for this version)", flush=True)
            make(home, python, lock)
        (home / COMPLETE).touch()
        prune(folder, home)
    return python


def usable(home: Path, python: Path) -> bool:
    """Whether it was finished, and its interpreter still runs: the Python below it may have been removed or replaced."""
    if not (home / COMPLETE).exists():
        return False
    with contextlib.suppress(OSError):
        return subprocess.run([python, "-I", "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode == 0
    return False


def make(home: Path, python: Path, lock: Path) -> None:
    made = subprocess.run([sys.executable, "-I", "-m", "venv", home], capture_output=True, text=True, check=False)
    if made.returncode:
        raise InstallError(
            "python: no virtual environment can be made with this interpreter; install its venv module (apt install python3-venv) or "
            f"name another one. It said: {' '.join((made.stdout + made.stderr).split())[-300:]}"
        )
    done = subprocess.run([python, *PIP, "--requirement", lock], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallError(
            "the controller's packages could not be installed; the first run on a machine needs a package index that pip reaches (its own "
            f"configuration counts). pip said: {' '.join(done.stderr.split())[-600:]}"
        )


def prune(folder: Path, current: Path) -> None:
    """Removes environments of other versions that no job has used for a month."""
    for home in folder.iterdir():
        mark = home / COMPLETE
        if home != current and mark.exists() and time.time() - mark.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(home, ignore_errors=True)


def main() -> None:
    try:
        python = install(store())
    except InstallError as error:
        print(f"::error title=autoresearch::{str(error).replace('%', '%25')}")
        sys.exit(2)
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        file.write(f"controller={python}\ninterpreter={sys.executable}\n")


if __name__ == "__main__":
    main()
