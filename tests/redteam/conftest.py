import sys

import pytest

from bot.selftest import suite


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with suite.bench(sys.executable, sys.executable, "cpu", tmp_path_factory.mktemp("redteam")) as setup:
        yield setup
