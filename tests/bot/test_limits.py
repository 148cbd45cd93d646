"""Secondary limits: how they are written, and when a change breaks one."""

import pytest

from bot.errors import UsageError
from bot.limits import broken, parse, value
from bot.records import Measurement


def run(**fields) -> Measurement:
    known = {"peak_memory": 1000, "parameters": 100, "tokens": 5000, "train_seconds": 5.0, "metrics": {}} | fields
    return Measurement(at=0.0, id=1, role="confirm", index=0, sha="c", seed=1, outcome="ok", context="x", value=1.0, **known)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("<= 110%", ("<=", 1.1, True)),
        (">=90 %", (">=", 0.9, True)),
        ("<= 40GB", ("<=", 40e9, False)),
        (" <= 1.5 GiB ", ("<=", 1.5 * 2**30, False)),
        ("<= 20M", ("<=", 20e6, False)),
        (">= 1.5e5", (">=", 1.5e5, False)),
        ("<= 3e-2", ("<=", 0.03, False)),
        ("<= 0", ("<=", 0.0, False)),
    ],
)
def test_what_a_limit_means(text, meant):
    sign, number, share = parse(text)
    assert (sign, share) == (meant[0], meant[2]) and number == pytest.approx(meant[1])


@pytest.mark.parametrize("text", ["", "110%", "< 110%", "<= many", "<= 40gb", "<= 10%%", "<= -5", "<= nan", "== 3", "<= 1,000", "<= 5 %x"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is not a limit; write it like `<= 110%`"):
        parse(text)


class TestValue:
    def test_fields_of_a_run_and_what_its_command_printed(self):
        m = run(metrics={"latency": 3.5})
        assert (value(m, "peak_memory"), value(m, "latency"), value(m, "tokens_per_second")) == (1000, 3.5, 1000.0)

    def test_what_was_measured_wins_over_what_was_printed(self):
        assert value(run(metrics={"peak_memory": 7.0}), "peak_memory") == 1000
        assert value(run(metrics={"peak_memory": 7.0}, peak_memory=0), "peak_memory") == 7.0

    def test_a_printed_zero_is_a_value_and_an_empty_field_is_none(self):
        assert value(run(metrics={"errors": 0.0}), "errors") == 0.0 and value(run(peak_memory=0), "peak_memory") is None

    @pytest.mark.parametrize("name", ["value", "seed", "sha", "nothing"])
    def test_other_fields_cannot_be_limited(self, name):
        assert value(run(), name) is None


class TestBroken:
    baseline = [run(peak_memory=900), run(peak_memory=1100)]

    def test_at_the_limit_it_holds_and_beyond_it_does_not(self):
        limits = {"peak_memory": "<= 110%"}
        assert broken(limits, self.baseline, [run(peak_memory=1100)]) == ""
        why = broken(limits, self.baseline, [run(peak_memory=1101)])
        assert why == "peak_memory is 1,101, the limit is <= 1,100 (110% of the baseline's)"

    def test_it_is_the_mean_of_the_runs_that_counts(self):
        limits = {"peak_memory": "<= 1000"}
        assert broken(limits, self.baseline, [run(peak_memory=1150), run(peak_memory=850)]) == ""
        assert broken(limits, self.baseline, [run(peak_memory=1150), run(peak_memory=851)]) != ""

    def test_at_least_is_the_other_way_around(self):
        limits = {"tokens_per_second": ">= 90%"}
        assert broken(limits, self.baseline, [run(tokens=4500)]) == ""
        assert "the limit is >= 900" in broken(limits, self.baseline, [run(tokens=4499)])

    def test_the_first_one_is_told(self):
        limits = {"parameters": "<= 100%", "peak_memory": "<= 1", "tokens_per_second": ">= 1e9"}
        assert broken(limits, self.baseline, [run()]).startswith("peak_memory is 1,000")

    def test_what_was_not_measured_keeps_no_limit(self):
        why = broken({"peak_memory": "<= 40GB"}, self.baseline, [run(peak_memory=0)])
        assert why == "peak_memory was not measured, and its limit is <= 40GB"

    def test_a_baseline_that_lacks_it_is_an_error_that_names_what_there_is(self):
        baseline = [run(metrics={"latency": 1.0}), run(metrics={"errors": 2.0})]
        with pytest.raises(UsageError, match=r"limits: the baseline's runs have no speed; there is peak_memory, .*, errors, latency"):
            broken({"speed": "<= 1"}, baseline, [run()])

    def test_no_limits_break_nothing(self):
        assert broken({}, [], []) == ""

    def test_the_share_is_told_as_it_was_written(self):
        assert "(99.5% of the baseline's)" in broken({"peak_memory": "<= 99.5%"}, self.baseline, [run()])
