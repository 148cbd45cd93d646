"""Isolation of candidate code: the strongest level this machine really offers, and the argv that runs a program in it. Torch-free.

    sandbox = choose("auto")
    spawn(sandbox.wrap(argv, cwd=work, write=[folder], read=[candidate], private=folder / "tmp"), work, environment, pass_fds=fds)

bubblewrap   namespaces: an empty network, its own processes, a file system of what is listed here and nothing else
landlock     the same list enforced by the kernel's Landlock; no namespaces, so files are nameable though not readable
none         limits only: whatever this user can do, the candidate can do
Both real levels also drop every capability and filter system calls (`eval.seccomp`). What each leaves open: docs/referee.md.
"""

import ctypes
import glob
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.errors import RefereeError
from eval.interpreter import needs
from eval.process import clean_environment, spawn

LEVELS = ("bubblewrap", "landlock", "none")
CONFINE = Path(__file__).with_name("confine.py")
MEMORY_FOLDER_BYTES = 4 << 30  # how much a private /dev/shm or /tmp in memory may hold
TRIAL_SECONDS = 30.0
PR_SET_DUMPABLE = 4  # linux/prctl.h

# What programs, compilers and GPU libraries read, wherever a distribution puts it. Never /, /home, /run, /var, nor all of /etc.
SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store", "/run/opengl-driver", "/run/current-system",
    "/opt/rocm*", "/opt/amdgpu*", "/opt/nvidia", "/opt/intel",
    "/etc/ld.so.*", "/etc/alternatives", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/localtime", "/etc/timezone", "/etc/hosts",
    "/etc/locale.*", "/etc/mime.types", "/etc/os-release", "/etc/debian_version", "/etc/fonts", "/etc/OpenCL", "/etc/vulkan", "/etc/glvnd",
    "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust/extracted",
    "/etc/crypto-policies", "/etc/ca-certificates",
    "/sys/block", "/sys/bus", "/sys/class", "/sys/dev", "/sys/devices", "/sys/module", "/sys/fs/cgroup", "/sys/kernel/mm",
)  # fmt: skip
GPU = ("/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/dxg", "/dev/nvhost*", "/dev/nvmap", "/dev/nvgpu*")  # NVIDIA, AMD, WSL, Jetson
PLAIN_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
TRIAL = """
import ctypes, os, sys
lines = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
assert lines["Seccomp"].strip() == "2" and int(lines["CapEff"], 16) == 0, "confined in name only"
networks = [line for line in open("/proc/net/dev").read().splitlines()[2:] if not line.strip().startswith("lo:")]
if networks and ctypes.CDLL(None).socket(2, 1, 0) >= 0: sys.exit("it can reach the network")
try: os.listdir(sys.argv[1]) and sys.exit("it can read what it must not")
except OSError: pass
print("confined")
"""


