"""What may be compared: every part of the context counts."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.context import Context, digest, isolation
from bot.errors import UsageError
from bot.settings import Settings
from eval.sandbox import Sandbox

PARTS = {"metric_version": "v", "corpus": "c", "budget": "5s cpu", "machine": {"fingerprint": "m"}}


def recorded(**changed) -> dict:
    key = digest("v", "c", "5s cpu", "m", "train.py")
    context = Context(key, "", "", Path(), "m", Sandbox("none"), files=changed.pop("files", "train.py"))
    return context.record({"outcome": "ok", "val_bpb": 1.5, **PARTS, "leak": {"dose": "heavy"}, **changed}, "heavy")


def test_a_result_of_this_context_is_taken():
    assert recorded()["value"] == 1.5


OTHERS = [{"metric_version": "w"}, {"corpus": "d"}, {"budget": "6s cpu"}, {"machine": {}}, {"files": "b.py"}]


@pytest.mark.parametrize("changed", OTHERS, ids=str)
def test_a_result_of_another_context_is_invalid_and_has_no_value(changed):
    found = recorded(**changed)
    assert (found["outcome"], found["value"]) == ("invalid", None)


@pytest.mark.parametrize("leak", [None, {}, {"dose": "light"}], ids=str)
def test_a_result_that_was_probed_less_than_asked_is_invalid_and_has_no_value(leak):
    found = recorded(leak=leak)
    assert (found["outcome"], found["value"]) == ("invalid", None) and "heavy probes" in found["reason"]


def test_the_isolation_level_is_recorded_and_makes_no_other_context():
    found = recorded(isolation="landlock", isolation_note="no bubblewrap")
    assert (found["value"], found["isolation"], found["isolation_note"]) == (1.5, "landlock", "no bubblewrap")


def test_a_sandbox_that_is_required_and_impossible_is_one_sentence(tmp_path, monkeypatch):
    """An interpreter without landlockpy, and a PATH without bwrap."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    (tmp_path / "bench.py").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    values = {"editable": "bench.py", "command": "python bench.py", "metric": "x", "sandbox": "require"}
    with pytest.raises(UsageError, match=r"^sandbox: .*`autoresearch doctor` says what is missing$"):
        isolation(Settings.build(tmp_path, values), f"{tmp_path}/bare/bin/python")
