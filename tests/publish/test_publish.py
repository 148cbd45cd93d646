"""Nights through action.yml against the local GitHub: what is pushed, what the pull request becomes, what a human's no means."""

import pytest

from bot.publish.pull import NOTHING_LEFT
from tests.forge.events import comment_event
from tests.publish.box import BRANCH, LEDGER, NAME, PARAMS, change, github


@pytest.fixture
def world(tmp_path):
    with github(tmp_path, change("X", 5.0, 4.5)) as found:
        yield found


@pytest.fixture
def night(world):
    box = world.box()
    return world, box, box.use(mode="all")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """For tests that leave it as it is."""
    with github(tmp_path_factory.mktemp("first"), change("X", 5.0, 4.5)) as world:
        box = world.box()
        yield world, box, box.use(mode="all")


def test_a_night_ends_in_one_pull_request(first):
    world, _, result = first
    assert result.ok and result.outputs["status"] == "improved", result.log
    assert (result.outputs["pr-number"], result.outputs["pr-operation"]) == ("1", "created")
    (pull,) = world.repo.pulls.values()
    assert pull.head == BRANCH and "cost" in pull.title and world.params() == ("X = 4.5", "Y = 9.0")
    assert result.outputs["head-sha"] == world.repo.branch(BRANCH)


def test_the_ledger_branch_has_all_of_it(first):
    world, box, _ = first
    names = world.show(LEDGER, "nightly/", names=True)
    assert {f"nightly/{name}" for name in (f"{box.name}.jsonl", "patches", "report.md", "progress.png", "results.tsv")} <= set(names)
    assert world.history(box.name).experiments[1].status == "keep"


def test_publishing_again_writes_nothing_at_all(first):
    """One pull request, one comment behind 150 of others, one check run: each found again, and as it should be."""
    world, box, _ = first
    for i in range(150):
        world.repo.comment(1, "bob", f"comment {i}")
    before, body, ours = len(world.writes()), world.repo.pulls[1].body, [c.body for c in comments(world)]
    result = box.use(mode="publish")
    assert result.ok and result.outputs["pr-operation"] == "updated", result.log
    assert world.writes()[before:] == []
    assert len(world.repo.pulls) == len(ours) == len(world.repo.checks) == 1
    assert world.repo.pulls[1].body == body and [c.body for c in comments(world)] == ours


def comments(world):
    return [c for c in world.repo.comments.values() if c.login == "github-actions[bot]"]


@pytest.mark.slow
def test_a_night_without_a_keep_opens_nothing(tmp_path):
    with github(tmp_path, change("X", 5.0, 5.5)) as world:
        result = world.box().use(mode="all")
        assert result.ok and result.outputs["status"] == "no-improvement" and result.outputs["pr-operation"] == "none"
        assert not world.repo.pulls and not world.repo.branch(BRANCH) and world.repo.branch(LEDGER)


@pytest.mark.slow
def test_a_pull_request_of_which_nothing_is_left_is_closed_and_says_why(night):
    """Its only change was taken out again: by a person here."""
    world, box, _ = night
    world.repo.permissions["bob"] = "write"
    comment = world.repo.comment(1, "bob", "/autoresearch drop 1")
    assert world.box().asked(comment_event(world.repo, comment, "created")).ok
    result = box.use(mode="all")
    assert result.ok and (result.outputs["pr-operation"], world.repo.pulls[1].state) == ("closed", "closed"), result.log
    assert sum(NOTHING_LEFT in c.body for c in comments(world)) == 1
    again = box.use(mode="all")
    assert again.ok and again.outputs["pr-operation"] == "none" and len(world.repo.pulls) == 1
    assert sum(NOTHING_LEFT in c.body for c in comments(world)) == 1


@pytest.mark.slow
def test_a_dry_run_writes_nothing(world):
    result = world.box().use(mode="all", dry_run="true")
    assert result.ok and "dry run" in result.log and world.writes() == []
    assert not world.repo.branch(BRANCH) and not world.repo.branch(LEDGER)


@pytest.mark.slow  # by default test_canaries.py has such a pair
def test_a_machine_that_may_only_read_hands_over_what_another_publishes(world, tmp_path):
    reader, publisher, folder = world.box(contents="read"), world.box(), tmp_path / "handed"
    first = reader.use(mode="run", publication=str(folder))
    assert first.ok and first.outputs["status"] == "improved" and world.writes() == []
    second = publisher.use(mode="publish", publication=str(folder))
    assert second.ok and second.outputs["pr-operation"] == "created", second.log
    assert world.params() == ("X = 4.5", "Y = 9.0") and world.history(reader.name).experiments[1].status == "keep"


@pytest.mark.slow
def test_the_second_night_updates_the_same_pull_request(night):
    world, box, _ = night
    world.propose(change("Y", 9.0, 8.0))
    result = box.use(mode="all")
    assert result.ok and (result.outputs["pr-number"], result.outputs["pr-operation"]) == ("1", "updated"), result.log
    assert len(world.repo.pulls) == 1 and world.params() == ("X = 4.5", "Y = 8.0")
    assert "Y to 8.0" in world.repo.pulls[1].body


@pytest.mark.slow
def test_what_was_merged_is_not_offered_again(night):
    world, box, _ = night
    world.repo.merge(1, how="squash")
    again = box.use(mode="all")
    assert again.ok and again.outputs["pr-operation"] == "none" and len(world.repo.pulls) == 1, again.log
    world.propose(change("Y", 9.0, 8.0))
    result = box.use(mode="all")
    assert result.outputs["pr-number"] == "2", result.log
    assert world.params() == ("X = 4.5", "Y = 8.0") and world.params("main") == ("X = 4.5", "Y = 9.0")
    assert "X to 4.5" not in world.repo.pulls[2].title


