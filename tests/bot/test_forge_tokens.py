"""Tokens that were given, and those of a GitHub App: made, renewed before they end, in no text."""

import logging
import time

import pytest

from bot.errors import UsageError
from bot.forge.errors import ForgeError
from bot.forge.retry import Policy
from bot.forge.tokens import App, Fixed
from tests.bot.githubs import NAME, Scene, github


def app(s: Scene, **options) -> App:
    made = s.fake.app(repositories=[NAME])
    return App(str(made.app_id), made.private_key, NAME, s.fake.url, Policy(sleep=lambda seconds: None, **options))


def made(s: Scene) -> int:
    return len(s.sent("POST", "/access_tokens$"))


def test_a_given_token_is_used_as_it_is_without_the_line_break_at_its_end():
    assert Fixed(" ghs_abc\n").current() == "ghs_abc"


@pytest.mark.parametrize("token", ["", " \n", "ghs a", "ghs\na", "ghs_ä", "ghs\0"])
def test_what_cannot_be_a_token_is_refused_without_showing_it(token):
    with pytest.raises(UsageError, match="^github-token is empty or holds") as error:
        Fixed(token)
    assert not token.strip() or token not in str(error.value)


def test_no_token_or_key_shows_in_the_text_of_its_holder():
    with github() as s:
        tokens = app(s)
        secret = tokens.current()
        assert secret not in repr(tokens) and "PRIVATE" not in repr(tokens) and "ghs_abc" not in repr(Fixed("ghs_abc"))


def test_no_log_shows_a_token_or_the_apps_signature(caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "github")
    with github() as s:
        s.client(tokens := app(s)).default_branch()
        assert caplog.text and tokens.current() not in caplog.text and "Bearer" not in caplog.text


def test_an_apps_token_acts_as_the_app_on_this_repository_alone():
    with github() as s:
        s.fake.repository("alice/other")
        found = s.fake.app()
        tokens = App(str(found.app_id), found.private_key, NAME, s.fake.url)
        s.open()
        assert s.client(tokens).write_comment(1, "hello").author == "research-bot[bot]" == tokens.login()
        assert s.fake.tokens[tokens.current()].repositories == frozenset({NAME})


def test_one_token_serves_until_shortly_before_it_ends():
    with github() as s:
        now = [0.0]
        tokens = app(s, clock=lambda: now[0])
        first = tokens.current()
        now[0] = 3200.0
        assert tokens.current() == first and made(s) == 1
        now[0] = 3400.0
        assert tokens.current() != first and made(s) == 2 and len(s.sent("GET", "/installation$")) == 1


@pytest.mark.parametrize("off", [-86400, 86400])
def test_a_clock_that_is_wrong_by_a_day_changes_nothing(off):
    """A token's lifetime is the difference of two of GitHub's times; only what has passed since is measured here."""
    with github() as s:
        s.fake.clock, now = lambda: time.time() + off, [0.0]
        tokens = app(s, clock=lambda: now[0])
        first, now[0] = tokens.current(), 3200.0
        assert tokens.current() == first
        now[0] = 3400.0
        assert tokens.current() != first


def test_a_token_that_ends_in_the_middle_of_a_night_is_renewed_and_nothing_is_lost():
    with github() as s:
        tokens = app(s)
        forge = s.client(tokens)
        assert forge.default_branch() == "main"
        s.fake.revoke(tokens.current())
        assert forge.open_pull("autoresearch/nightly", "main", "t", "b", True, []).number == 1 and made(s) == 2


@pytest.mark.parametrize("fault", [{"status": 502}, {"drop": True}, {"status": 429, "headers": {"retry-after": "1"}}])
def test_a_token_is_waited_for(fault):
    with github() as s:
        s.fake.fail("GET", "/installation$", **fault)
        s.fake.fail("POST", "/access_tokens$", **fault)
        assert s.client(app(s)).default_branch() == "main"


def test_an_app_that_is_not_installed_says_where():
    with github() as s:
        found = s.fake.app(repositories=["alice/other"])
        with pytest.raises(ForgeError, match=f"not installed on {NAME}.*install it there") as error:
            App(str(found.app_id), found.private_key, NAME, s.fake.url).current()
        assert error.value.kind == "missing"


def test_a_key_of_another_app_is_refused_with_both_inputs_named():
    with github() as s:
        one, other = s.fake.app(slug="one"), s.fake.app(slug="other")
        with pytest.raises(ForgeError, match="app-id and app-private-key must belong together.*clock must be right") as error:
            App(str(one.app_id), other.private_key, NAME, s.fake.url).current()
        assert error.value.kind == "auth"


@pytest.mark.parametrize("key", ["", "secret words", "-----BEGIN RSA PRIVATE KEY-----\nsecret\n-----END RSA PRIVATE KEY-----"])
def test_what_is_no_key_is_refused_without_showing_it(key):
    with pytest.raises(UsageError, match="^app-private-key is not a private key") as error:
        App("123", key, NAME)
    assert "secret" not in str(error.value) and error.value.__cause__ is None


@pytest.mark.parametrize("app_id", ["", "my-app", "12x"])
def test_what_is_no_app_id_is_refused(app_id):
    with pytest.raises(UsageError, match="^app-id must be"):
        App(app_id, "key", NAME)


def test_a_key_whose_line_breaks_were_written_out_is_read():
    with github() as s:
        found = s.fake.app()
        assert App(str(found.app_id), found.private_key.replace("\n", "\\n"), NAME, s.fake.url).current().startswith("ghs_")


def test_a_given_token_is_not_renewed():
    assert Fixed("ghs_abc").renew() is False
