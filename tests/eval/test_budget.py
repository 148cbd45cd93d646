"""Budgets and durations as text."""

import pytest

from eval.budget import Budget, format_duration, parse_duration


@pytest.mark.parametrize("seconds", [0.1, 0.1234567, 5.0, 90.0, 300.0, 5400.0, 7200.0, 100_001.0, 1_000_001.0, 1234567.25, 0.00001])
def test_a_duration_survives_being_written_and_read(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "5", "0s", "-5s", "5 s", "1e3s", "5m cpu", "9" * 400 + "s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["5m", "10s cpu", "90s", "1.5s cpu"])
def test_a_budget_is_written_as_it_is_read(text):
    assert Budget.parse(str(Budget.parse(text))) == Budget.parse(text)


def test_the_save_allowance_is_a_hundredth_or_a_second_and_the_bytes():
    assert Budget(5.0).save_allowance(0) == 1.0 and Budget(600.0).save_allowance(1_000_000_000) == 8.0
