"""What a candidate may take: each limit is passed by a real process, made small by lowering the limit, not the machine."""

import os
import sys
import time

import pytest

from eval import limits, memory
from eval.errors import Failed
from eval.limits import Limits
from eval.process import clean_environment, spawn

pytestmark = pytest.mark.skipif(not memory.machine(), reason="no /proc/meminfo")
HOG = "kept = []\nwhile len(kept) < {count}:\n    kept.append(bytearray(b'x') * (16 << 20)); time.sleep(0.01)\ntime.sleep(60)"
SHARED = "fd = os.memfd_create('hog')\nfor _ in range({count}): os.write(fd, bytes(16 << 20)); time.sleep(0.01)\ntime.sleep(60)"
FORKED = "kept = bytearray(b'x') * (200 << 20)\nfor _ in range(7):\n    if not os.fork(): break\ntime.sleep(60)"
THREADS = "import threading\nfor _ in range(100): threading.Thread(target=time.sleep, args=(60,)).start()\ntime.sleep(60)"
DISK = "file = open('junk', 'wb')\nfor _ in range(8): file.write(os.urandom(8 << 20)); file.flush()\n{after}\ntime.sleep(60)"
MB = 1 << 20


@pytest.fixture
def start(tmp_path):
    children = []

    def run(code):
        argv = [sys.executable, "-c", f"import os, time\n{code}"]
        children.append(spawn(argv, cwd=tmp_path, env=clean_environment(tmp_path, tmp_path)))
        return children[-1]

    yield run
    for child in children:
        child.kill()


def look_for(watch, seconds):
    """Looks as the referee does for so long; what it raises, or None."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            watch.look()
        except Failed as failed:
            return failed
        time.sleep(0.02)
    return None


@pytest.mark.parametrize("hog", [HOG, SHARED], ids=["private", "shared"])
def test_memory_hog_is_oom(hog, start, tmp_path):
    watch = Limits(start(hog.format(count=40)).tree, tmp_path)
    watch.available = 500 * MB
    failed = look_for(watch, 20.0)
    assert failed.outcome == "oom" and "GB of the 0.5 GB that were free" in failed.reason


def test_below_the_limit_is_fine(start, tmp_path):
    watch = Limits(start(HOG.format(count=20)).tree, tmp_path)
    watch.available = 500 * MB
    assert look_for(watch, 1.0) is None


def test_pages_shared_after_a_fork_count_once(start, tmp_path):
    """Eight processes, 1.6 GB in the sum of their sizes, 0.2 GB in truth."""
    child = start(FORKED)
    watch = Limits(child.tree, tmp_path)
    watch.available = 800 * MB
    assert look_for(watch, 2.0) is None
    child.tree.refresh()
    assert memory.held(child.tree.members)[0] > 1200 * MB


def test_too_many_threads_are_a_fork_bomb(start, tmp_path):
    watch = Limits(start(THREADS).tree, tmp_path)
    watch.tasks = 50
    failed = look_for(watch, 20.0)
    assert (failed.outcome, failed.reason.split(":")[0]) == ("violation", "fork bomb")


@pytest.mark.parametrize("after", ["", "os.unlink('junk')"], ids=["a file", "a deleted file"])
def test_a_filled_disk_is_a_violation(after, start, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "DISK_BYTES", 32 * MB)
    failed = look_for(Limits(start(DISK.format(after=after)).tree, tmp_path), 20.0)
    assert failed.outcome == "violation" and "filled the disk" in failed.reason


def test_a_disk_that_others_fill_is_not(start, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "DISK_BYTES", 32 * MB)
    own, foreign = tmp_path / "own", tmp_path / "foreign"
    own.mkdir()
    watch = Limits(start("time.sleep(60)").tree, own)
    foreign.write_bytes(os.urandom(64 * MB))
    os.sync()
    assert look_for(watch, 1.0) is None


def test_a_full_disk_of_others_is_invalid(start, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "DISK_BYTES", 32 * MB)
    own, foreign = tmp_path / "own", tmp_path / "foreign"
    own.mkdir()
    watch = Limits(start("time.sleep(60)").tree, own)
    monkeypatch.setattr(limits, "DISK_FLOOR", 1 << 60)
    foreign.write_bytes(os.urandom(600 * MB // 8))
    os.sync()
    watch.free += 1 << 58  # as if that much had been free at the start
    failed = look_for(watch, 5.0)
    assert failed.outcome == "invalid" and "other processes filled the disk" in failed.reason


def test_a_group_limit_counts_as_what_is_available(tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 200\n")
    assert memory.room_in(tmp_path) == 500


def test_a_group_without_limit_has_none(tmp_path):
    (tmp_path / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (tmp_path / "memory.usage_in_bytes").write_text("700\n")
    assert memory.room_in(tmp_path) is None
