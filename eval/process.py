"""The one door to other processes: a scrubbed environment, a session of its own, death with the parent, a bounded log. Torch-free.

    child = spawn([sys.executable, "-P", "-m", "eval.trainer"], cwd=work, env=clean_environment(home, tmp), pass_fds=(7,))
    child.tree.cpu_seconds(); child.log.lines(); child.kill()

What this does not protect from, unless `eval.sandbox` wraps the argv: a candidate can read what this user can read, use the
network and signal this user's processes.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.text import harmless
from eval.tree import LOCK, ROOTS, ProcessTree

# An allow-list, because a deny-list forgets the next secret. RUNNER_TRACKING_ID lets a CI runner's own clean-up find the children.
ALLOWED = ("PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "RUNNER_TRACKING_ID", "SSL_CERT_FILE")
ALLOWED_PREFIXES = ("LC_", "CUDA_", "NVIDIA_")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LOG_LINES, LOG_LINE_CHARS, LOG_BYTES = 50, 1000, 1 << 17  # what a result keeps, and what a log may occupy in memory
RELAY_WORDS = 5  # in so many first words of an argv `eval.sandbox` names its level: interpreter, its flags, script, level
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def clean_environment(home: Path, tmp: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a child: what is allowed of ours, private homes (under which every cache lands), our settings."""
    env = {k: v for k, v in os.environ.items() if k in ALLOWED or k.startswith(ALLOWED_PREFIXES)}
    user_base = Path(os.environ.get("PYTHONUSERBASE") or Path.home() / ".local")
    if user_base.is_dir():  # packages of `pip install --user` would vanish with HOME
        env["PYTHONUSERBASE"] = str(user_base)
    folders = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state"}
    env |= {"HOME": str(home), "TMPDIR": str(tmp)} | {f"XDG_{kind}_HOME": str(home / name) for kind, name in folders.items()}
    # Passive: a spinning OpenMP thread burns CPU budget while it waits, 2 x the cost of the same step on 2 cores.
    env |= {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return env | dict(extra or {})


def become_subreaper() -> None:
    """Orphans below us are handed to us instead of init (Linux; elsewhere there is no such thing and daemons can escape)."""
    if _libc:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class LogTail:
    """The end of a pipe, drained by a thread for as long as anyone writes: never blocks the writer, never grows."""

    def __init__(self, fd: int):
        self.fd, self.tail = fd, b""
        self.thread = threading.Thread(target=self._drain, daemon=True, name="log")
        self.thread.start()

    def _drain(self) -> None:
        with os.fdopen(self.fd, "rb", buffering=0) as pipe:
            while chunk := pipe.read(1 << 16):
                self.tail = (self.tail + chunk)[-LOG_BYTES:]

    def lines(self) -> list[str]:
        """The last 50 lines, each cut to 1000 characters, made safe to print (`eval.text`)."""
        text = self.tail.decode("utf-8", "replace").replace("\r", "\n")
        lines = [line.rstrip() for line in text.split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        return [harmless(line[:LOG_LINE_CHARS]) for line in lines[-LOG_LINES:]]

    def settle(self, seconds: float = 1.0) -> list[str]:
        """`lines` after the last writer is gone."""
        self.thread.join(seconds)
        return self.lines()


class Child:
    """A spawned process: `pid`, its `tree`, its `log` (None if the caller took stdout), `returncode` after it ended (-9 = SIGKILL).

    `relayed`: it is bubblewrap, which ends with 128 + N when the program in it died of signal N."""

    def __init__(self, popen: subprocess.Popen, log: LogTail | None, relayed: bool = False):
        self.popen, self.pid, self.log, self.relayed = popen, popen.pid, log, relayed
        self.stdout, self.tree = popen.stdout, ProcessTree(popen.pid)

    @property
    def returncode(self) -> int | None:
        if self.tree.status is None:
            return None
        code = os.waitstatus_to_exitcode(self.tree.status)
        return 128 - code if self.relayed and 128 < code < 128 + signal.NSIG else code

    def poll(self) -> int | None:
        """`returncode`, after a look. The tree does the reaping (its CPU time comes from there), so Popen is told, not asked."""
        with LOCK:
            if self.tree.status is None:
                self.tree._bury(self.pid)
            self.popen.returncode = self.returncode
        return self.returncode

    def wait(self, seconds: float | None = None) -> int | None:
        """`returncode`, or None after `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.poll() is None and (deadline is None or time.monotonic() < deadline):
            time.sleep(0.005)
        return self.returncode

    def terminate(self) -> None:
        """SIGTERM to the process alone: it cleans up itself."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> list[int]:
        """SIGKILL to the whole tree, verified. Returns the pids that survived."""
        alive = self.tree.kill()
        self.poll()
        return alive


def spawn(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    pass_fds: Sequence[int] = (),
    stdout: int | None = None,
    stderr: int | None = None,
) -> Child:
    """Starts `argv` in its own session; the kernel kills it when this process dies (Linux), and nothing is left on its stdin.

    `stdout=None`: stdout and stderr go to `child.log`. `stdout=subprocess.PIPE`: `child.stdout` is the caller's to drain, and
    stderr goes to the log unless given. Call from the main thread: "parent" in PR_SET_PDEATHSIG is the *thread* that forked."""
    become_subreaper()
    me, read_end, write_end = os.getpid(), *os.pipe()

    def before_exec() -> None:
        if _libc:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != me:  # the parent died between fork and prctl
                os._exit(1)

    with LOCK:
        popen = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            pass_fds=tuple(pass_fds),
            stdin=subprocess.DEVNULL,
            stdout=write_end if stdout is None else stdout,
            stderr=write_end if stderr is None else stderr,
            start_new_session=True,
            preexec_fn=before_exec,
        )
        ROOTS.add(popen.pid)
        os.close(write_end)
        return Child(popen, LogTail(read_end), relayed="bubblewrap" in argv[:RELAY_WORDS])
