"""Every cheat that the default suite leaves out, at the strongest level. A file of its own, so that another worker can take it."""

import pytest

from bot.selftest.judge import attack
from tests.redteam.attacks import CHEATS, STRONGEST, apart_and_together, gets_what_is_expected, together

APART, TOGETHER = apart_and_together(STRONGEST, "bubblewrap")


@pytest.mark.slow
@pytest.mark.parametrize("name", APART)
def test_every_other_cheat(bench, name):
    gets_what_is_expected(bench, name, "bubblewrap")


@pytest.mark.slow
@pytest.mark.parametrize("group", TOGETHER)
def test_those_that_look_for_a_way_out(bench, group):
    gets_what_is_expected(bench, TOGETHER[group], "bubblewrap")


@pytest.mark.slow
def test_without_a_sandbox_together_they_get_what_each_is_after(bench):
    """Else one of them would keep the others from trying."""
    names = [name for name in [*TOGETHER["network"], "network/udp"] if CHEATS[name].expect["none"] == {"reached"}]
    found = attack(bench, together(names, "none"), "none")
    servers = ("tcp", "udp", "dns", "unix", "unix_datagram", "abstract", "abstract_datagram")
    assert found.outcome == "reached" and [name for name in servers if f"the server {name}" not in found.why] == []
