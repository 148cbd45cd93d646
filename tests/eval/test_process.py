"""Process trees: nobody escapes from being counted or killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.process import LOG_BYTES, LOG_LINE_CHARS, LOG_LINES, LogTail, clean_environment, spawn
from eval.tree import PROC, ROOTS

pytestmark = pytest.mark.skipif(not PROC, reason="needs /proc")
ESCAPE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        while time.process_time() < float(sys.argv[1]): pass
        time.sleep(600)
    os._exit(0)
os.wait()
"""


def start(tmp_path: Path, code: str, *args: str):
    return spawn([sys.executable, "-c", code, *args], tmp_path, clean_environment(tmp_path, tmp_path))


def until(true, seconds: float = 20.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def daemon_pid(child) -> int:
    until(child.log.lines)
    return int(child.log.lines()[0])


def test_daemon_is_killed_although_its_parents_are_gone(tmp_path):
    child = start(tmp_path, ESCAPE, "0")
    pid = daemon_pid(child)
    until(lambda: child.poll() is not None)
    assert running(pid)
    assert child.kill() == [] and not running(pid)


def test_daemon_is_killed_although_it_was_never_listed_before(tmp_path):
    child = start(tmp_path, ESCAPE, "0")
    pid = daemon_pid(child)
    until(lambda: Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z")
    assert child.kill() == [] and not running(pid)


def test_orphan_that_stayed_in_the_session_is_killed(tmp_path):
    child = start(tmp_path, ESCAPE.replace("    os.setsid()\n", ""), "0")
    pid = daemon_pid(child)
    until(lambda: Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z")
    assert child.kill() == [] and not running(pid)


def test_a_tree_that_has_ended_leaves_its_pid_to_others(tmp_path):
    """A pid comes round again: an orphan that has a root's of long ago must be seen all the same."""
    child = start(tmp_path, ESCAPE, "0")
    daemon_pid(child)
    assert child.pid in ROOTS
    child.kill()
    assert child.pid not in ROOTS


@pytest.mark.parametrize("session", ["    os.setsid()\n", ""])
def test_daemon_is_counted(tmp_path, session):
    child = start(tmp_path, ESCAPE.replace("    os.setsid()\n", session), "0.5")
    until(lambda: child.tree.cpu_seconds() > 0.4)
    child.kill()
    assert child.tree.cpu_seconds() > 0.4  # and stays counted


@pytest.mark.parametrize("reap", ["os.wait()", "__import__('signal').signal(17, __import__('signal').SIG_IGN)"])
def test_short_lived_children_are_counted(tmp_path, reap):
    """Waited for: exact. Discarded by the kernel: as of our last look, which is why the tree is polled."""
    burn = "[None for _ in range(8) if os.fork() == 0 and (burn(0.06), os._exit(0)) or time.sleep(0.12)]"
    code = f"import os, time\ndef burn(s):\n e = time.process_time() + s\n while time.process_time() < e: pass\n{{}}{burn}\n{{}}"
    wait = "[os.wait() for _ in range(8)]"
    child = start(tmp_path, code.format("", wait) if "wait" in reap else code.format(reap + "\n", ""))
    until(lambda: (child.tree.cpu_seconds(), child.poll() is not None)[1])
    assert child.tree.cpu_seconds() > 0.3


def test_cpu_seconds_never_fall(tmp_path):
    child = start(tmp_path, ESCAPE, "0.2")
    readings = []
    until(lambda: (readings.append(child.tree.cpu_seconds()), child.poll() is not None)[1])
    child.kill()
    readings.append(child.tree.cpu_seconds())
    assert readings == sorted(readings)


def test_own_helpers_are_not_orphans(tmp_path):
    child = start(tmp_path, "import time; time.sleep(60)")
    helper = subprocess.Popen(["sleep", "60"])
    other = start(tmp_path, "import time; time.sleep(60)")
    child.kill()
    assert helper.poll() is None and other.poll() is None
    helper.kill()
    helper.wait()
    other.kill()


def test_return_code(tmp_path):
    child = start(tmp_path, "raise SystemExit(7)")
    assert child.wait(20) == 7


def test_signal_is_a_negative_return_code(tmp_path):
    child = start(tmp_path, "import os; os.kill(os.getpid(), 11)")
    assert child.wait(20) == -11


def test_signal_relayed_as_an_exit_code(tmp_path):
    """bubblewrap ends with 128 + N, as shells do; `relayed` says so. Codes beyond the signals stay what they are."""
    codes = {}
    for code in (139, 7, 255):
        child = start(tmp_path, f"raise SystemExit({code})")
        child.relayed = True
        codes[code] = child.wait(20)
    assert codes == {139: -11, 7: 7, 255: 255}


def test_child_dies_with_its_parent(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from eval.process import *;"
        "here = Path('.'); child = spawn(['sleep', '600'], here, clean_environment(here, here));"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=env)
    pid = int(parent.stdout.readline())
    assert running(pid)
    parent.kill()
    parent.wait()
    until(lambda: not running(pid))


def test_environment_is_an_allow_list(tmp_path, monkeypatch):
    for name in ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY", "VIRTUAL_ENV", "PYTHONPATH", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("RUNNER_TRACKING_ID", "keep")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    env = clean_environment(tmp_path / "home", tmp_path / "tmp", {"EXTRA": "1"})
    assert "secret" not in env.values()
    assert env["RUNNER_TRACKING_ID"] == "keep" and env["CUDA_VISIBLE_DEVICES"] == "1" and env["EXTRA"] == "1"


def test_environment_has_private_homes(tmp_path):
    env = clean_environment(tmp_path / "home", tmp_path / "tmp")
    homes = [value for name, value in env.items() if name in ("HOME", "TMPDIR") or name.startswith("XDG_")]
    assert len(homes) == 6 and all(value.startswith(str(tmp_path)) for value in homes)


def test_child_inherits_no_descriptor(tmp_path):
    with open(os.devnull) as secret:
        os.set_inheritable(secret.fileno(), True)
        child = start(tmp_path, "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))")
        child.wait(20)
    assert child.log.settle() == ["[0, 1, 2, 3]"]  # 3 is the listing itself


def test_log_flood_is_bounded():
    read_end, write_end = os.pipe()
    log = LogTail(read_end)
    for _ in range(300):
        os.write(write_end, b"x" * 40_000 + b"\n" + b"\xff\x1b[31m\n" * 500)
    os.close(write_end)
    lines = log.settle(20)
    assert len(log.tail) <= LOG_BYTES and len(lines) == LOG_LINES and max(map(len, lines)) <= LOG_LINE_CHARS
    assert not any("\x1b" in line for line in lines)


def test_log_line_without_end_is_bounded():
    read_end, write_end = os.pipe()
    log = LogTail(read_end)
    os.write(write_end, b"")
    for _ in range(100):
        os.write(write_end, b"y" * 60_000)
    os.close(write_end)
    assert [len(line) for line in log.settle(20)] == [LOG_LINE_CHARS]
