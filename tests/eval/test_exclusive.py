"""The device lock: one holder, whoever made the file and however the last holder ended."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from eval.errors import RefereeError
from eval.exclusive import exclusive, lock_paths
from tests.eval.rig import environment

HOLD = """
import subprocess, sys, time
from pathlib import Path
from eval.exclusive import exclusive
with exclusive("cpu", Path(sys.argv[1]), lambda: print("waiting", flush=True)):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False, stdout=subprocess.DEVNULL)
    print("held", child.pid, flush=True)
    time.sleep(60)
"""


class Waited(Exception):
    pass


def give_up():
    raise Waited


@pytest.fixture
def holder(tmp_path):
    """(process that holds the lock, pid of a child that it started meanwhile)."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], env=environment(), stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline().split()[1])
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    os.kill(child, signal.SIGKILL)


def test_a_second_one_waits(holder, tmp_path):
    with pytest.raises(Waited), exclusive("cpu", tmp_path, give_up):
        pass


def test_another_device_does_not(holder, tmp_path):
    with exclusive("mps", tmp_path, give_up):
        pass


CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")
def test_whoever_is_on_cores_of_its_own_does_not_and_whoever_may_use_all_waits_for_each(tmp_path):
    for core in (CORES[0], CORES[-1]):
        words = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})" + HOLD, str(tmp_path)]
        with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True) as process:
            child = int(process.stdout.readline().split()[1])
            try:
                for mine in (CORES[0], CORES[-1]):
                    os.sched_setaffinity(0, {mine})
                    if mine == core:
                        with pytest.raises(Waited), exclusive("cpu", tmp_path, give_up):
                            pass
                    else:
                        with exclusive("cpu", tmp_path, give_up):
                            pass
                os.sched_setaffinity(0, CORES)
                with pytest.raises(Waited), exclusive("cpu", tmp_path, give_up):
                    pass
            finally:
                os.sched_setaffinity(0, CORES)
                os.kill(child, signal.SIGKILL)
                process.kill()


def test_kill_9_releases_it_although_a_child_lives_on(holder, tmp_path):
    holder.kill()
    holder.wait()
    with exclusive("cpu", tmp_path, give_up):
        pass


def test_the_waiter_gets_it_when_the_holder_is_gone(holder, tmp_path):
    calls = []
    with exclusive("cpu", tmp_path, lambda: (calls.append(time.monotonic()), holder.kill())):
        assert calls


def test_released_after_an_exception(tmp_path):
    with pytest.raises(Waited), exclusive("cpu", tmp_path, give_up):
        raise Waited
    with exclusive("cpu", tmp_path, give_up):
        pass


def test_everybody_may_open_the_file(tmp_path):
    before = os.umask(0o077)
    try:
        with exclusive("cpu", tmp_path, give_up):
            assert stat.S_IMODE(lock_paths("cpu", tmp_path)[0].stat().st_mode) == 0o666
    finally:
        os.umask(before)


def test_the_file_stays(tmp_path):
    with exclusive("cpu", tmp_path, give_up):
        inode = lock_paths("cpu", tmp_path)[0].stat().st_ino
    assert lock_paths("cpu", tmp_path)[0].stat().st_ino == inode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a second user")
def test_a_file_of_another_user_in_a_sticky_folder(tmp_path):
    """As under fs.protected_regular, where O_CREAT on it is refused: the file may be opened, and nothing may be created here."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    for path in lock_paths("cpu", folder):
        path.touch()
        os.chmod(path, 0o644)
    os.chmod(folder, 0o555)
    for parent in (tmp_path, *(p for p in tmp_path.parents if "pytest" in str(p))):
        os.chmod(parent, 0o755)
    code = "import os, sys; from pathlib import Path; from eval.exclusive import exclusive\n"
    code += "os.setuid(65534)\nwith exclusive('cpu', Path(sys.argv[1]), print): print('held')"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout == "held\n", done.stderr


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("elsewhere"), os.mkfifo, os.mkdir], ids=["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_refused(make, tmp_path):
    make(lock_paths("cpu", tmp_path)[0])
    with pytest.raises(RefereeError, match="lock file .*; remove it, or name another folder"), exclusive("cpu", tmp_path, give_up):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("visible", "name"), [("", "cuda-0"), ("3,1", "cuda-3"), ("GPU-ab/../c", "cuda-GPU-ab____c")])
def test_a_gpu_is_named_by_what_cuda_sees(visible, name, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [path.name for path in lock_paths("cuda", tmp_path)] == [f"autoresearch-{name}.lock"]
