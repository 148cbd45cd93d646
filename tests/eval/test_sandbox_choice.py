"""Which isolation is chosen, why not a stronger one, and what a sandbox shows of the file system. Real processes throughout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eval import sandbox as module
from eval.errors import RefereeError
from eval.sandbox import choose

from .test_sandbox import REAL, ROOT, SECRET, says, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="isolation needs Linux")


@pytest.fixture
def bare(tmp_path, monkeypatch) -> str:
    """No bwrap in PATH, and an interpreter without landlockpy."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    return str(tmp_path / "bare" / "bin" / "python")


def test_require_refuses_where_nothing_works(bare):
    with pytest.raises(RefereeError, match="bwrap is not installed.*No module named 'landlockpy'"):
        choose("require", bare)


def test_auto_degrades_to_none_and_says_why(bare):
    found = choose("auto", bare)
    assert found.level == "none" and "bwrap is not installed" in found.note and "landlockpy" in found.note


def test_auto_degrades_to_landlock_and_says_why(tmp_path, monkeypatch):
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho bwrap: setting up uid map: Permission denied >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = choose("auto")
    assert found.level == "landlock" and "setting up uid map: Permission denied" in found.note


def test_level_that_does_nothing_is_not_believed(tmp_path, monkeypatch):
    """A bwrap that only runs its program."""
    (tmp_path / "bwrap").write_text('#!/bin/sh\nwhile [ $1 != -- ]; do shift; done; shift; exec "$@"\n')
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RefereeError, match="confined in name only"):
        choose("bubblewrap")


@pytest.mark.parametrize("wanted", ["auto", "require", "bubblewrap"])
def test_strongest_level_here(wanted):
    assert (choose(wanted).level, choose(wanted).note) == ("bubblewrap", "")


def test_none_is_always_there(bare):
    assert choose("none", bare).level == "none"


def test_unknown_level_is_refused():
    with pytest.raises(RefereeError, match="sandbox: docker is unknown"):
        choose("docker")


@pytest.mark.parametrize("path", ["/", os.path.expanduser("~"), os.path.dirname(os.path.expanduser("~"))])
def test_home_is_never_shown_whole(path, tmp_path):
    with pytest.raises(RefereeError, match="whole home folder"):
        choose("landlock").wrap(["true"], cwd=tmp_path, write=[tmp_path], read=[Path(path)])


def test_missing_path_is_named(tmp_path):
    with pytest.raises(RefereeError, match="nowhere does not exist"):
        choose("landlock").wrap(["true"], cwd=tmp_path, write=[tmp_path], read=[tmp_path / "nowhere"])


@pytest.mark.parametrize("level", REAL)
def test_readable_paths_are_readable_and_no_more(level, tmp_path):
    """By the name given, though it is a link."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text(SECRET)
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    code = "import sys; open(sys.argv[1] + '/secret').read()\ntry: open(sys.argv[1] + '/secret', 'a')\nexcept OSError: print('read only')"
    assert says(level, tmp_path / "box", code, str(tmp_path / "link"), read=[tmp_path / "link"]) == "read only"


def test_private_folder_is_tmp(tmp_path):
    says("bubblewrap", tmp_path, "open('/tmp/a', 'w'); open('/var/tmp/b', 'w')")
    assert {"a", "b"} <= set(os.listdir(tmp_path / "tmp"))


@pytest.mark.parametrize("level", [*REAL, "none"])
def test_program_outside_the_system_runs(level, tmp_path):
    program = tmp_path / "tools" / "bench"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho METRIC ms=1\n")
    program.chmod(0o755)
    child = start(level, tmp_path / "box", [program])
    child.wait(60)
    assert child.log.settle() == ["METRIC ms=1"]


def test_pip_configuration_of_the_interpreter_stays_hidden(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (tmp_path / "venv" / "pip.conf").write_text(SECRET)
    code = "import os, sys\ntry: print(open(sys.prefix + '/pip.conf').read())\nexcept OSError: print('refused', sys.prefix)"
    for level in REAL:
        child = start(level, tmp_path / level, [tmp_path / "venv" / "bin" / "python", "-c", code])
        child.wait(60)
        assert child.log.settle() == [f"refused {tmp_path / 'venv'}"]


def test_gpu_is_shown_only_when_used(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "GPU", ("/dev/nul*",))
    found = choose("bubblewrap")
    shown = [found.wrap(["true"], cwd=tmp_path, write=[tmp_path], device=device) for device in ("cuda", "cpu")]
    assert ["--dev-bind-try /dev/null /dev/null" in " ".join(argv) for argv in shown] == [True, False]


def test_shield_closes_a_process_to_its_own_user():
    """Two processes of one ordinary user: the second reads the environment of the first, until that shields itself."""
    code = (
        "import os; from eval.sandbox import shield\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "import ctypes; ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)\n"
        "def read():\n"
        "    me = os.getpid()\n"
        "    if os.fork() == 0:\n"
        "        try: print('read', len(open(f'/proc/{me}/environ').read()) > 0, flush=True)\n"
        "        except OSError as error: print(error.strerror, flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "read(); shield(); read(); print(len(open('/proc/self/maps').read()) > 0, len(os.listdir('/proc/self/fd')) > 0)"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["read True", "Permission denied", "True True"]


def test_folder_serves_twice(tmp_path):
    """What the first run left in /tmp (mount points, links to the interpreter) is not in the way of the second."""
    assert [says("bubblewrap", tmp_path, "print('here')") for _ in range(2)] == ["here", "here"]
