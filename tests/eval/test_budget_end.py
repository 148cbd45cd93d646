"""The clock and the end: what counts, what is stopped, and that nothing outlives a measurement."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.eval.rig import BIGRAM, MODEL, ROOT, Measured, arguments, environment, make_candidate, make_corpus
from tests.eval.test_process import running, until

# A daemon (double fork, setsid) burns CPU beside a trainer that mostly sleeps; a second one only sleeps.
BURNER = (
    MODEL
    + """
DUMP = Path(%r)
def daemon(work):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(DUMP / "pids", "a") as file:
                file.write(f"{os.getpid()}\\n")
            work()
        os._exit(0)
    os.wait()
def burn():
    while True:
        pass
if __name__ == "__main__":
    list(session.warmup(4))
    table, started = torch.zeros(64, 64), time.process_time()
    for step, _ in enumerate(session.batches(4)):
        if step == 0:
            daemon(burn)
            daemon(lambda: time.sleep(600))
        time.sleep(0.02)
    (DUMP / "own").write_text(str(time.process_time() - started))
    save(table)
"""
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("tiny") / "corpus")


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    return tmp_path_factory.mktemp("dump")


@pytest.fixture(scope="module")
def burned(tmp_path_factory, corpus, dump):
    return Measured(tmp_path_factory.mktemp("run"), BURNER % str(dump), corpus, budget="0.5s cpu", sandbox="none")


def test_cpu_budget_counts_a_daemon(burned, dump):
    assert burned["outcome"] == "ok" and 0.4 < burned["train_seconds"] <= 0.5
    assert float((dump / "own").read_text()) < 0.4


def test_nothing_outlives_the_run(burned, dump):
    pids = [int(pid) for pid in (dump / "pids").read_text().split()]
    assert len(pids) == 2 and not any(map(running, pids))


def test_cpu_budget_does_not_count_sleep(corpus, tmp_path):
    sleepy = BIGRAM.replace("        step += 1\n", "        step += 1\n        time.sleep(0.002)\n")
    run = Measured(tmp_path, sleepy, corpus, budget="0.2s cpu")
    assert run["outcome"] == "ok" and run["train_wall_seconds"] > 2 * run["train_seconds"]


def test_cpu_budget_ends_in_the_middle_of_a_step(corpus, tmp_path):
    hog = BIGRAM.replace("        step += 1\n", "        while True: pass\n")
    run = Measured(tmp_path, hog, corpus, budget="0.2s cpu")
    assert run["outcome"] == "timeout" and "after the budget of 0.2s cpu" in run["reason"]


# Between the referee's answer and the candidate's look into the memory the budget may run out.
LATE_READER = (
    MODEL
    + """
if __name__ == "__main__":
    list(session.warmup(4))
    next(session.batches(4))
    session._channel.send(op="batch", rows=4)
    served = session._channel.receive()["offset"]
    time.sleep(0.6)
    size = 4 * (session.sequence_length + 1) * 2
    print("served:", any(os.pread(session._memory, size, served)), "next:", any(os.pread(session._memory, size, size - served)))
    save(torch.zeros(64, 64))
