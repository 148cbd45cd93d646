"""Work is spread over processes without losing order or memory, and none of them outlives its parent."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval import crew
from eval.errors import RefereeError

ROOT = Path(crew.__file__).parents[1]


def spread(folder: Path, job: str, tasks: int, workers: int):
    return crew.spread(f"tests.eval.jobs:{job}", folder, {"word": "w"}, tasks, workers)


@pytest.mark.parametrize("workers", [1, 2, 3, 20])
def test_answers_come_in_the_order_of_the_tasks(tmp_path, workers):
    assert list(spread(tmp_path, "Say", 11, workers)) == [f"w{task}".encode() * (task % 3) * 50_000 for task in range(11)]


def test_the_work_is_shared(tmp_path):
    list(spread(tmp_path, "Say", 9, 3))
    done = [line.split() for line in (tmp_path / "done").read_text().splitlines()]
    assert sorted(int(task) for task, _ in done) == list(range(9)) and len({pid for _, pid in done}) == 3


def test_no_worker_runs_ahead_of_who_reads(tmp_path):
    answers = spread(tmp_path, "Say", 3000, 2)
    next(answers)
    before = -1
    while before < (before := len((tmp_path / "done").read_text().splitlines())):
        time.sleep(0.3)
    answers.close()
    assert before < 30, "finished results pile up"


@pytest.mark.parametrize(("job", "words"), [("Fail", r"ended with 1 \(ValueError: the third is broken\)"), ("Die", "ended with -9")])
def test_a_worker_that_ends_early_is_an_error(tmp_path, job, words):
    with pytest.raises(RefereeError, match=words):
        list(spread(tmp_path, job, 6, 2))


def test_nobody_is_left_after_an_error(tmp_path):
    """Not even who is at work and writes nothing."""
    with pytest.raises(RefereeError):
        list(spread(tmp_path, "Stuck", 6, 3))
    left = subprocess.run(["pgrep", "-f", f"eval.crew tests.eval.jobs:Stuck {tmp_path}"], capture_output=True, text=True).stdout
    assert left == ""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
def test_workers_die_with_their_parent(tmp_path):
    code = "import sys; from pathlib import Path; from eval import crew\n"
    code += "list(crew.spread('tests.eval.jobs:Slow', Path(sys.argv[1]), {'word': 'w'}, 2, 2))"
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    while len(pids := [int(path.name[3:]) for path in tmp_path.glob("pid*")]) < 2:
        assert parent.poll() is None
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in pids):
        assert time.monotonic() < deadline, "a worker runs on"
        time.sleep(0.05)


def test_little_text_is_worth_no_worker(monkeypatch):
    monkeypatch.setattr(crew, "cores", lambda: 16)
    assert [crew.hands(size) for size in (0, 6_000_000, 40_000_000, 10**10)] == [1, 1, 9, 16]
