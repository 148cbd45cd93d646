"""How a night with a language model ends: by a signal while it thinks, by its last dollar. Real processes, a real server."""

import subprocess
import time

import pytest

from bot.loop import run_loop
from tests.llm.server import ModelServer, says
from tests.llm.test_llm import KEY, change, night_with, proposals, statuses
from tests.targets import CONFIG, autoresearch, command_line, environment, history, make_target

LONG = 60.0  # seconds until a test gives up
SOON = 10.0  # a cancelled job gets no more
SCORE = """import os
from params import X
if X == 1.0:
    raise ValueError("too small")
print(f"METRIC cost={(X - 2.0) ** 2 + int(os.environ['AUTORESEARCH_SEED']) % 1000 / 1e6}")
"""


@pytest.fixture(autouse=True)
def without_a_sandbox(monkeypatch):
    """A sandbox costs each command 0.1 s and changes nothing here; tests/bot/test_isolation.py has it."""
    monkeypatch.setenv("AUTORESEARCH_SANDBOX", "none")


@pytest.fixture
def server():
    with ModelServer() as server:
        yield server


@pytest.fixture
def target(server, tmp_path):
    models = f"models: [{{model: m, base_url: '{server.base_url}', key: ''}}]\nmax_experiments: 1\n"
    root = make_target(tmp_path / "repo", [], CONFIG.replace("replay:patches", "llm") + models)
    (root / "score.py").write_text(SCORE)
    subprocess.run(["git", "commit", "-qam", "crash at one"], cwd=root, check=True)
    return root


def ended(root, server, requests):
    """(exit code, seconds) after a SIGTERM while the server keeps that request waiting."""
    process = subprocess.Popen(command_line("run"), cwd=root, env=environment(CI="true"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until = time.monotonic() + LONG
    while len(server.asked) < requests and time.monotonic() < until and process.poll() is None:
        time.sleep(0.05)
    began = time.monotonic()
    process.terminate()
    out, _ = process.communicate(timeout=LONG)
    assert "Traceback" not in out.decode(), out.decode()
    return process.returncode, time.monotonic() - began


def test_a_signal_ends_a_thought_at_once(target, server):
    server.script(says(change("X = 5.0", "X = 4.0"), delay=LONG))
    code, seconds = ended(target, server, 1)
    assert code == 143 and seconds < SOON and history(target).last_stopped.reason == "stopped by SIGTERM"


def test_a_signal_ends_a_repair_at_once_and_the_next_night_asks_for_it_again(target, server):
    server.script(says(change("X = 5.0", "X = 1.0")), says(change("X = 5.0", "X = 4.0"), delay=LONG))
    code, seconds = ended(target, server, 2)
    stopped = history(target)
    assert code == 143 and seconds < SOON and stopped.last_stopped.id == 1 and stopped.experiments[1].status == "stopped"
    server.otherwise = says(change("X = 5.0", "X = 4.0"))
    autoresearch(target, "run")
    assert history(target).experiments[1].status == "keep" and len(history(target).experiments[1].runs("screen")) == 1


def test_an_answer_that_is_paid_for_is_measured(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    box = []

    def answer(asked):
        if asked["id"] and (thought := box[0].ahead.thought):
            thought.thread.join(LONG)
        return {}

    server.otherwise = lambda request: says(change("A = 5.0", f"A = {6 + 2 * len(server.requests)}.0"), usage=(1000, 0, 0))
    night, _ = night_with(server, tmp_path / "repo", answer, "max_dollars: 0.0035\n", ", input_price: 1, output_price: 1")
    box.append(night)
    assert "max_dollars" in run_loop(night)
    assert len(proposals(night)) == len(server.requests) == 3 and set(statuses(night).values()) == {"discard"}
