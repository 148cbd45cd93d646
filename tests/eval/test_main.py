"""`python -m eval`: bad arguments end with exit code 2 and one sentence; machine prints the fingerprint."""

import json
import subprocess
import sys
import venv

import pytest

from tests import warm
from tests.eval.rig import arguments, environment, make_candidate, make_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("tiny") / "corpus")


def refused(tmp_path, corpus, python: str = sys.executable, **options) -> str:
    scratch = options.pop("scratch", tmp_path / "scratch")
    argv = arguments(make_candidate(tmp_path / "c"), corpus, scratch, tmp_path / "out.json", **options)
    if python == sys.executable:
        done = warm.run("eval", argv[4:], tmp_path, environment())
    else:
        done = subprocess.run([python, *argv[1:]], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr and not (tmp_path / "out.json").exists(), done.stderr
    assert not (tmp_path / "scratch").exists() or list((tmp_path / "scratch").iterdir()) == []
    return done.stderr


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"budget": "soon"}, "is not a duration"),
        ({"budget": "-5s"}, "is not a duration"),
        ({"entry": "nowhere.py"}, "no entry file nowhere.py"),
        ({"readable": "/nowhere"}, "--readable /nowhere does not exist"),
        ({"readable": "/"}, "holds the corpus"),
        ({"save_bits": "/nowhere/x.npz", "split": "sealed"}, "--save-bits would keep bits of the sealed split"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 1 << 64}, "below 2^63"),
        ({"eval_tokens": 10**6}, "set eval_tokens between 32 and"),
        ({"sequence_length": 15_000, "eval_tokens": 15_000}, "the split holds"),
        ({"device": "cuda"}, "sees no cuda device"),
        ({"scratch": "/dev/null/x"}, "cannot use the scratch folder"),
    ],
)
def test_bad_argument(options, sentence, tmp_path, corpus):
    if options.get("device") == "cuda" and __import__("torch").cuda.is_available():
        pytest.skip("this machine has one")
    assert sentence in refused(tmp_path, corpus, **options)


def test_missing_corpus(tmp_path):
    assert "corpus" in refused(tmp_path, tmp_path / "nowhere")


def test_interpreter_without_torch_names_the_field(tmp_path, corpus):
    venv.create(tmp_path / "bare", with_pip=False)
    assert "`python:` must name an interpreter with torch and numpy" in refused(tmp_path, corpus, python=str(tmp_path / "bare/bin/python"))


def test_machine_prints_a_stable_fingerprint():
    argv = [sys.executable, "-P", "-m", "eval", "machine", "--device", "cpu"]
    one = json.loads(subprocess.run(argv, env=environment(), capture_output=True, text=True, check=True).stdout)
    assert len(one["fingerprint"]) == 16 and one["device"] == "cpu" and one["cores"] >= 1


def test_start_imports_neither_torch_nor_numpy():
    code = "import sys, eval.__main__; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_reader_that_goes_away_changes_nothing(tmp_path, corpus):
    argv = arguments(make_candidate(tmp_path / "c"), corpus, tmp_path / "scratch", tmp_path / "out.json")
    env = {name: value for name, value in environment().items() if name != "PYTHONUNBUFFERED"}
    referee = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    referee.stdout.readline()
    referee.stdout.close()
    assert referee.wait(60) == 0 and (tmp_path / "out.json").exists()
