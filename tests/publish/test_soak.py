"""A short soak. The long one is `python -m tests.publish.soak --nights 300`."""

import pytest

from tests.publish.soak import soak


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 3])
def test_some_nights_with_faults_and_people_lose_nothing(tmp_path, seed):
    played = soak(tmp_path, nights=6, seed=seed)
    assert played.wrong == [] and sum(played.happened.values()) >= 3, played.happened
