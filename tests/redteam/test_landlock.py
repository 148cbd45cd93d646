"""Every cheat that a sandbox has to stop, at Landlock. A file of its own, so that another worker can take it."""

import pytest

from tests.redteam.attacks import SECOND, gets_what_is_expected


@pytest.mark.slow
@pytest.mark.parametrize("name", SECOND)
def test_every_other_cheat(bench, name):
    gets_what_is_expected(bench, name, "landlock")
