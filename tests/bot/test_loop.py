"""The whole loop on a command target: real git, real processes, the real command line."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest

from bot.ledger import Ledger
from bot.measuring import REFRESHED
from bot.seeds import seed_for
from tests.conftest import commit_all, git
from tests.targets import CONFIG, SCORE, autoresearch, command_line, environment, history, make_target, patch, statuses, wait_for, walk


@pytest.fixture(autouse=True)
def without_a_sandbox(monkeypatch):
    """A sandbox costs each command 0.1 s and changes nothing here; tests/bot/test_isolation.py has it."""
    monkeypatch.setenv("AUTORESEARCH_SANDBOX", "none")


def events(root):
    return list(Ledger(root / ".autoresearch/ledger/demo").events())


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    root = make_target(tmp_path_factory.mktemp("night") / "repo", walk(6))
    head = git(root, "rev-parse", "HEAD")
    index = (root / ".git/index").read_bytes()
    output = autoresearch(root, "run")
    return root, head, index, output


def test_gains_are_kept_and_nothing_else(night):
    assert statuses(night[0]) == {0: "baseline", 1: "keep", 2: "discard", 3: "discard", 4: "crash", 5: "keep", 6: "discard"}


def test_the_branch_holds_one_commit_per_keep_with_evidence(night):
    root, head, _, _ = night
    assert git(root, "log", "--format=%s", f"{head}..autoresearch/demo").splitlines() == ["step 4: down, a gain", "step 0: down, a gain"]
    assert git(root, "show", "autoresearch/demo:params.py") == "X = 4.8"
    trailers = git(root, "log", "-1", "--format=%(trailers)", "autoresearch/demo")
    assert re.search(r"^Cost: 7\.\d{4} \(-0\.\d{4}\)$", trailers, re.M) and "Seeds: 2" in trailers and "Experiment: 0005" in trailers


def test_the_users_checkout_and_branch_are_untouched(night):
    root, head, index, _ = night
    assert git(root, "rev-parse", "HEAD") == head and git(root, "branch", "--show-current") == "main"
    assert (root / ".git/index").read_bytes() == index
    assert git(root, "status", "--porcelain", "--", "params.py", "score.py", ".autoresearch") == ""


def test_the_night_ends_with_its_files(night):
    folder = night[0] / ".autoresearch/report/demo"
    assert "2 of 6 changes kept" in (folder / "report.md").read_text()
    assert (folder / "progress.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "results.tsv").read_text().splitlines()[0] == "commit\tval_bpb\tmemory_gb\tstatus\tdescription"


def test_no_seed_is_used_twice_on_one_commit(night):
    runs = [(m.sha, m.seed) for e in history(night[0]).experiments.values() for m in e.measurements]
    assert len(runs) == len(set(runs))


def test_a_candidate_runs_on_its_champions_seeds(night):
    known = history(night[0]).experiments
    assert known[1].runs("screen")[0].seed == known[0].runs("baseline")[0].seed


def test_the_champion_is_measured_afresh_after_each_keep(night):
    past = history(night[0])
    for keep in past.keeps:
        assert len(past.champion_runs(keep.verdict.sha, past.context)) >= REFRESHED


def test_a_second_run_continues_and_repeats_nothing(night):
    root = night[0]
    before = events(root)
    (root / "patches/006.patch").write_text(patch(4.8, 4.7, "one more"))
    autoresearch(root, "run")
    after = events(root)
    assert after[: len(before)] == before
    assert [e.id for e in after[len(before) :] if type(e).__name__ == "Proposal"] == [7]
    assert statuses(root)[7] == "keep"


def test_max_experiments_ends_the_night_with_its_reason(tmp_path):
    root = make_target(tmp_path / "repo", walk(6))
    assert "max_experiments" in autoresearch(root, "run", "--max-experiments", "2")
    assert set(statuses(root)) == {0, 1, 2}


def test_stop_after_starts_no_new_proposal(tmp_path):
    root = make_target(tmp_path / "repo", walk(6))
    assert "stop_after" in autoresearch(root, "run", "--stop-after", "0.01s")
    assert statuses(root) == {0: "baseline"}


def test_a_night_without_keeps_is_a_pass_and_says_so(tmp_path):
    root = make_target(tmp_path / "repo", [patch(5.0, 6, "worse")])
    output = autoresearch(root, "run")
    assert statuses(root) == {0: "baseline", 1: "discard"} and git(root, "rev-parse", "autoresearch/demo") == git(root, "rev-parse", "main")
    assert "no change" in output.lower() or "0 of 1" in output


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("import sys; sys.exit(3)", "crash", "exit code 3"),
        ("raise ValueError('boom')", "crash", "ValueError: boom"),
        ("while True: pass", "timeout", "still running after 1s"),
        ("print('METRIC cost=0.0')", "violation", "2 times"),
        ("import os; os.environ['X'] = '1'", "discard", "after one run"),
    ],
)
def test_each_way_to_fail_is_its_own_status(tmp_path, body, status, reason):
    """The candidate's module runs inside the command's process: what it does is what the command does."""
    text = patch("5.0", "5.0", "fails").replace("@@ -1 +1 @@\n-X = 5.0\n+X = 5.0", f"@@ -1 +1,2 @@\n+{body}\n X = 5.0")
    root = make_target(tmp_path / "repo", [text], CONFIG.replace("20s", "1s"))
    autoresearch(root, "run")
    verdict = history(root).experiments[1].verdict
    assert (verdict.status, verdict.value) == (status, None)
    assert reason in verdict.why


def test_a_failure_has_no_value_however_well_its_other_runs_went(tmp_path):
    body = f"import os, sys; sys.exit(3) if os.environ['AUTORESEARCH_SEED'] == '{seed_for('demo', 0, 'baseline', 2)}' else None"
    text = patch("5.0", "4.0", "crashes late").replace("@@ -1 +1 @@", "@@ -1 +1,2 @@").replace("+X = ", f"+{body}\n+X = ")
    root = make_target(tmp_path / "repo", [text])
    autoresearch(root, "run")
    found = history(root).experiments[1]
    assert [m.outcome for m in found.measurements] == ["ok", "ok", "crash"]
    assert (found.verdict.status, found.verdict.value, found.verdict.seeds) == ("crash", None, 0)


def test_locked_files_come_from_the_base_commit(tmp_path):
    """The user's working tree may change under the run; what is measured is what was committed."""
    root = make_target(tmp_path / "repo", [patch(5.0, 6, "worse")])
    (root / "score.py").write_text("print('METRIC cost=0')")
    autoresearch(root, "run")
    assert history(root).experiments[0].verdict.value == pytest.approx(9.0, abs=0.1)


