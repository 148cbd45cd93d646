"""A forked run is what a run of the same command line in a new interpreter is."""

import os
import signal
import subprocess
import sys

from tests import warm
from tests.targets import environment


def test_output_exit_code_and_folder_are_those_of_a_new_interpreter(tmp_path):
    for words in (["--version"], ["nonsense"], ["status"]):
        fresh = subprocess.run([sys.executable, "-m", "bot", *words], cwd=tmp_path, env=environment(), capture_output=True, text=True)
        forked = warm.run("bot", words, tmp_path, environment())
        assert (forked.returncode, forked.stdout, forked.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_a_secret_or_what_is_read_at_the_start_takes_a_new_interpreter():
    assert warm.forkable(environment(AUTORESEARCH_SANDBOX="none", CI="true", TORCHINDUCTOR_CACHE_DIR="/tmp/x"))
    assert not any(warm.forkable(environment(**{name: "x"})) for name in ("GITHUB_TOKEN", "OPENAI_API_KEY", "PYTHONHASHSEED", "HOME"))


def test_a_killed_run_says_so(tmp_path):
    with open(os.devnull, "wb") as nowhere:
        child = warm.start("bot", ["doctor"], tmp_path, environment(), nowhere, nowhere)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
