"""Commands in a pull request's comments: who may, what is understood, and what the next or the running night makes of it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot import orders, tasks
from tests.forge.events import comment_event
from tests.publish.box import BRANCH, LEDGER, change, github


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with github(tmp_path_factory.mktemp("world"), change("X", 5.0, 4.5)) as found:
        assert found.box().use(mode="all").outputs["pr-number"] == "1"
        found.repo.permissions |= {"alice": "admin", "bob": "write", "reader": "read"}
        yield found


@pytest.fixture(scope="module")
def hosted(world):
    return world.box()


def say(world, hosted, login, text, number=1, workflow="nightly.yml", **event):
    """Somebody comments, and the hosted job answers."""
    comment = world.repo.comment(number, login, text)
    return comment, hosted.asked(comment_event(world.repo, comment, "created") | event, workflow)


def control(world):
    try:
        return [json.loads(line) for line in world.show(LEDGER, "nightly/control.jsonl").splitlines()]
    except AssertionError:
        return []


def replies(world):
    return [c for c in world.repo.comments.values() if "<!-- autoresearch:command:" in c.body]


def answer(world, comment):
    """To one command."""
    (found,) = [c for c in replies(world) if f":{comment.id} " in c.body]
    return found.body


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/autoresearch stop", ("stop", "")),
        ("  /autoresearch   retest #7 \n", ("retest", "7")),
        ("/autoresearch continue", ("continue", "")),
        ("/autoresearch continue 20", ("continue", "20")),
        ('/autoresearch focus "try a longer warm-up"', ("focus", "try a longer warm-up")),
        ("/autoresearch", None),
        ("/autoresearch stop; rm -rf /", None),
        ("/autoresearch retest $(id)", None),
        ("/autoresearch retest 7 8", None),
        ("/autoresearch continue 0", None),
        ("/autoresearch deploy", None),
        ("please\n/autoresearch stop", None),
        ("/autoresearch stop\n/autoresearch drop 1", None),
        ('/autoresearch focus "a" "b"', None),
        ('/autoresearch focus "a\nb"', None),
        ("/Autoresearch stop", None),
    ],
)
def test_a_command_is_one_line_of_a_strict_grammar(text, found):
    assert orders.parse(text) == found


def test_status_answers_from_the_ledger_branch(world, hosted):
    comment, result = say(world, hosted, "bob", "/autoresearch status")
    assert result.ok, result.log
    assert "cost" in answer(world, comment) and "1 of 1 change kept" in answer(world, comment)


def test_a_command_has_one_reaction_and_one_answer_however_often_its_job_is_run(world, hosted):
    comment, _ = say(world, hosted, "alice", "/autoresearch help")
    before = len(replies(world))
    hosted.asked(comment_event(world.repo, comment, "created"))
    assert [each.content for each in comment.reactions] == ["eyes"] and len(replies(world)) == before
    assert "/autoresearch retest ID" in answer(world, comment) and "**alice** asked: /autoresearch help" in answer(world, comment)


@pytest.mark.slow
def test_two_commands_at_once_are_both_done_and_both_answered(tmp_path):
    with github(tmp_path, change("X", 5.0, 4.5)) as world:
        world.repo.permissions["bob"] = "write"
        world.box().use(mode="all")
        boxes, said = [world.box() for _ in range(3)], ("retest 1", "confirm", 'focus "less"')
        comments = [world.repo.comment(1, "bob", f"/autoresearch {text}") for text in said]
        for box in boxes:
            box.job()  # the slow part: a tool cache
        with ThreadPoolExecutor(3) as pool:
            done = [*pool.map(lambda box, comment: box.asked(comment_event(world.repo, comment, "created")), boxes, comments)]
        assert all(result.ok for result in done), "\n".join(result.log for result in done)
        assert {line["comment"] for line in control(world)} == {comment.id for comment in comments}
        assert all(answer(world, comment) for comment in comments) and len(replies(world)) == 3


@pytest.mark.parametrize("login", ["reader", "stranger"])
def test_who_may_not_write_is_refused(world, hosted, login):
    before = control(world)
    _, result = say(world, hosted, login, "/autoresearch retest 1")
    assert not result.ok and control(world) == before


def test_nobody_may_while_github_does_not_say_who(world, hosted):
    before = control(world)
    with world.fake.fail("GET", "/permission$", status=404, times=None, body={"message": "Not Found"}):
        _, result = say(world, hosted, "bob", "/autoresearch retest 1")
    assert not result.ok and control(world) == before


@pytest.mark.parametrize("event", [{"action": "edited"}, {"action": "deleted"}])
def test_only_a_new_comment_counts(world, hosted, event):
    before = control(world)
    _, result = say(world, hosted, "bob", "/autoresearch retest 1", **event)
    assert result.ok and control(world) == before


def test_a_bots_comment_is_no_command(world, hosted):
    before = control(world)
    say(world, hosted, "github-actions[bot]", "/autoresearch retest 1")
    assert control(world) == before


def test_a_pull_request_from_a_fork_is_not_ours(world, hosted):
    before = control(world)
    fork = world.repo.fork("mallory")
    fork.push_as("mallory", BRANCH, {"params.py": "X = 0\n"}, "evil")
    pull = world.repo.open("mallory", BRANCH, "mine", source=fork)
    say(world, hosted, "bob", "/autoresearch retest 1", number=pull.number)
    assert control(world) == before


def test_an_unknown_command_is_told_which_there_are(world, hosted):
    before = control(world)
    comment, result = say(world, hosted, "bob", "/autoresearch deploy --now")
    assert result.ok and control(world) == before and "not a command" in answer(world, comment)


def test_continue_starts_a_night_where_none_runs(world, hosted):
    before = len(world.repo.runs)
    _, result = say(world, hosted, "bob", "/autoresearch continue 3")
    assert result.ok and len(world.repo.runs) == before + 1, result.log
    [*_, run] = world.repo.runs.values()
    assert (run.workflow, run.inputs) == ("nightly.yml", {"max-experiments": "3"})
    run.status = "completed"


def test_what_github_does_not_do_is_said_in_the_answer_and_fails_the_job(world, hosted):
    world.fake.fail("POST", "/dispatches$", status=422, body={"message": "Workflow does not have 'workflow_dispatch' trigger"})
    comment, result = say(world, hosted, "bob", "/autoresearch continue")
    assert not result.ok and "not done: GitHub cannot start the workflow nightly.yml" in answer(world, comment)


@pytest.mark.slow
def test_an_order_is_written_once_and_done_once_by_the_next_night(tmp_path):
    with github(tmp_path, change("X", 5.0, 4.5)) as world:
        world.repo.permissions["bob"] = "write"
        box, hosted = world.box(), world.box()
        box.use(mode="all")
        comment, result = say(world, hosted, "bob", "/autoresearch retest 1")
        assert result.ok, result.log
        hosted.asked(comment_event(world.repo, comment, "created"))  # the job is run again
        assert [order["command"] for order in control(world)] == ["retest"]
        night = box.use(mode="all")
        assert night.ok and "asks: retest 1" in night.log, night.log
        assert len(world.history(box.name).experiments[1].runs("retest")) == tasks.SEEDS
        box.use(mode="all")
        assert len(world.history(box.name).experiments[1].runs("retest")) == tasks.SEEDS


def test_drop_takes_a_change_out_of_the_branch(tmp_path):
    with github(tmp_path, change("X", 5.0, 4.5), change("Y", 9.0, 8.0)) as world:
        world.repo.permissions["bob"] = "write"
        box, hosted = world.box(), world.box()
        box.use(mode="all")
        comment, _ = say(world, hosted, "bob", "/autoresearch drop 1")
        assert "the night does it" in answer(world, comment) and "taken out" not in answer(world, comment)
        night = box.use(mode="all")
        assert "**done: 0001 is taken out of the stack**" in answer(world, comment)
        assert night.ok and world.params() == ("X = 5.0", "Y = 8.0"), night.log
        assert world.history(box.name).asked and "taken out" in world.history(box.name).prunes[0].why


@pytest.mark.slow
def test_focus_is_kept_as_data(tmp_path):
    with github(tmp_path, change("X", 5.0, 4.5)) as world:
        world.repo.permissions["bob"] = "write"
        box, hosted = world.box(), world.box()
        box.use(mode="all")
        say(world, hosted, "bob", '/autoresearch focus "smaller X"')
        box.use(mode="all")
        (asked,) = world.history(box.name).asked.values()
        assert (asked.command, asked.argument) == ("focus", "smaller X")


@pytest.mark.slow
def test_stop_ends_the_running_night_between_two_experiments(tmp_path):
    with github(tmp_path, *(change("X", 5.0, round(5.2 + i / 10, 1)) for i in range(40))) as world:
        world.repo.permissions["bob"] = "write"
        box, hosted, done = world.box(), world.box(), {}
        first = threading.Thread(target=lambda: done.setdefault("night", box.use(mode="all", push="each")))
        first.start()
        while not world.repo.branch(LEDGER):
            first.join(0.2)
        world.repo.push_as("autoresearch", BRANCH, {"params.py": "X = 1\n"}, "for a pull request to comment on")
        pull = world.repo.open("alice", BRANCH, "the night's")
        _, result = say(world, hosted, "bob", "/autoresearch stop", number=pull.number)
        first.join(120)
        assert result.ok and "stopped by bob" in done["night"].log, done["night"].log
        assert done["night"].outputs["status"] == "cancelled"


RESEARCH = "run-name: autoresearch/${{ inputs.name }}\non:\n  workflow_dispatch:\n    inputs:\n      name: {}\n      max-experiments: {}\n"


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two researches of one repository: the one of its settings, and another that a form was started with."""
    with github(tmp_path_factory.mktemp("two"), change("X", 5.0, 4.5)) as found:
        found.repo.permissions["bob"] = "write"
        found.repo.push_as("alice", "main", {".github/workflows/research.yml": RESEARCH}, "a form")
        box = found.box()
        assert box.use(mode="all").outputs["pr-number"] == "1"
        assert box.use(mode="all", name="other").outputs["pr-number"] == "2"
        yield found


