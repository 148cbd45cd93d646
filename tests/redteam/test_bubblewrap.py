"""Every cheat that the default suite leaves out, at the strongest level. A file of its own, so that another worker can take it."""

import pytest

from tests.redteam.attacks import STRONGEST, gets_what_is_expected


@pytest.mark.slow
@pytest.mark.parametrize("name", STRONGEST)
def test_every_other_cheat(bench, name):
    gets_what_is_expected(bench, name, "bubblewrap")