def test_the_command_sees_no_secret_of_ours(tmp_path):
    spy = SCORE + "assert not [k for k in os.environ if 'TOKEN' in k or 'KEY' in k], sorted(os.environ)\n"
    root = make_target(tmp_path / "repo", [])
    (root / "score.py").write_text(spy)
    commit_all(root)
    autoresearch(root, "run", GITHUB_TOKEN="canary", OPENAI_API_KEY="canary")
    assert statuses(root) == {0: "baseline"}


def test_a_baseline_that_fails_ends_the_night_with_its_log(tmp_path):
    root = make_target(tmp_path / "repo", walk(1))
    (root / "score.py").write_text("print('my last words'); raise SystemExit(1)")
    commit_all(root)
    output = autoresearch(root, "run", code=1)
    assert "baseline run ended as crash" in output and "my last words" in output


def start(root, **extra):
    slow = SCORE.replace("import os, random", "import os, random, time; time.sleep(0.5)")
    (root / "score.py").write_text(slow)
    commit_all(root)
    return subprocess.Popen(
        command_line("run"), cwd=root, env=environment(**extra), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_job_is_recorded_as_stopped_and_reported_in_time(tmp_path, number):
    root = make_target(tmp_path / "repo", walk(2))
    process = start(root, CI="true")
    wait_for(root, 6)
    sent = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert time.monotonic() - sent < 7 and process.returncode == 128 + number
    assert "stopped" in json.loads((root / ".autoresearch/ledger/demo/local.jsonl").read_text().splitlines()[-1])["event"]
    assert (root / ".autoresearch/report/demo/report.md").exists()
    assert not subprocess.run(["pgrep", "-f", f"{root}.*score.py"], capture_output=True, check=False).stdout


def test_what_was_stopped_is_continued(tmp_path):
    root = make_target(tmp_path / "repo", walk(1))
    process = start(root, CI="true")
    wait_for(root, 8)  # opened, four baseline runs, verdict, proposal, screen
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert statuses(root)[1] == "stopped"
    autoresearch(root, "run")
    assert statuses(root) == {0: "baseline", 1: "keep"}
    runs = [(m.role, m.index) for m in history(root).experiments[1].measurements]
    assert len(runs) == len(set(runs))


def test_the_first_ctrl_c_on_a_terminal_finishes_the_run_in_progress(tmp_path):
    root = make_target(tmp_path / "repo", walk(2))
    (root / "score.py").write_text(SCORE.replace("import os, random", "import os, random, time; time.sleep(0.7)"))
    commit_all(root)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command_line("run"), cwd=root, env=environment(CI="", TERM="xterm"), stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    wait_for(root, 2)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    drain = []
    try:
        while chunk := os.read(master, 65536):
            drain.append(chunk)
    except OSError:  # the terminal is gone with its last process
        pass
    assert process.wait(timeout=30) == 0
    assert b"nothing is lost" in b"".join(drain)
    names = [type(e).__name__ for e in events(root)]
    assert names[-1] == "Stopped" and names.count("Measurement") >= 2
    assert all(m.outcome == "ok" for e in history(root).experiments.values() for m in e.measurements)


def test_a_changed_budget_measures_the_champion_again_before_anything_is_compared(tmp_path):
    root = make_target(tmp_path / "repo", walk(1))
    autoresearch(root, "run")
    (root / "patches/001.patch").write_text(patch(4.9, 4.8, "more"))
    autoresearch(root, "run", "--budget", "19s")
    past = history(root)
    assert len(past.champion_runs(past.keeps[0].verdict.sha, past.context)) >= 4
    assert len({m.context for m in past.experiments[2].measurements}) == 1


def test_two_runs_at_once_are_refused(tmp_path):
    root = make_target(tmp_path / "repo", walk(2))
    process = start(root, CI="true")
    wait_for(root, 1)
    assert "another run" in autoresearch(root, "run", code=1)
    process.terminate()
    process.communicate(timeout=30)


class TestRefusals:
    """Each names the fix, exits with 2 and leaves branch and ledger alone."""

    @pytest.fixture
    def root(self, tmp_path):
        return make_target(tmp_path / "repo", [patch(5.0, 6, "worse")])

    def test_detached_head(self, root):
        git(root, "checkout", "-q", "--detach")
        assert "HEAD is detached" in autoresearch(root, "run", code=2)

    def test_dirty_editable_file(self, root):
        (root / "params.py").write_text("X = 1\n")
        assert "params.py has uncommitted changes" in autoresearch(root, "run", code=2)

    def test_a_branch_of_someone_else(self, root):
        git(root, "branch", "autoresearch/demo")
        assert "exists already" in autoresearch(root, "run", code=2)
        assert not (root / ".autoresearch/ledger/demo/local.jsonl").exists()

    def test_the_branch_checked_out(self, root):
        autoresearch(root, "run")
        git(root, "switch", "-q", "autoresearch/demo")
        assert "is checked out" in autoresearch(root, "run", code=2)

    def test_an_editable_file_that_is_not_committed(self, root):
        (root / "new.py").write_text("X = 1\n")
        (root / "autoresearch.yml").write_text(CONFIG.replace("[params.py]", "[new.py]"))
        assert "new.py is not committed" in autoresearch(root, "run", code=2)

    def test_a_locked_file_that_is_not_committed(self, root):
        (root / "data").mkdir()
        (root / "data/x.txt").write_text("x")
        (root / "autoresearch.yml").write_text(CONFIG + "locked: data\nbase: main\n")
        git(root, "switch", "-q", "-c", "elsewhere")
        commit_all(root)
        assert "locked: data is not committed in main" in autoresearch(root, "run", code=2)

    def test_another_metric_on_the_same_ledger(self, root):
        autoresearch(root, "run")
        (root / "autoresearch.yml").write_text(CONFIG.replace("metric: cost", "metric: other"))
        assert "metric: this research began with 'cost'" in autoresearch(root, "run", code=2)


def test_a_corrupted_ledger_line_is_reported_and_recovered(tmp_path):
    root = make_target(tmp_path / "repo", walk(2))
    autoresearch(root, "run")
    path = root / ".autoresearch/ledger/demo/local.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    kept = next(i for i, line in enumerate(lines) if '"status":"keep"' in line)
    path.write_text("".join([*lines[:kept], "garbage\n", *lines[kept + 1 :]]))
    tip = git(root, "rev-parse", "autoresearch/demo")
    output = autoresearch(root, "run")
    assert f"line {kept + 1} is unreadable" in output
    assert git(root, "rev-parse", "autoresearch/demo") == tip and statuses(root)[1] == "keep"
