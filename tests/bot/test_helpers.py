"""The bot's own helpers beside a measurement: nobody takes them for a candidate's orphans, and none outlives its block."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bot.gitrepo import GitRepo
from bot.helpers import started
from eval.process import clean_environment, spawn
from eval.tree import PROC, ROOTS

pytestmark = pytest.mark.skipif(not PROC, reason="no /proc")


def measured(folder: Path) -> None:
    """A measurement from its beginning to its end."""
    child = spawn([sys.executable, "-c", "pass"], folder, clean_environment(folder, folder))
    child.wait(10)
    child.kill()


def test_a_helper_survives_the_end_of_a_measurement(tmp_path):
    with started(["sleep", "60"]) as helper:
        measured(tmp_path)
        assert helper.poll() is None


def test_what_a_helper_started_survives_it_too(tmp_path):
    with started(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE) as helper:
        pid = int(helper.stdout.readline())
        measured(tmp_path)
        os.kill(pid, 0)


def test_git_survives_it(tmp_path, repo_root, monkeypatch):
    """A git that takes its time, and a measurement that ends meanwhile."""
    slow = tmp_path / "bin/git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nsleep 2\necho done\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    told = []
    thread = threading.Thread(target=lambda: told.append(GitRepo(repo_root)._git("version")))
    thread.start()
    while thread.is_alive():
        measured(tmp_path)
    assert told == ["done\n"]


def test_a_helper_ends_with_its_block():
    with started(["sh", "-c", "sleep 60 & wait"]) as helper:
        pass
    assert helper.returncode == -9 and helper.pid not in ROOTS