@pytest.mark.slow
def test_a_base_that_moved_is_what_the_pull_request_is_about(night):
    world, box, _ = night
    world.repo.push_as("alice", "main", {"params.py": PARAMS.format(x=5.0, y=8.5)}, "main moves")
    result = box.use(mode="all")
    assert result.ok and result.outputs["pr-operation"] == "updated", result.log
    assert world.params() == ("X = 4.5", "Y = 8.5") and world.repo.test_merge(world.repo.pulls[1]) is not None


@pytest.mark.slow
def test_a_pull_request_that_was_closed_stays_closed_until_there_is_more(night):
    world, box, _ = night
    world.repo.close(1)
    result = box.use(mode="all")
    assert result.ok and result.outputs["pr-operation"] == "none" and len(world.repo.pulls) == 1
    world.propose(change("Y", 9.0, 8.0))
    assert box.use(mode="all").outputs["pr-number"] == "2"


@pytest.mark.slow  # by default tests/bot/test_colleagues.py has it, without GitHub
def test_a_colleagues_commit_is_built_upon_and_never_overwritten(night):
    world, box, _ = night
    theirs = world.repo.push_as("carol", BRANCH, {"params.py": PARAMS.format(x=4.5, y=7.0)}, "by hand")
    world.propose(change("X", 4.5, 4.0))
    result = box.use(mode="all")
    assert result.ok, result.log
    assert world.params() == ("X = 4.0", "Y = 7.0")
    assert world.contains(BRANCH, theirs)


@pytest.mark.slow
def test_another_machine_goes_on_where_one_was_lost(night):
    world, box, _ = night
    world.propose(change("Y", 9.0, 8.0))
    other = world.box()
    result = other.use(mode="all")
    assert result.ok and result.outputs["pr-number"] == "1", result.log
    assert world.params() == ("X = 4.5", "Y = 8.0")
    known = world.history(other.name)
    assert [e.status for e in known.experiments.values()] == ["baseline", "keep", "keep"]


@pytest.mark.slow
def test_a_token_that_died_in_the_night_costs_nothing_but_the_publishing(night):
    world, box, _ = night
    world.propose(change("Y", 9.0, 8.0))
    world.fake.revoke(box.token)
    work = box.job()  # before the token died, a checkout was made
    result = work.use(mode="all", push="each")
    assert not result.ok and result.outputs["status"] == "failed" and result.outputs["kept"] == "1"
    assert any(kind == "error" and "token" in text for kind, text in result.annotations), result.log
    box.token = world.fake.token()
    result = box.use(mode="publish")
    assert result.ok and result.outputs["pr-operation"] == "updated" and world.params() == ("X = 4.5", "Y = 8.0")


@pytest.mark.slow
def test_a_machine_without_a_record_does_not_begin_before_it_knows_whether_there_is_one(world):
    box = world.box()
    world.fake.revoke(box.token)
    result = box.use(mode="all")
    assert not result.ok and result.outputs["experiments"] in ("", "0"), result.log


@pytest.mark.slow
def test_a_machine_that_kept_nothing_leaves_anothers_pull_request_open(night):
    world, _, _ = night
    other = world.box()
    (other.folder).mkdir()
    result = other.use(mode="all", name="nightly", max_experiments="1", proposer="constants")
    assert world.repo.pulls[1].state == "open", result.log


@pytest.mark.slow
@pytest.mark.parametrize("how", ["merge", "squash"])
def test_what_is_merged_while_it_is_published_is_not_offered_again(night, how):
    world, box, _ = night
    world.repo.merge(1, how=how, delete_branch=True)
    result = box.use(mode="publish")
    assert result.ok and len(world.repo.pulls) == 1 and not world.repo.branch(BRANCH), result.log


@pytest.mark.slow
def test_a_no_stands_when_the_base_moves(night):
    world, box, _ = night
    world.repo.close(1)
    world.repo.push_as("alice", "main", {"params.py": PARAMS.format(x=5.0, y=8.5)}, "main moves")
    result = box.use(mode="all")
    assert result.ok and result.outputs["pr-operation"] == "none" and len(world.repo.pulls) == 1, result.log


@pytest.mark.slow
def test_another_machine_has_the_commits_of_a_deleted_branch(night):
    world, _, _ = night
    world.repo.merge(1, how="squash", delete_branch=True)
    world.propose(change("Y", 9.0, 8.0))
    result = world.box().use(mode="all")
    assert result.ok and world.params() == ("X = 4.5", "Y = 8.0"), result.log


CI = {".github/workflows/ci.yml": "on: [push, pull_request]\njobs: {}\n"}


SLOW = [pytest.param(*case, marks=pytest.mark.slow) for case in ((False, {}, False), (True, CI, False))]


@pytest.mark.parametrize("app, files, told", [(False, CI, True), *SLOW])
def test_whose_checks_will_not_start_by_themselves_is_told_when_it_is_opened(world, app, files, told):
    if files:
        world.repo.push_as("alice", "main", files, "checks")
    made = world.fake.app(repositories=[NAME])
    given = {"app_id": str(made.app_id), "app_private_key": made.private_key} if app else {}
    box = world.box()
    first = box.use(mode="all", **given)
    assert first.outputs["pr-operation"] == "created", first.log
    assert any("a GitHub App" in text and "#1" in text for kind, text in first.annotations if kind == "warning") is told
    if told:
        assert not box.use(mode="publish").annotations
