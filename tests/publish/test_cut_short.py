"""Nights in one job (mode `all`) that end before their time, by a signal, a kill or an error: what is recorded is published."""

import os
import signal
import time

import pytest

from tests.forge.events import comment_event
from tests.publish.box import BRANCH, CONFIG, LEDGER, SCORE, Box, World, change, github

LOSS = change("X", 4.5, 6.0)
SLOW = "import time\nfrom params import X\nif X > 5.5: time.sleep(60)\n" + SCORE
FOURTH = """import os, sys
from params import X
if X == 4.5:
    with open({path!r}, "a") as file: file.write("x")
    if os.path.getsize({path!r}) > 3: sys.exit("no such kernel")
"""  # the gain is measured three times, and then runs no more: as champion


@pytest.fixture
def slow(tmp_path):
    """A gain, and then a change whose run takes a minute."""
    with github(tmp_path, change("X", 5.0, 4.5), LOSS) as world:
        world.repo.push_as("alice", "main", {"score.py": SLOW}, "slow")
        yield world


def measuring(box: Box, what: str = "X to 6.0") -> bool:
    """Whether that change is measured now, for a second."""
    path = next((box.folder / "tools").rglob("ledger/nightly/local.jsonl"), None)
    return bool(path) and what in path.read_text() and time.time() > path.stat().st_mtime + 1


def check_published(world: World, box: Box, result) -> None:
    """The kept change and every line of the record, in one pull request."""
    assert result.steps["rescue"]["outcome"] == "success", result.log
    assert (result.outputs["pr-number"], result.outputs["pr-operation"]) == ("1", "created") and result.outputs["kept"] == "1"
    assert world.params() == ("X = 4.5", "Y = 9.0") and world.repo.pulls[1].head_sha == world.repo.branch(BRANCH)
    local = next((box.folder / "tools").rglob("ledger/nightly/local.jsonl")).read_text()
    assert world.show(LEDGER, f"nightly/{box.name}.jsonl") == local.strip()


def test_a_cancelled_night_is_published_and_stays_cancelled(slow):
    box = slow.box()
    job = box.job()
    job.cancel = lambda: measuring(box)
    result = job.use(mode="all")
    assert (
        result.steps["main"]["outcome"] == "cancelled" and result.steps["main"]["seconds"] < 7 and result.outputs["status"] == "cancelled"
    )
    check_published(slow, box, result)
    assert slow.history(box.name).last_stopped.reason == "stopped by SIGINT" and slow.history(box.name).pending.id == 2
    assert len(slow.repo.checks) == 1 and not [text for kind, text in result.annotations if kind == "error"]
    assert result.summary.startswith("# autoresearch/nightly") and "## autoresearch/nightly" not in result.summary  # the report, once


@pytest.mark.slow
def test_a_killed_controllers_night_is_published_and_has_failed(slow):
    box = slow.box()
    job, pids = box.job(), []
    job.began = pids.append
    job.cancel = lambda: bool(measuring(box) and len(pids) == 2 and os.kill(pids[1], signal.SIGKILL))
    result = job.use(mode="all")
    assert result.steps["main"]["outcome"] == "failure" and result.outputs["status"] == "failed"
    check_published(slow, box, result)
    assert "X to 4.5" in result.summary


@pytest.mark.slow
def test_a_stop_in_a_comment_cancels_the_run_and_what_it_found_is_shown(slow):
    """The whole way: the comment, the API's cancellation, the signal, the record, the pull request, the next night."""
    slow.repo.permissions["bob"] = "write"
    box, hosted, said = slow.box(), slow.box(), []
    run = slow.repo.run("nightly.yml")
    job = box.job()

    def cancelled() -> bool:
        if not said and slow.repo.branch(BRANCH) and measuring(box):
            pull = slow.repo.open("alice", BRANCH, "the night's")
            said.append(slow.repo.comment(pull.number, "bob", "/autoresearch stop"))
            assert hosted.asked(comment_event(slow.repo, said[0], "created")).ok
        return run.conclusion == "cancelled"

    job.cancel = cancelled
    result = job.use(mode="all", push="each")
    assert result.outputs["status"] == "cancelled" and result.outputs["pr-operation"] == "updated", result.log
    history = slow.history(box.name)
    assert history.pending.id == 2 and history.experiments[1].status == "keep"
    slow.repo.push_as("alice", "main", {"score.py": SCORE}, "fast")
    assert box.use(mode="all").ok
    history = slow.history(box.name)
    assert history.asked[said[0].id].said == "the night that it was meant for had ended" and not history.pending