@dataclass(frozen=True)
class Sandbox:
    """One level of isolation that works here. `note`: "" or one sentence for a person, why it is not a stronger one."""

    level: str
    note: str = ""
    launcher: str = sys.executable  # the interpreter that runs eval/confine.py; for Landlock it has landlockpy
    user_namespace: bool = True
    sizes: bool = True  # bubblewrap before 0.7 cannot limit a folder in memory: it may then hold half of the memory

    def wrap(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        write: Sequence[Path],
        read: Sequence[Path] = (),
        private: Path | None = None,
        device: str = "cpu",
    ) -> list[str]:
        """The argv that runs `argv` isolated, for `eval.process.spawn`; inherited descriptors keep working.

        It may write the folders `write` and read `read`, the system and the interpreter that argv[0] names. `private` is a folder that
        appears as /tmp and /var/tmp (bubblewrap; without it they are empty and in memory). `device` other than "cpu" shows the GPU.
        RefereeError for a path that is missing, or that would show a home folder whole."""
        program = [str(word) for word in argv]
        if self.level == "none":
            return self._confine({}, program)
        program[0], own = needs(program[0], Path(cwd))
        shown = [path for pattern in SYSTEM for path in glob.glob(pattern)] + own
        shown += [_given(path) for path in read]
        written, gpu = [_given(path) for path in write], _gpu(device)
        if self.level == "landlock":
            options = {"read": ["/proc", *shown], "write": written, "devices": [*PLAIN_DEVICES, *gpu]}
            return self._confine({kind: sorted({os.path.realpath(path) for path in paths}) for kind, paths in options.items()}, program)
        options = self._mounts(shown, written, gpu, None if private is None else _given(private))
        return self._confine({}, [shutil.which("bwrap") or "bwrap", *options, "--chdir", str(cwd), "--", *program])

    def _confine(self, options: dict, program: list[str]) -> list[str]:
        launcher = self.launcher if self.level == "landlock" else sys.executable
        flags = ["-P"] if self.level == "landlock" else ["-I", "-S"]  # without site-packages it starts in half the time
        return [launcher, *flags, str(CONFINE), self.level, json.dumps(options), "--", *program]

    def _mounts(self, read: list[str], write: list[str], gpu: list[str], private: str | None) -> list[str]:
        """bubblewrap's options. Mounts are made in the order given, so outer folders come before what lies in them."""
        options = ["--unshare-user"] if self.user_namespace else []
        options += ["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        options += ["--die-with-parent", "--cap-drop", "ALL", "--hostname", "localhost", "--proc", "/proc", "--dev", "/dev"]
        memory = [*(["--size", str(MEMORY_FOLDER_BYTES)] if self.sizes else []), "--tmpfs"]
        options += [*memory, "/dev/shm"]
        for folder in ("/tmp", "/var/tmp"):
            options += ["--bind", private, folder] if private else [*memory, folder]
        options += [word for path in gpu for word in ("--dev-bind-try", path, path)]
        mounts = {os.path.realpath(path): "--ro-bind-try" for path in read} | {os.path.realpath(path): "--bind" for path in write}
        shown = sorted(mounts, key=lambda path: (path.count("/"), path))
        shown = [path for path in shown if mounts[path] == "--bind" or not _inside(path, shown, path)]
        for path in shown:
            options += [mounts[path], path, path]
        for link, target in _links([*read, *write]):
            made = private and link.startswith("/tmp/") and os.path.lexists(private + link.removeprefix("/tmp"))  # by an earlier run
            if not made and not _inside(link, [*shown, "/dev", "/proc"]):
                options += ["--symlink", target, link]
        return [*options, "--remount-ro", "/dev", "--remount-ro", "/"]

    def trial(self) -> str:
        """Why this level does not work here; "" if a program really ran confined by it."""
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as secret:
            Path(secret, "secret").touch()
            work = Path(folder)
            argv = self.wrap([sys.executable, "-I", "-S", "-c", TRIAL, secret], cwd=work, write=[work])
            child = spawn(argv, work, clean_environment(work, work))
            code = child.wait(TRIAL_SECONDS)
            child.kill()
            lines = child.log.settle()
        if code == 0 and lines[-1:] == ["confined"]:
            return ""
        return "it hung" if code is None else lines[-1] if lines else f"it ended with exit code {code}"


def _given(path: Path | str) -> str:
    """An absolute path that exists and may be shown."""
    path = os.path.abspath(path)
    if not os.path.exists(path):
        raise RefereeError(f"{path} does not exist, so a sandbox cannot show it")
    if _inside(os.path.realpath(os.path.expanduser("~")), [os.path.realpath(path)]):
        raise RefereeError(f"{path} holds the whole home folder with its credentials; name the folders in it that a candidate needs")
    return path


def _inside(path: str, folders: Iterable[str], but: str = "") -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders if folder != but)


def _gpu(device: str) -> list[str]:
    return [] if device == "cpu" else [path for pattern in GPU for path in glob.glob(pattern)]


def _links(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Every symbolic link on the way to `paths`, as (where it is, where it points): what must exist for the names to work."""
    found: dict[str, str] = {}
    todo = [os.path.abspath(path) for path in paths]
    while todo:
        path = todo.pop()
        for end in range(1, path.count("/") + 1):
            step = "/".join(path.split("/")[: end + 1])
            if os.path.islink(step):
                if step not in found:
                    found[step] = os.readlink(step)
                    rest = path[len(step) :]
                    todo.append(os.path.normpath(os.path.join(os.path.dirname(step), found[step])) + rest)
                break
    return sorted(found.items())


def choose(wanted: str = "auto", launcher: str = sys.executable) -> Sandbox:
    """The strongest level that works here ("auto"), the same but never none ("require"), or the one named; each is really tried.

    `launcher`: an interpreter with landlockpy. RefereeError for what cannot be had."""
    if wanted not in ("auto", "require", *LEVELS):
        raise RefereeError(f"sandbox: {wanted} is unknown; use auto, require, {', '.join(LEVELS)}")
    if wanted == "none":
        return Sandbox("none", "sandbox: none was asked for")
    reasons = []
    for level in LEVELS[:2] if wanted in ("auto", "require") else (wanted,):
        reason = missing(level)
        for sandbox in () if reason else variants(level, launcher):
            reason = sandbox.trial()
            if not reason:
                return replace(sandbox, note="; ".join(reasons))
        reasons.append(f"no {level}: {reason}")
    if wanted == "auto":
        return Sandbox("none", "; ".join(reasons))
    raise RefereeError(f"sandbox: {wanted} cannot be had here ({'; '.join(reasons)})")


def missing(level: str) -> str:
    """What `level` lacks that can be seen without trying."""
    if sys.platform != "linux":
        return f"it needs Linux, this is {sys.platform}"
    if level == "bubblewrap" and not shutil.which("bwrap"):
        return "bwrap is not installed (apt install bubblewrap)"
    return ""


def variants(level: str, launcher: str) -> list[Sandbox]:
    """The ways to try `level`: bubblewrap with a user namespace, else without (set-user-id, or root where they are forbidden)."""
    if level == "landlock":
        return [Sandbox(level, launcher=launcher)]
    return [Sandbox(level, user_namespace=user, sizes=sizes) for sizes in (True, False) for user in (True, False)]


def shield() -> None:
    """Closes this process to others of the same user: its /proc files and memory, core dumps and ptrace. Not to root; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
