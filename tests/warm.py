"""Runs of `python -m bot` and `python -m eval` that need not wait for an interpreter to import its packages.

A server process imports them once and forks for each run. Each is a process of its own all the same: its own arguments, folder,
environment, standard streams and exit code, and nothing that one leaves in memory reaches the next. Starting costs 0.02 s of CPU time
then, instead of 0.9 s (bot) or 1.7 s (eval).
"""

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import IO, NoReturn

TOP = Path(__file__).parents[1]
PACKAGES = {
    "bot": (*(f"bot.commands.{file.stem}" for file in (TOP / "bot/commands").glob("[!_]*.py")), "bot.report.plot", "scipy.special"),
    "eval": ("torch", "eval.measure", "eval.score", "eval.fingerprint"),
}
# What a program reads while it starts, or may have to hide from those who can read /proc: that takes an interpreter of its own.
NOT_FORKED = ("PYTHON", "LD_", "OMP_", "MKL_", "OPENBLAS_", "CUDA_", "TORCH", "MPL", "HOME", "XDG_", "LANG", "LC_")
SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD")
COMPILED = "TORCHINDUCTOR_CACHE_DIR"  # torch puts it into the environment of whoever imports its compiler, this process too
_SERVERS: dict[str, "Server"] = {}


def run(package: str, args: list[str], cwd: Path, env: dict[str, str], merged: bool = False) -> subprocess.CompletedProcess:
    """`python -m package ARGS`, as subprocess.run(capture_output=True, text=True) gives it. `merged`: stderr goes where stdout goes."""
    if forkable(env):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            code = start(package, args, cwd, env, out, out if merged else err).wait()
            said = [file.seek(0) or io.TextIOWrapper(file).read() for file in (out, err)]
        return subprocess.CompletedProcess(args, code, *said)
    argv = [sys.executable, *(["-P"] if package == "eval" else []), "-m", package, *args]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT if merged else subprocess.PIPE}
    return subprocess.run(argv, cwd=cwd, env=env, text=True, check=False, **streams)


def start(package: str, args: list[str], cwd: Path, env: dict[str, str], out: IO[bytes], err: IO[bytes]) -> "Child":
    """The same, while it runs. `env` must be `forkable`."""
    if package not in _SERVERS:
        _SERVERS[package] = Server(package)
    return _SERVERS[package].start(args, cwd, env, out, err)


def forkable(env: dict[str, str]) -> bool:
    changed = {name for name in env.keys() | BEGAN.keys() if env.get(name) != (BEGAN | PLACE).get(name)} - {COMPILED}
    return sys.platform == "linux" and not any(name.startswith(NOT_FORKED) or any(word in name for word in SECRET) for name in changed)


BEGAN, PLACE = dict(os.environ), {"PYTHONPATH": str(TOP)}


class Server:
    """The client's side. Threads may run at once."""

    def __init__(self, package: str):
        self.lock, (self.control, theirs) = threading.Lock(), socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.warm", package, str(theirs.fileno())], cwd=TOP, env=BEGAN | PLACE,
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        atexit.register(self.close)

    def close(self) -> None:
        self.control.close()
        self.process.wait()

    def start(self, args: list[str], cwd: Path, env: dict[str, str], out: IO[bytes], err: IO[bytes]) -> "Child":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as request, self.lock:
            request.write(json.dumps({"args": args, "cwd": str(cwd), "env": env}).encode())
            request.seek(0)
            socket.send_fds(self.control, [b"run"], [file.fileno() for file in (theirs, request, out, err)])
        return Child(ours)


class Child:
    """A run: its process id, and once it has ended its exit code."""

    def __init__(self, told: socket.socket):
        self.told = told
        self.pid = int(self.hear())

    def hear(self, timeout: float | None = None) -> str:
        self.told.settimeout(timeout)
        answer = self.told.recv(16).decode()
        assert answer, "the server is gone"
        return answer

    def wait(self, timeout: float | None = None) -> int:
        """TimeoutError if it runs longer than `timeout` seconds."""
        code = int(self.hear(timeout))
        self.told.close()
        return code


def serve(package: str, control: socket.socket) -> None:
    for name in PACKAGES[package]:
        importlib.import_module(name)
    main = importlib.import_module({"bot": "bot.cli", "eval": "eval.__main__"}[package]).main
    gc.collect()
    gc.freeze()
    while True:
        data, fds, *_ = socket.recv_fds(control, 16, 4)
        if not data:
            break
        if not os.fork():
            control.close()
            wait(package, main, *fds)
        for fd in fds:
            os.close(fd)
        reap()
    reap(0)


def reap(flags: int = os.WNOHANG) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, flags)[0]:
            pass


def wait(package: str, main, answer: int, request: int, out: int, err: int) -> NoReturn:
    """Forks the run, and says its process id and how it ended."""
    pid = os.fork()
    if pid:
        os.write(answer, str(pid).encode())
        _, status = os.waitpid(pid, 0)
        os.write(answer, str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    os.close(answer)
    asked = json.loads(os.fdopen(request).read())
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    tempfile.tempdir = None
    sys.argv = [str(TOP / package / "__main__.py"), *asked["args"]]
    if package == "bot":
        sys.path.insert(0, asked["cwd"])
    act(main)


def act(main) -> NoReturn:
    """`main`, and then what an interpreter does at its end."""
    code: object = 1
    try:
        code = main()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    finally:
        os._exit((code or 0) & 255)


if __name__ == "__main__":
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
