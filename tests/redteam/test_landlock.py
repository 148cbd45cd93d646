"""Every cheat that a sandbox has to stop, at Landlock. A file of its own, so that another worker can take it."""

import pytest

from tests.redteam.attacks import SECOND, apart_and_together, gets_what_is_expected

APART, TOGETHER = apart_and_together(SECOND, "landlock")


@pytest.mark.slow
@pytest.mark.parametrize("name", APART)
def test_every_other_cheat(bench, name):
    gets_what_is_expected(bench, name, "landlock")


@pytest.mark.slow
@pytest.mark.parametrize("group", TOGETHER)
def test_those_that_look_for_a_way_out(bench, group):
    gets_what_is_expected(bench, TOGETHER[group], "landlock")