"""
)


def test_end_of_the_budget_takes_the_next_batch_but_not_the_last_one(corpus, tmp_path):
    run = Measured(tmp_path, LATE_READER, corpus, budget="0.3s")
    assert run["outcome"] == "ok" and run.said("served") == " True next: False"


def with_constant(assignment: str, argv: list[str]) -> subprocess.CompletedProcess:
    """The referee with one of its constants changed, so that a test need not wait for the real one."""
    module = assignment.split(".")[1].split("[")[0]
    code = f"import sys, eval.{module}, eval.__main__; {assignment}; sys.exit(eval.__main__.main())"
    return subprocess.run([sys.executable, "-P", "-c", code, *argv[4:]], env=environment(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "assignment, source, budget, reason",
    [
        ("eval.training.STARTUP_SECONDS['cpu'] = 2.5", "import time; time.sleep(60)\n", "0.3s", "start-up took longer than 2.5 s"),
        ("eval.clock.WALL_CAP_SECONDS = -9.0", BIGRAM.replace("step += 1", "time.sleep(60)"), "1s cpu", "it used only 0.0 of 1s cpu"),
        ("eval.score.BLOCK_SECONDS = 0.3", BIGRAM.replace("return self.t", "time.sleep(60); return self.t"), "1s", "computing logits"),
        ("eval.score.LOAD_SECONDS = 0.3", BIGRAM.replace("return Big", "time.sleep(60); return Big"), "1s", "loading the checkpoint"),
    ],
)
def test_deadline(assignment, source, budget, reason, corpus, tmp_path):
    candidate, out = make_candidate(tmp_path / "c", source), tmp_path / "out.json"
    done = with_constant(assignment, arguments(candidate, corpus, tmp_path / "s", out, budget=budget))
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert result["outcome"] == "timeout" and reason in result["reason"]


@pytest.fixture
def under_way(corpus, tmp_path, dump):
    """(referee, pids of trainer, two workers and two daemons) in the middle of a long training."""
    (dump / "pids").unlink(missing_ok=True)
    candidate = make_candidate(tmp_path / "c", BURNER % str(dump))
    argv = arguments(candidate, corpus, tmp_path / "scratch", tmp_path / "out.json", budget="10m cpu", sandbox="none")
    referee = subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    assert any('"train"' in line for line in referee.stdout)
    until(lambda: (dump / "pids").exists() and len((dump / "pids").read_text().split()) == 2)
    daemons = [int(pid) for pid in (dump / "pids").read_text().split()]
    children = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and parent(int(path.name)) == referee.pid]
    yield referee, sorted(set(children) - set(daemons)), daemons
    for pid in [referee.pid, *children, *daemons]:
        if running(pid):
            os.kill(pid, signal.SIGKILL)
    referee.communicate()


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except FileNotFoundError:
        return 0


def test_sigterm_leaves_nothing_and_no_result(under_way, tmp_path):
    referee, children, daemons = under_way
    referee.terminate()
    assert referee.wait(20) == 143
    assert not any(running(pid) for pid in [*children, *daemons])
    assert list((tmp_path / "scratch").iterdir()) == [] and not (tmp_path / "out.json").exists()


def test_trainer_and_worker_die_with_a_killed_referee(under_way):
    referee, children, _ = under_way
    assert len(children) == 3
    referee.kill()
    until(lambda: not any(map(running, children)))


def test_killed_worker_is_invalid(under_way, tmp_path, corpus, dump):
    referee, children, _ = under_way
    os.kill(max(children), signal.SIGKILL)  # trainer and worker are spawned in this order
    until(lambda: referee.poll() is not None or time.sleep(0.05))
    assert json.loads((tmp_path / "out.json").read_text())["outcome"] == "invalid"


def test_a_child_killed_before_it_is_ready_is_invalid(corpus, tmp_path):
    argv = arguments(make_candidate(tmp_path / "c"), corpus, tmp_path / "scratch", tmp_path / "out.json", sandbox="none")
    referee = subprocess.Popen(argv, env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until(lambda: [path for path in Path("/proc").iterdir() if path.name.isdigit() and parent(int(path.name)) == referee.pid])
    child = min(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and parent(int(path.name)) == referee.pid)
    os.kill(child, signal.SIGKILL)
    assert referee.wait(30) == 0
    assert json.loads((tmp_path / "out.json").read_text())["outcome"] == "invalid"


def test_a_signal_during_the_clean_up_waits_for_its_end(tmp_path):
    code = (
        "import os, signal; from eval.folders import held_back; signal.signal(15, lambda *_: print('handled', flush=True))\n"
        "with held_back(signal.SIGTERM): os.kill(os.getpid(), 15); print('cleaned', flush=True)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cleaned", "handled"]
