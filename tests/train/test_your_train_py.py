"""docs/your-train-py.md is executed: its script plus its diff is a candidate that the referee measures."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.eval import rig

DOC = Path(__file__).resolve().parents[2] / "docs" / "your-train-py.md"


@pytest.fixture(scope="module")
def patched(tmp_path_factory):
    """The text of the script after the diff."""
    folder, text = tmp_path_factory.mktemp("doc"), DOC.read_text()
    before, diff = re.search(r"## Before.*?```python\n(.*?)```", text, re.S)[1], re.search(r"```diff\n(.*?)```", text, re.S)[1]
    (folder / "train.py").write_text(before)
    done = subprocess.run(["git", "apply", "-"], cwd=folder, input=diff, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (folder / "train.py").read_text()


def test_the_diff_takes_clock_seed_and_score_away(patched):
    assert [word for word in ("time.time", "manual_seed", "val_bpb", "evaluate", "cuda") if word in patched] == []


def test_the_patched_script_is_measured(patched, tmp_path):
    corpus = rig.make_corpus(tmp_path / "corpus")
    run = rig.Measured(tmp_path / "run", patched, corpus, budget="1s cpu")
    assert run["outcome"] == "ok", run["reason"] + run.log
    assert run["curve"][-1][1] < run["curve"][0][1]
