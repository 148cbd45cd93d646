"""Two machines research one target at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.publish.box import LEDGER, change, github


@pytest.mark.slow
def test_two_machines_at_once_share_one_pull_request_and_lose_no_line(tmp_path):
    with github(tmp_path, change("X", 5.0, 4.5), change("Y", 9.0, 8.0), change("X", 4.5, 4.0)) as world:
        boxes = [world.box(), world.box()]
        for _ in range(3):
            with ThreadPoolExecutor(2) as pool:
                results = list(pool.map(lambda box: box.use(mode="all", push="each", max_experiments="1"), boxes))
            assert all(result.ok for result in results), "\n".join(result.log for result in results)
        assert len(world.repo.pulls) == 1
        names = world.show(LEDGER, "nightly/", names=True)
        assert {f"nightly/{box.name}.jsonl" for box in boxes} <= set(names)
        for box in boxes:
            local = next((box.folder / "tools").rglob("ledger/nightly/local.jsonl")).read_text()
            assert world.show(LEDGER, f"nightly/{box.name}.jsonl") == local.strip()
        assert world.params() == ("X = 4.0", "Y = 8.0")
