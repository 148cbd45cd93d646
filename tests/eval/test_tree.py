"""Process trees under attack: races, bombs, namespaces."""

import shutil
import subprocess
import sys
import time

import pytest

from eval.process import clean_environment, spawn
from eval.tree import PROC

pytestmark = pytest.mark.skipif(not PROC, reason="no /proc")
BOMB = """
import os, sys, time
def breed(depth):
    for _ in range(2):
        if depth and not os.fork():
            {leave}
            breed(depth - 1)
            break
    time.sleep(60)
breed(9)
"""
# forks a daemon whose parents end at once, again and again: each listing of /proc meets some half-way
DAEMONS = """
import os, time
for i in range(150):
    if not os.fork():
        if not os.fork():
            os.setsid()
            if not os.fork():
                open(f"{i}.pid", "w").write(str(os.getpid()))
                time.sleep(60)
        os._exit(0)
    os.wait()
open("done", "w")
time.sleep(60)
"""
BURN = """
import os, time
if os.fork():
    time.sleep(60)  # its end would end the namespace
if os.fork():
    os._exit(0)
os.setsid()
while time.process_time() < 0.5:
    pass
time.sleep(60)
"""


@pytest.fixture
def start(tmp_path):
    children = []

    def run(*argv):
        children.append(spawn(argv, cwd=tmp_path, env=clean_environment(tmp_path, tmp_path)))
        return children[-1]

    yield run
    for child in children:
        child.kill()


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)


def living(child):
    child.tree.refresh()
    return [stat.pid for stat in child.tree.members.values() if stat.state not in "ZX"]


@pytest.mark.parametrize("leave", ["pass", "os.setsid()"], ids=["one group", "a session for each"])
def test_fork_bomb_is_killed(leave, start, tmp_path):
    child = start(sys.executable, "-c", BOMB.format(leave=leave))
    until(lambda: len(living(child)) > 300)
    assert child.kill() == [] and living(child) == []


def test_daemons_that_are_born_during_a_listing_are_found(start, tmp_path):
    child = start(sys.executable, "-c", DAEMONS)
    until(lambda: (child.tree.refresh(), (tmp_path / "done").exists())[1])
    until(lambda: len(list(tmp_path.glob("*.pid"))) == 150)
    daemons = {int(path.read_text()) for path in tmp_path.glob("*.pid")}
    assert len(daemons) == 150 and daemons <= set(living(child))


def can_bubblewrap():
    argv = ["bwrap", "--ro-bind", "/", "/", "--unshare-pid", "--unshare-user", "true"]
    return shutil.which("bwrap") and subprocess.run(argv, capture_output=True, check=False).returncode == 0


@pytest.fixture
def inside(start):
    if not can_bubblewrap():
        pytest.skip("no bubblewrap, or it may not make namespaces here")
    flags = ["--ro-bind", "/", "/", "--proc", "/proc", "--unshare-user", "--unshare-pid", "--die-with-parent"]
    return lambda code: start("bwrap", *flags, sys.executable, "-c", code)


def test_a_daemon_in_a_pid_namespace_is_counted(inside):
    child = inside(BURN)
    until(lambda: child.tree.cpu_seconds() > 0.4)
    assert child.tree.cpu_seconds() > 0.4


def test_a_pid_namespace_is_killed(inside):
    child = inside(BOMB.format(leave="os.setsid()"))
    until(lambda: len(living(child)) > 300)
    assert child.kill() == [] and living(child) == []