@pytest.mark.slow
def test_a_cancelled_dry_run_writes_nothing(slow):
    box = slow.box()
    job = box.job()
    job.cancel = lambda: measuring(box)
    result = job.use(mode="all", dry_run="true")
    assert result.outputs["status"] == "cancelled" and result.steps["rescue"]["outcome"] == "skipped" and slow.writes() == []


@pytest.mark.slow
def test_a_cancelled_machine_that_may_only_read_has_handed_over_what_it_found(slow, tmp_path):
    box, publisher, folder = slow.box(contents="read"), slow.box(), tmp_path / "handed"
    job = box.job()
    job.cancel = lambda: measuring(box)
    result = job.use(mode="run", publication=str(folder))
    assert result.steps["main"]["seconds"] < 7 and result.steps["rescue"]["outcome"] == "skipped" and slow.writes() == []
    second = publisher.use(mode="publish", publication=str(folder))
    assert second.ok and second.outputs["pr-operation"] == "created" and slow.params() == ("X = 4.5", "Y = 9.0"), second.log


def test_a_night_that_is_cancelled_before_it_has_begun_has_nothing_to_publish(tmp_path):
    with github(tmp_path, LOSS) as world:
        job = world.box().job()
        began = []
        job.began = lambda pid: began.append(time.monotonic())
        job.cancel = lambda: len(began) == 2 and time.monotonic() > began[1] + 0.1
        result = job.use(mode="all")
        assert result.outputs["status"] == "cancelled" and result.steps["rescue"]["outcome"] == "skipped" and world.writes() == []


@pytest.mark.slow
def test_a_night_that_ends_by_an_error_is_published_and_has_failed(tmp_path):
    with github(tmp_path, change("X", 5.0, 4.5)) as world:
        world.repo.push_as("alice", "main", {"score.py": FOURTH.format(path=str(tmp_path / "count")) + SCORE}, "breaks")
        box = world.box()
        result = box.use(mode="all")
        assert result.steps["main"]["code"] == 1 and result.outputs["status"] == "failed"
        assert any(kind == "error" and "no such kernel" in text for kind, text in result.annotations), result.log
        assert result.steps["rescue"]["outcome"] == "skipped" and result.outputs["pr-operation"] == "created"
        assert world.params() == ("X = 4.5", "Y = 9.0") and world.history(box.name).experiments[1].status == "keep"


@pytest.mark.slow
def test_a_night_that_cannot_begin_publishes_nothing(tmp_path):
    """Its error is about the settings, and what there was is published already."""
    with github(tmp_path, change("X", 5.0, 4.5)) as world:
        box = world.box()
        assert box.use(mode="all").ok
        world.repo.push_as("alice", "main", {"autoresearch.yml": CONFIG + "direction: max\n"}, "oops")
        result = box.use(mode="all")
        assert not result.ok and result.outputs["status"] == "failed" and result.outputs["pr-operation"] == "", result.log


@pytest.mark.slow
def test_what_is_given_for_another_job_is_not_read_where_one_job_does_both(tmp_path):
    with github(tmp_path, change("X", 5.0, 4.5)) as world:
        result = world.box().use(mode="all", publication=str(tmp_path / "none"))
        assert result.ok and result.outputs["pr-operation"] == "created", result.log
