"""`retest`, `compare`, `ablate`, `confirm` as commands: what they measure, print and refuse."""

import json
import signal
import subprocess

import pytest

from bot import ablate
from bot.loop import run_loop
from bot.stack import OUT
from tests.bot import nights
from tests.bot.test_pairs import GAIN, LOSS, SEARCH, branch, soft_stop_after
from tests.conftest import commit_all, git
from tests.targets import SCORE, autoresearch, command_line, environment, history, make_target, patch, wait_for


@pytest.fixture(autouse=True)
def without_a_sandbox(monkeypatch):
    """A sandbox costs each command 0.1 s and changes nothing here; tests/bot/test_isolation.py has it."""
    monkeypatch.setenv("AUTORESEARCH_SANDBOX", "none")


class TestAblate:
    def test_a_change_that_brings_nothing_is_taken_out_and_nothing_else_is_measured(self, tmp_path):
        """The second gains only in the search."""
        two = "X = 5.0\n# 1\n# 2\n# 3\n# 4\n# 5\nY = 5.0\n"
        head = "\n\ndiff --git a/params.py b/params.py\n--- a/params.py\n+++ b/params.py\n"
        first = f"a gain{head}@@ -1,2 +1,2 @@\n-X = 5.0\n+X = 4.0\n # 1\n"
        second = f"luck{head}@@ -6,2 +6,2 @@\n # 5\n-Y = 5.0\n+Y = 5.00001\n"

        def answer(asked) -> dict:
            return {"value": 1.06 + asked["seed"] % 1000 / 1e6} if asked["id"] == 2 and asked["role"] in SEARCH else {}

        night, referee = nights.make_night(tmp_path / "repo", [first, second], answer, two, "reserve: 1%\nmargin: 0.003\n")
        run_loop(night)
        assert [e.status for e in night.history.experiments.values()] == ["baseline", "keep", "keep"]
        referee.asked.clear()
        ablate.run(night, everything=True)
        assert [p.ids for p in night.history.prunes] == [(2,)]
        assert git(night.settings.root, "show", "autoresearch/demo:params.py").splitlines()[::6] == ["X = 4.0", "Y = 5.0"]
        assert len(referee.doses("ablate", 2)) == OUT and not referee.doses("final")

    def test_what_was_interrupted_is_decided_first(self, tmp_path):
        night, referee = nights.make_night(tmp_path / "repo", [GAIN, LOSS], config="reserve: 1%\n")
        soft_stop_after(referee, 1, night, "confirm")
        run_loop(night)
        night.stop.soft, referee.answer = None, lambda asked: {}
        interrupted = night.history.pending
        ablate.run(night, everything=False)
        assert interrupted and interrupted.verdict

    def test_confirming_has_no_limit_on_runs(self, tmp_path):
        night, referee = nights.make_night(tmp_path / "repo", [GAIN], config="reserve: 1%\n")
        soft_stop_after(referee, 1, night, "final")
        run_loop(night)
        assert len(referee.doses("final")) == 1
        night.stop.soft, referee.answer = None, lambda asked: {}
        ablate.confirmed(night)
        assert len(referee.doses("final")) >= 6


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A real night of the command target."""
    root = make_target(tmp_path_factory.mktemp("night") / "repo", [patch("5.0", "4.9", "a gain"), patch("4.9", "9", "a loss")])
    autoresearch(root, "run", AUTORESEARCH_SANDBOX="none")
    return root


def test_retest_prints_the_difference_and_whether_the_verdict_stands(root):
    shown = autoresearch(root, "retest", "1", "--seeds", "2")
    assert "0001 cost -0.59" in shown and "The verdict (kept) stands" in shown


def test_compare_prints_json_alone_on_stdout(root):
    words = command_line("compare", "main", "autoresearch/demo", "--seeds", "2", "--json")
    done = subprocess.run(words, cwd=root, env=environment(), capture_output=True, check=True)
    assert json.loads(done.stdout)["verdict"] == "B is better"


def test_confirm_prints_headline_and_labels(root):
    shown = autoresearch(root, "confirm")
    assert "of the base, none of which selected anything" in shown and "confirmed" in shown and shown.rstrip().endswith("report.md")


def test_ablate_prints_the_table(root):
    assert "a gain" in autoresearch(root, "ablate", "--all")


BAD = [
    ["retest", "99"],
    ["retest", "1", "--seeds", "1"],
    ["compare", "main", "nowhere"],
    ["compare", "main", "main"],
    ["replay", "nowhere"],
]


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_bad_input_ends_with_code_2(root, words):
    before = (root / ".autoresearch/ledger/demo/local.jsonl").read_bytes()
    autoresearch(root, *words, code=2)
    assert (root / ".autoresearch/ledger/demo/local.jsonl").read_bytes() == before


@pytest.mark.parametrize("words", [("retest", "1"), ("ablate",), ("confirm",)], ids=lambda w: w[0])
def test_without_a_ledger_it_says_what_to_run(tmp_path, words):
    assert "start it with `autoresearch run`" in autoresearch(make_target(tmp_path / "repo", []), *words, code=2)


def test_compare_without_any_run_stopped_and_continued(tmp_path):
    """A cancelled job ends at once, recorded; the lock is held until then."""
    root = make_target(tmp_path / "repo", [])
    (root / "score.py").write_text(SCORE.replace("import os, random", "import os, random, time; time.sleep(0.3)"))
    commit_all(root)
    branch(root, "better", "params.py", "X = 4.0\n")
    words = ("compare", "main", "better", "--seeds", "3")
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen(command_line(*words), cwd=root, env=environment(CI="true"), **quiet)
    wait_for(root, 3)
    assert "another run is using" in autoresearch(root, *words, code=1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 128 + signal.SIGINT and history(root).last_stopped.reason == "stopped by SIGINT"
    shown = autoresearch(root, *words)
    runs = [(m.sha, m.seed) for m in history(root).experiments[0].runs("compare") if m.outcome == "ok"]
    assert "B is better." in shown and len(runs) == len(set(runs)) == 6
