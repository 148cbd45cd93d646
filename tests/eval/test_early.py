"""A training that is clearly losing ends early; nothing else does. Pure where it can be, else the real referee on a tiny corpus."""

import json
import math
import os
import subprocess
import sys

import pytest

from eval.early import Bound, Watch, parse, reading
from eval.errors import RefereeError
from eval.training import Training
from tests.eval.rig import BIGRAM, Measured, arguments, environment, make_candidate, make_corpus
from tests.eval.test_neighbours import busy, needs_proc

CURVE = [(0.02, 9.0), (0.07, 5.0), (0.12, 4.0), (0.17, 3.0), (0.22, 2.0)]


@pytest.mark.parametrize(
    ("text", "bound"), [("0.4:3.51", (0.4, 3.51)), ("0.1:-1e2", (0.1, -100)), (" 0.5 : 2 ", (0.5, 2)), ("0.4:3.5:3.4", (0.4, 3.5, 3.4))]
)  # fmt: skip
def test_a_bound_is_fraction_and_loss_and_may_have_a_level(text, bound):
    assert parse(text) == parse(str(Bound(*bound))) == Bound(*bound)


@pytest.mark.parametrize("text", ["", "0.4", "0.4:", ":3", "a:b", "0.4:3:5:6", "0.4:3:", "0.4,3.5"])
def test_anything_else_names_the_option_and_an_example(text):
    with pytest.raises(RefereeError, match=r"--stop-above .*must be FRACTION:LOSS or FRACTION:LOSS:LEVEL, such as 0\.4:3\.51"):
        parse(text)


@pytest.mark.parametrize("text", ["0:3", "1:3", "-0.1:3", "40:3", "nan:3", "0.4:nan", "0.4:inf", "0.4:3:nan"])
def test_a_bound_that_makes_no_sense_says_what_would(text):
    with pytest.raises(RefereeError, match=r"--stop-above .*: the fraction must lie between 0 and 1, a loss must be a number"):
        parse(text)


class TestReading:
    def test_it_is_the_mean_of_the_two_points_before(self):
        assert reading(CURVE, 0.15) == 4.5 and reading(CURVE, 0.25) == 2.5

    def test_a_missing_point_leaves_the_other(self):
        assert reading(CURVE[:2] + CURVE[3:], 0.15) == 5.0

    def test_none_where_nothing_was_reported(self):
        assert reading([], 0.15) is None and reading(CURVE, 0.5) is None


class TestWatch:
    def test_a_loss_above_ends_it_with_a_reason(self):
        why = Watch([Bound(0.15, 4.4)]).verdict(0.15, lambda: CURVE)
        assert why == "stopped after 15% of its budget: its loss was 4.5000, at most 4.4000 goes on"

    def test_at_the_bound_it_goes_on(self):
        assert Watch([Bound(0.15, 4.5)]).verdict(0.2, lambda: CURVE) is None

    def test_before_its_fraction_nobody_asks_for_the_curve(self):
        assert Watch([Bound(0.15, -100.0)]).verdict(0.149, pytest.fail) is None

    def test_each_look_is_taken_once(self):
        watch = Watch([Bound(0.25, 2.6), Bound(0.15, 4.6)])
        assert watch.verdict(0.15, lambda: CURVE[:3]) is None
        assert watch.verdict(0.2, pytest.fail) is None
        assert watch.verdict(0.25, lambda: CURVE) is None and watch.verdict(1.0, pytest.fail) is None

    def test_looks_that_come_due_together_are_all_taken(self):
        assert "25%" in Watch([Bound(0.25, 2.4), Bound(0.15, 4.6)]).verdict(0.3, lambda: CURVE)

    def test_one_that_was_below_the_level_at_the_look_before_goes_on_once(self):
        """Losses 4.5, 2.5 and 1.0."""
        curve = [*CURVE, (0.27, 1.0), (0.32, 1.0)]
        looks = [Bound(0.15, 9.0, 4.6), Bound(0.25, 2.4, 2.0), Bound(0.35, 0.9, 0.0)]
        assert Watch(looks[:2]).verdict(1.0, lambda: curve) is None
        assert "35%" in Watch(looks).verdict(1.0, lambda: curve)
        assert "25%" in Watch([looks[0]._replace(level=4.5), looks[1]]).verdict(1.0, lambda: curve)

    def test_one_high_step_is_smoothed_away(self):
        training = Training()
        for step in range(100):
            training.report(step / 1000, 40.0 if step == 99 else 3.0)
        assert Watch([Bound(0.1, 4.0)]).verdict(0.1, training.curve) is None and Watch([Bound(0.1, 3.1)]).verdict(0.1, training.curve)

    @pytest.mark.parametrize("loss", [math.nan, math.inf, 1e300, None, "high"])
    def test_a_report_that_is_no_number_is_none(self, loss):
        training = Training()
        for step in range(100):
            training.report(step / 1000, loss)
        assert Watch([Bound(0.1, -100.0)]).verdict(0.1, training.curve) is None and training.steps == 100

    def test_without_bounds_it_never_looks(self):
        assert Watch([]).verdict(1.0, pytest.fail) is None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("tiny") / "corpus")


