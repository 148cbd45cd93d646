"""Answers to commands: one comment for each, brought up to date once the night has done it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bot.history import History
from bot.publish import replies
from bot.publish.doors import Doors
from bot.records import Asked
from tests.bot.githubs import Scene, github
from tests.bot.kept import Research

PULL = 1


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Research.start(tmp_path_factory.mktemp("target") / "repo").settings


@contextmanager
def scene() -> Iterator[tuple[Scene, Doors]]:
    with github() as s:
        s.open()
        yield s, Doors(None, None, None, s.forge)


def asks(s: Scene, text: str, login: str = "bob") -> dict:
    comment = s.repo.comment(PULL, login, text)
    return {"comment": comment.id, "pull": PULL, "login": login, "text": text, "at": 0.0}


def done(asked: dict, command: str, said: str, ago: float = 60.0) -> History:
    return History.fold([Asked(time.time() - ago, asked["comment"], "bob", command, "", said)])


def ours(s: Scene) -> list[str]:
    return [c.body for c in s.repo.comments.values() if c.login == "github-actions[bot]"]


def test_an_answer_that_is_written_while_another_is_takes_nothing_from_it(settings):
    """What one job reads before the other writes must not be what it writes afterwards."""
    with scene() as (s, doors):
        first, second = asks(s, "/autoresearch retest 1"), asks(s, "/autoresearch confirm")
        write = s.forge.write_comment

        def overtaken(*args):
            s.forge.write_comment = write
            replies.reply(Doors(None, None, None, s.as_()), settings, second, "two")
            return write(*args)

        s.forge.write_comment = overtaken
        replies.reply(doors, settings, first, "one")
        assert sorted("one" in body for body in ours(s)) == [False, True] and sorted("two" in body for body in ours(s)) == [False, True]


def test_a_job_that_is_run_again_edits_its_answer(settings):
    with scene() as (s, doors):
        asked = asks(s, "/autoresearch status")
        replies.reply(doors, settings, asked, "one")
        replies.reply(doors, settings, asked, "two")
        assert len(ours(s)) == 1 and "two" in ours(s)[0]


def test_an_answer_is_told_from_that_of_a_longer_number_and_of_another_research(settings):
    with scene() as (s, doors):
        asked = asks(s, "/autoresearch status")
        other = settings.model_copy(update={"name": f"{settings.name}2"})
        replies.reply(doors, settings, asked | {"comment": 12}, "twelve")
        replies.reply(doors, settings, asked | {"comment": 1}, "one")
        replies.reply(doors, other, asked | {"comment": 1}, "another")
        assert len(ours(s)) == 3


def test_no_answer_can_be_taken_for_a_command_or_does_anything(settings):
    with scene() as (s, doors):
        replies.reply(doors, settings, asks(s, "/autoresearch @everyone <!-- x --> [a](http://b)"), "not done: `@bob` <b>")
        (body,) = ours(s)
        assert not body.startswith("/") and "\n/" not in body and "@everyone" not in body and "@bob" not in body and "<b>" not in body
        assert body.count("<!--") == 1


def test_that_it_cannot_be_written_undoes_nothing(settings):
    with scene() as (s, _):
        s.fake.fail("POST", "/comments$", status=403, body={"message": "Resource not accessible by integration"})
        replies.reply(Doors(None, None, None, s.forge), settings, asks(s, "/autoresearch status"), "one")
        assert ours(s) == []


def test_what_the_night_did_is_added_once(settings):
    with scene() as (s, doors):
        asked = asks(s, "/autoresearch retest 7")
        replies.reply(doors, settings, asked, "the night does it")
        history = done(asked, "retest", "0007 cost -0.1 ± 0.01. @bob")
        replies.settle(doors, settings, history, PULL)
        (body,) = ours(s)
        assert "the night does it" in body and "**done: 0007 cost -0.1 ± 0.01." in body and "@bob" not in body
        writes = len(s.fake.writes())
        replies.settle(doors, settings, history, PULL)
        assert len(s.fake.writes()) == writes


def test_what_was_not_done_is_said_of_every_command(settings):
    with scene() as (s, doors):
        asked = asks(s, "/autoresearch continue 3")
        replies.reply(doors, settings, asked, "3 more experiments")
        replies.settle(doors, settings, done(asked, "continue", "not done: the night had ended"), PULL)
        assert "**not done: the night had ended**" in ours(s)[0]


@pytest.mark.parametrize("command, said, ago", [("focus", "noted", 60.0), ("retest", "0001 cost", replies.WEEK + 60)])
def test_what_nobody_waits_for_costs_no_call(settings, command, said, ago):
    with scene() as (s, doors):
        asked = asks(s, f"/autoresearch {command}")
        replies.reply(doors, settings, asked, "noted")
        calls = len(s.fake.log)
        replies.settle(doors, settings, done(asked, command, said, ago), PULL)
        assert len(s.fake.log) == calls


def test_only_our_own_answers_are_edited(settings):
    with scene() as (s, doors):
        asked = asks(s, "/autoresearch retest 1")
        fake = s.repo.comment(PULL, "mallory", f"{replies.mark(settings, asked['comment'])}-->")
        replies.settle(doors, settings, done(asked, "retest", "0001 cost"), PULL)
        assert fake.body == f"{replies.mark(settings, asked['comment'])}-->"


def test_an_answer_that_is_done_is_still_found_when_the_job_is_run_again(settings):
    with scene() as (s, doors):
        asked = asks(s, "/autoresearch retest 1")
        replies.reply(doors, settings, asked, "the night does it")
        replies.settle(doors, settings, done(asked, "retest", "0001 cost"), PULL)
        replies.reply(doors, settings, asked, "the night does it")
        assert len(ours(s)) == 1