@pytest.fixture(scope="module")
def clerk(two):
    return two.box()


class TestAnotherResearch:
    """Found by the branch of the pull request that the comment is on."""

    def test_its_orders_are_its_own(self, two, clerk):
        _, result = say(two, clerk, "bob", "/autoresearch retest 1", number=2)
        assert result.ok and result.outputs["branch"] == "autoresearch/other", result.log
        assert '"retest"' in two.show(LEDGER, "other/control.jsonl") and control(two) == []

    @pytest.mark.slow
    def test_its_status_is_its_own(self, two, clerk):
        comment, _ = say(two, clerk, "bob", "/autoresearch status", number=2)
        assert "<!-- autoresearch:command:other:" in answer(two, comment) and "1 of 1 change kept" in answer(two, comment)

    def test_stopping_it_cancels_no_other(self, two, clerk):
        nightly, mine, theirs = two.repo.run("nightly.yml"), two.repo.run("research.yml"), two.repo.run("research.yml")
        mine.title, theirs.title = "autoresearch/other", "autoresearch/third"
        say(two, clerk, "bob", "/autoresearch stop", number=2, workflow="nightly.yml, research.yml")
        assert [run.conclusion for run in (nightly, mine, theirs)] == [None, "cancelled", None]
        nightly.status = theirs.status = "completed"

    @pytest.mark.slow
    def test_stopping_our_own_cancels_what_a_form_without_a_name_began(self, two, clerk):
        nightly, form, other = two.repo.run("nightly.yml"), two.repo.run("research.yml"), two.repo.run("research.yml")
        form.title, other.title = "autoresearch/", "autoresearch/other"
        say(two, clerk, "bob", "/autoresearch stop", number=1, workflow="nightly.yml, research.yml")
        assert [run.conclusion for run in (nightly, form, other)] == ["cancelled", "cancelled", None]
        other.status = "completed"

    def test_continuing_it_starts_the_workflow_that_takes_a_name(self, two, clerk):
        _, result = say(two, clerk, "bob", "/autoresearch continue 5", number=2, workflow="nightly.yml, research.yml")
        [*_, run] = two.repo.runs.values()
        assert (run.workflow, run.inputs) == ("research.yml", {"max-experiments": "5", "name": "other"}), result.log
        run.status = "completed"

    @pytest.mark.slow
    def test_where_no_workflow_takes_a_name_the_answer_says_so(self, two, clerk):
        comment, result = say(two, clerk, "bob", "/autoresearch continue", number=2)
        assert not result.ok and "nightly.yml has no input" in answer(two, comment)

    @pytest.mark.slow
    def test_where_it_is_not_known_to_run_the_order_is_written_all_the_same(self, two, clerk):
        nightly = two.repo.run("nightly.yml")
        comment, _ = say(two, clerk, "bob", "/autoresearch stop", number=2)
        assert nightly.conclusion is None and f'"comment":{comment.id}' in two.show(LEDGER, "other/control.jsonl")
        assert "a night elsewhere ends before its next experiment" in answer(two, comment)
        nightly.status = "completed"

    @pytest.mark.parametrize(
        "branch", ["autoresearch/unknown", *(pytest.param(b, marks=pytest.mark.slow) for b in ("autoresearch/a/b", "feature"))]
    )
    def test_a_branch_that_is_no_researchs_is_not_ours(self, two, clerk, branch):
        if not two.repo.branch(branch):
            two.repo.push_as("alice", branch, {"params.py": "X = 0\n"}, "by hand")
        pull, before = two.repo.open("alice", branch, "by hand"), len(replies(two))
        _, result = say(two, clerk, "bob", "/autoresearch retest 1", number=pull.number)
        assert result.ok and "nothing was done" in result.log and len(replies(two)) == before
        assert "unknown" not in two.show(LEDGER, ".", names=True)

    @pytest.mark.slow
    def test_a_job_for_one_research_leaves_the_others_alone(self, two, clerk):
        comment = two.repo.comment(2, "bob", "/autoresearch retest 1")
        result = clerk.job(event=comment_event(two.repo, comment, "created"), event_name="issue_comment").use(
            mode="comment", name="nightly"
        )
        assert result.ok and "no pull request of nightly" in result.log, result.log