@pytest.fixture(scope="module")
def run(tmp_path_factory, corpus):
    return Measured(tmp_path_factory.mktemp("stopped"), BIGRAM, corpus, budget="5s cpu", stop_above="0.1:-100", sandbox="none")


class TestStopped:
    def test_it_is_an_outcome_of_its_own_without_a_value(self, run):
        assert (run["outcome"], run["val_bpb"], run["bits"]) == ("stopped", None, 0.0) and run.process.returncode == 0

    def test_the_reason_says_where_and_why(self, run):
        assert "stopped after 10% of its budget: its loss was" in run["reason"] and "at most -100.0000 goes on" in run["reason"]

    def test_it_costs_what_it_has_used(self, run):
        assert 0.5 <= run["train_seconds"] < 1.5 and run["eval_seconds"] == 0.0

    def test_what_it_did_until_then_is_told(self, run):
        assert run["steps"] > 10 and run["tokens"] > 0 and run["parameters"] == 0
        assert [at for at, _ in run["curve"]] == sorted(at for at, _ in run["curve"]) and run["curve"][-1][0] < 0.15
        assert run["curve"][0][1] == pytest.approx(5.0, abs=0.1)  # what it reports: 5 minus progress

    def test_it_was_measured_like_any_other(self, run, corpus):
        assert run["corpus"] == json.loads((corpus / "meta.json").read_text())["digest"] and len(run["metric_version"]) == 16
        assert run["machine"]["fingerprint"] and run["neighbours"]["cpu_others"] is not None

    def test_nothing_of_it_is_left(self, run):
        assert list((run.folder / "scratch").iterdir()) == []


def test_a_loss_below_every_bound_runs_to_its_end(tmp_path, corpus):
    run = Measured(tmp_path, BIGRAM, corpus, stop_above="0.15:100", sandbox="none")
    assert run["outcome"] == "ok" and run["val_bpb"] > 0 and run["train_seconds"] > 0.2


def test_a_candidate_that_reports_nothing_runs_to_its_end(tmp_path, corpus):
    silent = BIGRAM.replace("session.report(loss=5.0 - session.progress)", "pass")
    run = Measured(tmp_path, silent, corpus, stop_above="0.15:-100", sandbox="none")
    assert run["outcome"] == "ok" and run["curve"] == []


@needs_proc
@pytest.mark.slow
def test_a_machine_that_neighbours_took_is_at_fault_and_not_the_run(tmp_path, corpus):
    """Beside them a wall budget trains less, and a higher loss says nothing of the change."""
    out = tmp_path / "result.json"
    argv = arguments(make_candidate(tmp_path / "c"), corpus, tmp_path / "scratch", out, budget="22s", stop_above="0.1:-100", sandbox="none")
    referee = subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while json.loads(referee.stdout.readline())["phase"] != "train":
        pass
    with busy(2 * len(os.sched_getaffinity(0))):
        referee.communicate(timeout=60)
    result = json.loads(out.read_text())
    assert (result["outcome"], result["val_bpb"]) == ("invalid", None) and "other processes took" in result["reason"]


@pytest.mark.parametrize("given", ["soon", "2:3.5", "0.4:nan"])
def test_a_bad_bound_ends_with_one_sentence(tmp_path, corpus, given):
    argv = arguments(make_candidate(tmp_path / "c"), corpus, tmp_path / "scratch", tmp_path / "out.json", stop_above=given)
    done = subprocess.run([sys.executable, *argv[1:]], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith(f"--stop-above {given}") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out.json").exists()
