"""Isolation, tried from inside: every attempt is made by a real process, and once without a sandbox, where it must succeed."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from eval.process import clean_environment, spawn
from eval.sandbox import choose
from eval.seccomp import NUMBERS

from .test_process import ESCAPE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="isolation needs Linux")
ROOT = Path(__file__).resolve().parents[2]
REAL = ("bubblewrap", "landlock")
SECRET = "correct horse battery staple"

# Each prints "reached" unless it raises; `target` says where things are, `call` is the raw system call of x86_64 or aarch64.
PRELUDE = """
import ctypes, json, os, resource, socket, sys
target = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def must(result):
    if result == -1: raise OSError(ctypes.get_errno(), "refused")
    return result
def call(name, *args): return must(libc.syscall(target["numbers"][name], *[a if isinstance(a, bytes) else ctypes.c_long(a) for a in args]))
def ask(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(1)
        s.connect(address)
        s.send(b"ping")
        assert s.recv(4) == b"ping"
def attempt():
"""
ATTEMPTS = {
    "reads a file": "open(target['secret']).read()",
    "lists a folder": "os.listdir(target['outside'])",
    "reads a git configuration": "open(target['outside'] + '/.git/config').read()",
    "reads the repository of an editable install": "open(target['repository'] + '/pyproject.toml').read()",
    "reads through a link": "os.symlink(target['secret'], 'link'); open('link').read()",
    "reads through a hard link": "os.link(target['secret'], 'hard'); open('hard').read()",
    "reads through another process": "import subprocess as s; assert not s.call(['cat', target['secret']], stdout=s.DEVNULL)",
    "writes outside": "open(target['outside'] + '/new', 'w')",
    "writes over a file": "open(target['secret'], 'r+').write('x')",
    "removes a file": "os.unlink(target['outside'] + '/victim')",
    "moves a file in": "os.rename(target['outside'] + '/movable', 'mine')",
    "truncates": "os.truncate(target['outside'] + '/long', 0)",
    "tags a file": "os.setxattr(target['secret'], 'user.x', b'1')",
    "connects by TCP": "ask(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', target['tcp']))",
    "sends by UDP": "ask(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', target['udp']))",
    "connects to a socket file": "ask(socket.AF_UNIX, socket.SOCK_STREAM, target['unix'])",
    "connects to an abstract socket": "ask(socket.AF_UNIX, socket.SOCK_STREAM, '\\0' + target['abstract'])",
    "sends from one of a pair": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '\\0' + target['datagram'])",
    "reads an environment": f"assert b'{SECRET}' in open(f\"/proc/{{target['victim']}}/environ\", 'rb').read()",
    "reads memory": "f = open(f\"/proc/{target['victim']}/mem\", 'rb'); f.seek(target['address']); assert f.read(1)",
    "traces a process": "must(libc.ptrace(0x4206, target['victim'], 0, 0))",
    "signals": "os.kill(target['victim'], 0)",
    "signals by descriptor": "__import__('signal').pidfd_send_signal(os.pidfd_open(target['victim']), 0)",
    "changes a priority": "os.setpriority(os.PRIO_PROCESS, target['victim'], 5)",
    "moves a process to one core": "one = {min(os.sched_getaffinity(0))}; os.sched_setaffinity(target['victim'], one); "
    "assert os.sched_getaffinity(target['victim']) == one",
    "limits a process": "resource.prlimit(target['victim'], resource.RLIMIT_NICE, (0, 0))",
    "makes shared memory": "call('shmctl', call('shmget', 0, 4096, 0o600), 0, 0)",
    "keeps a key": "call('add_key', b'user', b'autoresearch-test', b'x', 1, -2)",
    "opens a memory of its own": "os.close(call('userfaultfd', 1))",
}
FOR_ROOT = {"reads memory", "traces a process"}  # what many systems forbid between a user's own processes anyway


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """Everything there is to attack, and really there."""
    outside = tmp_path_factory.mktemp("outside")
    for name in ("secret", "victim", "movable", "long", ".git/config"):
        (outside / name).parent.mkdir(exist_ok=True)
        (outside / name).write_text(SECRET)
    families = {
        "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "unix": (socket.AF_UNIX, socket.SOCK_STREAM, str(outside / "socket")),
        "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0autoresearch-{os.getpid()}"),
        "datagram": (socket.AF_UNIX, socket.SOCK_DGRAM, f"\0autoresearch-datagram-{os.getpid()}"),
    }
    code = "import ctypes, time; b = ctypes.create_string_buffer(b'x'); print(ctypes.addressof(b), flush=True); time.sleep(600)"
    with contextlib.ExitStack() as stack:
        found = {"outside": str(outside), "secret": str(outside / "secret"), "repository": str(ROOT)}
        for name, (family, kind, address) in families.items():
            listener = stack.enter_context(socket.socket(family, kind))
            listener.bind(address)
            threading.Thread(target=echo, args=(listener, kind), daemon=True).start()
            where = listener.getsockname()
            found[name] = where[1] if family == socket.AF_INET else where.decode()[1:] if isinstance(where, bytes) else where
        victim = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={"TOKEN": SECRET})
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        numbers = {name: pair[os.uname().machine == "aarch64"] for name, pair in NUMBERS.items()}
        yield found | {"victim": victim.pid, "address": int(victim.stdout.readline()), "numbers": numbers}


def echo(listener: socket.socket, kind: int) -> None:
    with contextlib.suppress(OSError):  # the end of the test closes it
        if kind == socket.SOCK_STREAM:
            listener.listen()
        while True:
            if kind == socket.SOCK_STREAM:
                with listener.accept()[0] as connection:
                    connection.sendall(connection.recv(4))
            else:
                data, sender = listener.recvfrom(4)
                if sender:
                    listener.sendto(data, sender)


def start(level: str, folder: Path, argv, fds=(), **options):
    for name in ("home", "tmp", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    wrapped = choose(level).wrap(argv, cwd=folder / "work", write=[folder], private=folder / "tmp", **options)
    return spawn(wrapped, folder / "work", clean_environment(folder / "home", folder / "tmp"), pass_fds=fds)


def says(level: str, folder: Path, code: str, *args: str, **options) -> str:
    """The last line that `code` prints, run at `level` with `folder` as all it may write."""
    child = start(level, folder, [sys.executable, "-I", "-c", code, *args], **options)
    child.wait(120)
    child.kill()
    return (child.log.settle() or [f"exit code {child.returncode}"])[-1]


def tries(level: str, folder: Path, name: str, target: dict) -> str:
    code = f"{PRELUDE}    {ATTEMPTS[name]}\ntry: attempt(); print('reached')\nexcept OSError as error: print('refused', error)\n"
    code += "except AssertionError: print('refused')"
    return says(level, folder, code, json.dumps(target))


@pytest.mark.parametrize("name", ATTEMPTS)
@pytest.mark.parametrize("level", REAL)
def test_attempt_is_refused(level, name, target, tmp_path):
    assert tries(level, tmp_path, name, target).startswith("refused")


@pytest.mark.parametrize("name", [name for name in ATTEMPTS if os.geteuid() == 0 or name not in FOR_ROOT])
def test_attempt_is_a_real_one(name, target, tmp_path):
    """Without a sandbox it succeeds: else the test above would show nothing."""
    for victim in ("victim", "movable", "long", "secret"):
        Path(target["outside"], victim).write_text(SECRET)
    Path(target["outside"], "new").unlink(missing_ok=True)
    assert tries("none", tmp_path, name, target) == "reached"


@pytest.mark.parametrize("level", REAL)
def test_metadata_of_files_outside_carries_nothing(level, target, tmp_path):
    before = os.stat(target["secret"])
    code = "import os, sys\nfor f in (os.utime, lambda p: os.chmod(p, 0)):\n try: f(sys.argv[1])\n except OSError: pass"
    says(level, tmp_path, code, target["secret"])
    after = os.stat(target["secret"])
    assert (after.st_mtime, after.st_mode) == (before.st_mtime, before.st_mode)


@pytest.mark.parametrize("folder", ["/dev/shm", "/tmp", "/var/tmp"])
@pytest.mark.parametrize("level", REAL)
def test_nothing_is_left_behind(level, folder, tmp_path):
    left = f"{folder}/autoresearch-{os.getpid()}"
    says(level, tmp_path, "import sys; open(sys.argv[1], 'w')", left)
    assert not os.path.exists(left)


@pytest.mark.parametrize("level", REAL)
def test_no_capability_is_left_even_after_exec(level, tmp_path):
    code = "import os; os.execvp('grep', ['grep', '-E', '^(Cap|NoNew|Seccomp:)', '/proc/self/status'])"
    child = start(level, tmp_path, [sys.executable, "-c", code])
    child.wait(60)
    found = dict(line.split(":\t") for line in child.log.settle())
    expected = {f"Cap{kind}": "0" * 16 for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} | {"NoNewPrivs": "1", "Seccomp": "2"}
    assert found == expected


@pytest.mark.parametrize("level", [*REAL, "none"])
def test_inherited_descriptors_work_and_no_others_exist(level, tmp_path):
    ours, theirs = socket.socketpair()
    memory = os.memfd_create("block")
    code = "import os, socket, sys; s = socket.socket(fileno=int(sys.argv[1])); os.pwrite(int(sys.argv[2]), s.recv(9), 0)"
    code += "; print(sorted(int(fd) for fd in os.listdir('/proc/self/fd') if os.path.lexists('/proc/self/fd/' + fd)))"
    fds = (theirs.fileno(), memory)
    ours.send(b"as agreed")
    line = says(level, tmp_path, code, *map(str, fds), fds=fds)
    assert json.loads(line) == sorted([0, 1, 2, *fds]) and os.pread(memory, 9, 0) == b"as agreed"
    os.close(memory)


@pytest.mark.parametrize("level", [*REAL, "none"])
def test_limits(level, tmp_path):
    code = "from resource import *; print([getrlimit(n)[0] for n in (RLIMIT_CORE, RLIMIT_FSIZE)], open('/proc/self/oom_score_adj').read())"
    assert says(level, tmp_path, code) == f"[0, {16 << 30}] 1000"


@pytest.mark.parametrize("level", REAL)
def test_torch_computes(level, tmp_path):
    assert says(level, tmp_path, "import torch; print((torch.ones(8, 8) @ torch.ones(8, 8)).sum().item())") == "512.0"


@pytest.mark.parametrize("level", [*REAL, "none"])
def test_exit_code_and_signal_arrive(level, tmp_path):
    ended = [start(level, tmp_path, ["sh", "-c", command]).wait(60) for command in ("exit 7", "kill -SEGV $$")]
    assert ended == [7, -11]


def marked(marker: str) -> list[str]:
    """The processes whose command line ends so."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [path.parent.name] if path.read_bytes().endswith(marker.encode() + b"\0") else []
    return found


@pytest.mark.parametrize("level", REAL)
def test_daemon_is_counted_and_killed(level, tmp_path):
    marker = f"daemon-{level}-{os.getpid()}"
    child = start(level, tmp_path, [sys.executable, "-c", ESCAPE + "time.sleep(600)", "0.5", marker])
    until(lambda: child.tree.cpu_seconds() > 0.4)
    assert marked(marker) and child.kill() == [] and not marked(marker)
    assert child.tree.cpu_seconds() > 0.4


def test_daemon_ends_with_its_program_in_bubblewrap(tmp_path):
    marker = f"late-{os.getpid()}"
    child = start("bubblewrap", tmp_path, [sys.executable, "-c", ESCAPE, "0", marker])
    child.wait(60)
    until(lambda: not marked(marker))
    assert child.log.lines()  # it was there


def test_bubblewrap_ends_with_a_killed_referee(tmp_path):
    marker = f"orphan-{os.getpid()}"
    code = (
        "import sys, time; from pathlib import Path; from eval.sandbox import choose; from eval.process import *; here = Path.cwd()\n"
        "spawn(choose('bubblewrap').wrap(sys.argv[1:], cwd=here, write=[here]), here, clean_environment(here, here)); time.sleep(600)"
    )
    argv = [sys.executable, "-c", code, sys.executable, "-c", ESCAPE + "time.sleep(600)", "0", marker]
    parent = subprocess.Popen(argv, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    until(lambda: len(marked(marker)) > 3)
    parent.kill()
    parent.wait()
    until(lambda: not marked(marker))
