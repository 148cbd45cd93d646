"""A runner that cancels, and one that is killed: signals to the step's first process only, a real night below it, and the next job."""

import contextlib
import os
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bot.action.outputs import NAMES
from bot.history import History
from bot.ledger import Ledger
from bot.records import Stopped
from tests.action.executor import Job, orphans
from tests.action.runner import machine
from tests.conftest import commit_all, git
from tests.targets import SCORE, patch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

SLOW = """import subprocess, time
from params import X
if X > 5.5:
    subprocess.Popen(["sleep", "300"])
    time.sleep({seconds})
"""
GAIN, LOSS = patch(5.0, 4.5, "a gain"), patch(4.5, 6.0, "a slow loss")


def slow_machine(folder: Path, seconds: float, patches: list[str]) -> Job:
    """A target whose losing change starts a process of its own and takes `seconds`."""
    job = machine(folder, patches, **{"score.py": SLOW.format(seconds=seconds) + SCORE})
    commit_all(job.workspace, "slow")
    return job


def ledger(job: Job) -> Ledger:
    return Ledger(job.tool_cache / "autoresearch/state/owner/name/ledger/demo")


class When:
    """Acts once, as soon as the ledger holds the losing proposal and its run has had a second."""

    def __init__(self, job: Job, act):
        self.job, self.act, self.since, self.pids, self.family = job, act, 0.0, [], {}

    def began(self, pid: int) -> None:
        self.pids.append(pid)

    def __call__(self) -> bool:
        path = ledger(self.job).path
        if not self.since and path.exists() and "a slow loss" in path.read_text():
            self.since = time.monotonic()
        if not self.since or time.monotonic() < self.since + 1 or self.family:
            return False
        self.family = orphans(environment(self.pids[-1])["RUNNER_TRACKING_ID"])
        return bool(self.act(self.pids[-1]))

    def words(self) -> set[str]:
        """Which of the candidate's processes carried the job's mark at that moment."""
        return {word for word in ("sleep 300", "score.py") for line in self.family.values() if word in line}


def use(job: Job, act, **inputs: str):
    when = When(job, act)
    return replace(job, cancel=when, began=when.began).use(**inputs), when


def test_a_cancelled_night_ends_in_time_with_nothing_left_running(tmp_path):
    job = slow_machine(tmp_path, 60, [patch(5.0, 6.0, "a slow loss")])
    result, when = use(job, lambda pid: True)
    main = result.steps["main"]
    assert main["outcome"] == "cancelled" and main["code"] == 128 + signal.SIGINT and main["seconds"] < 7
    assert {"sleep 300", "score.py"} <= when.words() and not orphans(result.tracking)
    assert set(result.outputs) == set(NAMES) and result.outputs["status"] == "cancelled"
    assert result.outputs["branch"] == "autoresearch/demo" and result.outputs["baseline"] and result.steps["last"]["outputs"] == {}
    *_, last = ledger(job).events()
    assert isinstance(last, Stopped) and last.reason == "stopped by SIGINT" and last.id == 1
    report = job.tool_cache / "autoresearch/state/owner/name/report/demo/report.md"
    assert "4 seeds" in report.read_text() and result.summary == report.read_text()
    assert result.annotations == []


@pytest.mark.slow
def test_a_killed_controller_leaves_marked_children_outputs_and_a_night_that_goes_on(tmp_path):
    job = slow_machine(tmp_path, 3, [GAIN, LOSS])
    result, when = use(job, lambda pid: os.kill(pid, signal.SIGKILL))
    assert result.steps["main"]["outcome"] == "failure" and result.steps["main"]["code"] == -signal.SIGKILL
    assert {"sleep 300", "score.py"} <= when.words()
    deadline = time.monotonic() + 5
    while orphans(result.tracking) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not orphans(result.tracking)
    assert set(result.steps["last"]["outputs"]) == set(NAMES) and result.outputs["status"] == "failed"
    assert (result.outputs["experiments"], result.outputs["kept"]) == ("1", "1") and result.outputs["baseline"]

    before = list(ledger(job).events())
    git(job.workspace, "branch", "-D", "autoresearch/demo")  # as the next job's checkout does
    again = job.use(max_experiments="1")
    past = History.fold(ledger(job).events())
    assert again.ok and again.outputs["experiments"] == "1" and again.outputs["head-sha"] == result.outputs["head-sha"]
    assert list(ledger(job).events())[: len(before)] == before and not past.oddities
    runs = [(m.id, m.role, m.index) for e in past.experiments.values() for m in e.measurements]
    assert len(set(runs)) == len(runs) and len(past.experiments) == 3 and all(e.verdict for e in past.experiments.values())
    assert git(job.workspace, "rev-parse", "autoresearch/demo") == past.champion_sha


def environment(pid: int) -> dict[str, str]:
    return dict(text.split("=", 1) for text in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in text)


@pytest.mark.parametrize("delay", [0.1, 0.5, *(pytest.param(delay, marks=pytest.mark.slow) for delay in (0.0, 0.25, 0.9))])
def test_a_cancellation_at_any_instant_of_the_start_sets_all_outputs(tmp_path, delay):
    job = machine(tmp_path, [])
    began = []
    cancel = lambda: len(began) == 2 and time.monotonic() > began[1] + delay  # noqa: E731  (the second step is the main one)
    result = replace(job, cancel=cancel, began=lambda pid: began.append(time.monotonic())).use()
    assert result.steps["main"]["outcome"] == "cancelled" and result.steps["main"]["seconds"] < 7
    assert set(result.outputs) == set(NAMES) and result.outputs["status"] == "cancelled"
    assert not orphans(result.tracking)


def test_a_cancellation_while_the_record_is_fetched_ends_the_step_at_once(tmp_path):
    """A server that accepts and never answers: the night must not begin after all."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = []
        job = machine(tmp_path, [])
        github = {**job.github, "server_url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        silent.settimeout(0)

        def asked() -> bool:
            if not began:
                with contextlib.suppress(BlockingIOError):
                    began.append(silent.accept())
            return bool(began)

        result = replace(job, github=github, cancel=asked).use()
    assert began and result.steps["main"]["seconds"] < 7 and result.outputs["status"] == "cancelled"
    assert result.steps["main"]["code"] == 128 + signal.SIGINT and not ledger(job).path.exists()
