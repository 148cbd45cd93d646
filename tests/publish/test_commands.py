"""Commands in a pull request's comments: who may, what is understood, and what the next or the running night makes of it."""

import json
import threading

import pytest

from bot import orders
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


def say(world, hosted, login, text, number=1, **event):
    """Somebody comments, and the hosted job answers."""
    comment = world.repo.comment(number, login, text)
    return comment, hosted.asked(comment_event(world.repo, comment, "created") | event)


def control(world):
    try:
        return [json.loads(line) for line in world.show(LEDGER, "nightly/control.jsonl").splitlines()]
    except AssertionError:
        return []


def replies(world):
    return [c for c in world.repo.comments.values() if "autoresearch:commands" in c.body]


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
    _, result = say(world, hosted, "bob", "/autoresearch status")
    assert result.ok, result.log
    assert "cost" in replies(world)[0].body and "1 keep" in replies(world)[0].body


def test_all_commands_share_one_reply(world, hosted):
    say(world, hosted, "bob", "/autoresearch status")
    say(world, hosted, "alice", "/autoresearch help")
    assert len(replies(world)) == 1 and "/autoresearch retest ID" in replies(world)[0].body


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
    _, result = say(world, hosted, "bob", "/autoresearch deploy --now")
    assert result.ok and control(world) == before and "not a command" in replies(world)[0].body


def test_continue_starts_a_night_where_none_runs(world, hosted):
    before = len(world.repo.runs)
    _, result = say(world, hosted, "bob", "/autoresearch continue 3")
    assert result.ok and len(world.repo.runs) == before + 1, result.log


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
        assert len(world.history(box.name).experiments[1].runs("retest")) == orders.SEEDS
        box.use(mode="all")
        assert len(world.history(box.name).experiments[1].runs("retest")) == orders.SEEDS


def test_drop_takes_a_change_out_of_the_branch(tmp_path):
    with github(tmp_path, change("X", 5.0, 4.5), change("Y", 9.0, 8.0)) as world:
        world.repo.permissions["bob"] = "write"
        box, hosted = world.box(), world.box()
        box.use(mode="all")
        say(world, hosted, "bob", "/autoresearch drop 1")
        night = box.use(mode="all")
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
