"""The sandbox around a command target: what it cannot reach, what it is given, what is recorded, and one measurement at a time."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from eval.exclusive import exclusive
from eval.sandbox import choose
from tests.conftest import commit_all
from tests.targets import CONFIG, LOCKS, SCORE, autoresearch, command_line, environment, history, make_target, statuses, wait_for

ATTEMPTS = {
    "ledger": "open('{tmp}/repo/.autoresearch/ledger/demo/local.jsonl').read()[:20]",
    "git": "open('{tmp}/repo/.git/config').read()[:20]",
    "secret": "open('{tmp}/secret').read()",
    "network": "__import__('socket').create_connection(('127.0.0.1', 9), 1)",
    "write elsewhere": "open('{tmp}/repo/planted', 'w').write('x')",
    "write at home": "[open(f'{{os.path.expandvars(p)}}/x', 'w').write('x') for p in ('.', '$HOME', '$TMPDIR')]",
    "read what is readable": "open('{tmp}/model/weights').read()",
}
CALL = """
for name, body in ATTEMPTS.items():
    try:
        print("SPY", name, "=", eval(body))
    except OSError as error:
        print("SPY", name, "=", error.strerror)
raise SystemExit(1)
"""
REFUSED = ("No such file or directory", "Permission denied", "Operation not permitted", "Read-only file system", "Connection refused")
ISOLATED = pytest.mark.skipif(choose().level == "none", reason="no sandbox on this machine")


@pytest.fixture(scope="module")
def spied(tmp_path_factory):
    """A night of the baseline alone, of a command that tries all of it: what it said, the run, the folder."""
    tmp = tmp_path_factory.mktemp("spied")
    (tmp / "secret").write_text("canary")
    (tmp / "model").mkdir()
    (tmp / "model/weights").write_text("weights")
    root = make_target(tmp / "repo", [], CONFIG + f"readable: ['{tmp}/model']\n")
    attempts = {name: body.format(tmp=tmp) for name, body in ATTEMPTS.items()}
    (root / "score.py").write_text(f"{SCORE}\nATTEMPTS = {attempts}\n{CALL}")
    commit_all(root)
    output = autoresearch(root, "run", code=1)
    return dict(re.findall(r"^  \| SPY (.*?) = (.*)$", output, re.M)), history(root).experiments[0].measurements[0], tmp


@ISOLATED
@pytest.mark.parametrize("name", ["ledger", "git", "secret", "network"])
def test_a_command_reaches_nothing_outside_its_tree(spied, name):
    said, measured, _ = spied
    assert said[name] in REFUSED
    assert measured.isolation == choose().level


@ISOLATED
def test_what_a_command_writes_elsewhere_is_not_there(spied):
    """In the sandbox such a folder may exist, in the run's private /tmp; the real one stays as it is."""
    said, _, tmp = spied
    assert "write elsewhere" in said and not (tmp / "repo/planted").exists()


@ISOLATED
def test_a_command_writes_its_tree_home_and_temporary_folder(spied):
    assert spied[0]["write at home"] == "[1, 1, 1]"


@ISOLATED
def test_a_command_reads_what_is_readable(spied):
    assert spied[0]["read what is readable"] == "weights"


@ISOLATED
def test_require_measures_where_there_is_a_sandbox(tmp_path):
    root = make_target(tmp_path / "repo", [], CONFIG + "sandbox: require\n")
    autoresearch(root, "run")
    assert {m.isolation for m in history(root).experiments[0].measurements} <= {"bubblewrap", "landlock"}


def test_without_a_sandbox_every_run_says_so_and_the_night_begins_with_a_warning(tmp_path):
    root = make_target(tmp_path / "repo", [], CONFIG + "sandbox: none\n")
    output = autoresearch(root, "run")
    assert "WARNING: no sandbox" in output and output.count("isolation none") == 4
    assert "> [!WARNING]" in (root / ".autoresearch/report/demo/report.md").read_text()


def test_a_program_that_is_not_there_is_a_crash_that_names_it(tmp_path):
    root = make_target(tmp_path / "repo", [], CONFIG.replace("command: python score.py", "command: ./nothing.sh"))
    assert "there is no program ./nothing.sh" in autoresearch(root, "run", code=1)


def test_two_nights_on_one_machine_measure_one_after_the_other(tmp_path):
    """In different repositories, which know nothing of each other: the second waits, and a kill of the first lets it go on."""
    with exclusive("cpu", Path(LOCKS), lambda: None):
        root = make_target(tmp_path / "repo", [])
        process = subprocess.Popen(
            command_line("run"), cwd=root, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        wait_for(root, 1)
        time.sleep(1.0)
        assert not history(root).experiments
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and statuses(root) == {0: "baseline"}
    assert output.count("another measurement is using this device") == 1


def test_a_night_that_waits_for_another_ends_when_told_to(tmp_path):
    with exclusive("cpu", Path(LOCKS), lambda: None):
        root = make_target(tmp_path / "repo", [])
        process = subprocess.Popen(command_line("run"), cwd=root, env=environment(CI="true"), stdin=subprocess.DEVNULL)
        wait_for(root, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
