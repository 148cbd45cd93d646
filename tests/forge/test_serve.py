"""The local GitHub as a program."""

import json
import subprocess
import sys

from ..conftest import git
from ..targets import environment
from .test_git import call


def test_it_serves_a_folder_until_it_is_stopped(repo_root, tmp_path):
    command = [sys.executable, "-m", "tests.forge.serve", "--repo", "alice/demo", "--from", str(repo_root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(), cwd=tmp_path) as process:
        try:
            given = json.loads(process.stdout.readline())
            done = call(tmp_path, "clone", "-q", given["git_url"], "copy", token=given["token"], url=given["git_url"])
            assert done.returncode == 0, done.stderr
        finally:
            process.terminate()
    assert process.returncode == 0
    assert git(tmp_path / "copy", "rev-parse", "main") == git(repo_root, "rev-parse", "main")
