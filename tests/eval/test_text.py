"""What a candidate prints is no workflow command, and stays readable."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.text import harmless


def obeyed(line: str) -> bool:
    """How a runner reads a line: trimmed at its start for the one kind of command, searched for the other."""
    return line.lstrip().startswith("::") or "##[" in line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("::error::hi", ": :error::hi"),
        ("  ::set-env name=A::b", "  : :set-env name=A::b"),
        ("\t::add-mask::e", "\t: :add-mask::e"),
        ("::::", ": :::"),
        ("x ##[error]y", "x ## [error]y"),
        ("###[group]", "### [group]"),
        ("##[##[", "## [## ["),
        ("std::vector<int> a::b", "std::vector<int> a::b"),
        ("step 3: loss 1.5 :: fine", "step 3: loss 1.5 :: fine"),
        ("100%0A::set-env name=A::b", "100%0A::set-env name=A::b"),
        ("a\x1b[31mb", "a?[31mb"),
        ("a\n::error::x", "a?::error::x"),
        ("", ""),
    ],
)
def test_a_line_as_it_is_shown(line, shown):
    assert harmless(line) == shown


@pytest.mark.parametrize("hidden", "\u00a0\u00ad\u034f\u200b\u200d\u2028\u3000\u3164\ufe0f\ufeff\x00\x0b\x1b\x85\U000e0101")
@pytest.mark.parametrize("line", ["{}::error::x", ":{}:error::x", "a ##{}[error]", "a #{}#[error]"])
def test_characters_that_cannot_be_seen_hide_no_command(hidden, line):
    """A comparison that follows a culture's rules skips them."""
    shown = harmless(line.format(hidden))
    assert hidden not in shown and not obeyed(shown)


@given(st.text(alphabet=":#[ \t?a%\u034f\u200b\n\r", max_size=12))
def test_nothing_is_a_command(line):
    assert not obeyed(harmless(line))


@given(st.text(alphabet=":#[ \t?a%", max_size=12))
def test_only_blanks_are_added(line):
    assert re.sub(" ", "", harmless(line)) == re.sub(" ", "", line)


@given(st.text())
def test_one_line_stays_one_line(line):
    assert len(harmless(line).splitlines()) <= 1
