"""Comments, reactions and what a user may do."""

import pytest

from bot.forge.errors import ForgeError
from tests.bot.githubs import github

MARK = "<!-- autoresearch:summary:nightly -->"


def test_our_comment_is_found_behind_150_of_others():
    with github() as s:
        s.open()
        s.repo.comment(1, "mallory", f"{MARK} mine now")
        for i in range(150):
            s.repo.comment(1, "bob", f"comment {i}")
        ours = s.forge.write_comment(1, f"{MARK}\nthe night")
        assert s.forge.find_comment(1, MARK) == ours and ours.author == "github-actions[bot]"


def test_a_comment_with_our_mark_by_someone_else_is_not_ours():
    with github() as s:
        s.open()
        for login in ("mallory", "github-actions", "other[bot]"):
            s.repo.comment(1, login, MARK)
        assert s.forge.find_comment(1, MARK) is None


@pytest.mark.parametrize("login", ["research-bot[bot]", "alice"])
def test_whoever_the_token_is_finds_its_own_comment(login):
    """An App's token that was made elsewhere, and a personal one, only say who they are when asked."""
    with github() as s:
        s.open()
        forge = s.as_(login=login)
        ours = forge.write_comment(1, MARK)
        assert ours.author == login and forge.find_comment(1, MARK) == ours


def test_an_app_finds_the_comment_that_a_jobs_token_wrote():
    with github() as s:
        s.open()
        ours = s.forge.write_comment(1, MARK)
        assert s.as_(login="research-bot[bot]").find_comment(1, MARK) == ours


def test_where_it_may_not_ask_who_it_is_it_is_a_jobs_token():
    with github() as s:
        s.open()
        ours = s.forge.write_comment(1, MARK)
        s.fake.fail("POST", "graphql", status=403, body={"message": "Resource not accessible by integration"})
        assert s.forge.find_comment(1, MARK) == ours


def test_a_comment_is_edited_in_place():
    with github() as s:
        s.open()
        first = s.forge.write_comment(1, "one")
        assert s.forge.write_comment(1, "two", first.id).id == first.id
        assert s.forge.comment(first.id).body == "two" and len(s.repo.comments) == 1


def test_a_comment_that_someone_deleted_is_written_anew():
    with github() as s:
        s.open()
        first = s.forge.write_comment(1, "one")
        del s.repo.comments[first.id]
        assert s.forge.write_comment(1, "two", first.id).id != first.id and len(s.repo.comments) == 1


@pytest.mark.parametrize("fault", [{"status": 502}, {"drop": True}])
def test_a_comment_whose_answer_is_lost_is_written_once(fault):
    with github() as s:
        s.open()
        s.fake.fail("POST", "/comments$", after=True, **fault)
        comment = s.forge.write_comment(1, "a reply\r\n")
        assert list(s.repo.comments) == [comment.id]


def test_a_lost_reply_is_known_by_its_words_whatever_became_of_its_line_breaks():
    with github() as s:
        s.open()
        stored = s.repo.comment(1, "github-actions[bot]", "two\nlines")
        s.fake.fail("POST", "/comments$", drop=True)
        assert s.forge.write_comment(1, "two\r\nlines\n").id == stored.id


def test_the_same_words_of_before_are_not_taken_for_the_reply_that_was_lost():
    with github() as s:
        s.open()
        with s.ago(60):
            old = s.forge.write_comment(1, "a reply")
        s.fake.fail("POST", "/comments$", status=502)
        assert s.forge.write_comment(1, "a reply").id != old.id


def test_a_lost_reply_is_looked_for_on_every_page():
    with github() as s:
        s.open()
        for i in range(150):
            s.repo.comment(1, "bob", f"comment {i}")
        s.fake.fail("POST", "/comments$", after=True, drop=True)
        s.forge.write_comment(1, "a reply")
        assert len(s.repo.comments) == 151


def test_a_reaction_is_given_once():
    with github() as s:
        s.open()
        comment = s.repo.comment(1, "bob", "/autoresearch status")
        s.forge.react(comment.id, "eyes")
        s.forge.react(comment.id, "eyes")
        assert [reaction.content for reaction in comment.reactions] == ["eyes"]


@pytest.mark.parametrize("role", ["admin", "maintain", "write", "triage", "read", "none"])
def test_a_users_permission_is_githubs(role):
    with github() as s:
        s.repo.permissions["bob"] = role
        assert s.forge.permission("bob") == {"maintain": "write", "triage": "read"}.get(role, role)


@pytest.mark.parametrize("login", ["nobody", "", "../../user", "bob/permission?x=", "bob\n"])
def test_whom_github_does_not_know_may_nothing(login):
    with github() as s:
        assert s.forge.permission(login) == "none"


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 403}, {"status": 401}, {"drop": True}])
def test_a_permission_that_github_does_not_tell_is_never_taken_for_one(fault):
    with github() as s:
        s.repo.permissions["bob"] = "admin"
        s.fake.fail("GET", "/permission$", times=None, **fault)
        with pytest.raises(ForgeError):
            s.as_(patience=0.2).permission("bob")
