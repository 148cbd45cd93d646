"""When a call is repeated, how long it waits, and how many calls an hour there are: on a simulated clock."""

import re

import pytest

from bot.forge.call import Answer, Call, Dropped, Refused
from bot.forge.errors import ForgeError
from bot.forge.retry import Policy, Retry

READ = Call("GET", "/x", "read it", "contents: read")
WRITE = Call("PATCH", "/x", "change it", "contents: write")
CREATE = Call("POST", "/x", "make it", "contents: write")
OK = Answer(200, {}, "done")
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}


class Clock:
    """Time that passes only while someone sleeps."""

    def __init__(self) -> None:
        self.now, self.sleeps = 1000.0, []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


class Line:
    """A server at the end of the line: gives each of `answers` once, then `OK`, and keeps when each call came."""

    def __init__(self, clock: Clock, *answers: Answer | Dropped, took: float = 0.0):
        self.clock, self.answers, self.took, self.times = clock, list(answers), took, []

    def send(self, call: Call) -> Answer:
        self.times.append(self.clock.now)
        self.clock.now += self.took
        answer = self.answers.pop(0) if self.answers else OK
        if isinstance(answer, Dropped):
            raise answer
        if answer.status >= 300:
            raise Refused(call, answer)
        return answer


def retry(line: Line, patience: float = 60.0, renew=lambda: False, note=lambda text: None) -> Retry:
    return Retry(line.send, renew, Policy(patience, line.clock.sleep, line.clock, note))


@pytest.mark.parametrize("trouble", [Answer(500), Answer(502), Answer(503), Answer(408), Dropped("reset"), Answer(422, {}, {
    "message": "Validation Failed", "errors": [{"message": "Could not resolve to a node with the global id of 'PR_1'."}]})])  # fmt: skip
def test_what_may_pass_is_tried_again(trouble):
    line = Line(Clock(), trouble, trouble)
    assert retry(line).run(READ) == OK and len(line.times) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422])
def test_what_will_be_the_same_again_is_not_tried_again(status):
    line = Line(Clock(), Answer(status, {}, {"message": "no"}))
    with pytest.raises(ForgeError) as error:
        retry(line).run(READ)
    assert error.value.status == status and error.value.said == "no" and len(line.times) == 1


def test_the_waits_between_tries_grow_and_differ():
    line = Line(Clock(), *[Answer(500)] * 6)
    retry(line, patience=600).run(READ)
    bounds = [1, 2, 4, 8, 16, 30]
    assert all(bound / 2 <= sleep <= bound for sleep, bound in zip(line.clock.sleeps, bounds, strict=True))
    assert len({sleep / bound for sleep, bound in zip(line.clock.sleeps, bounds, strict=True)}) == 6


def test_it_gives_up_when_the_patience_is_spent_and_says_so():
    line = Line(Clock(), *[Answer(502)] * 1000)
    with pytest.raises(ForgeError, match="cannot read it: it answered 502, for 60 s. Nothing is lost") as error:
        retry(line).run(READ)
    assert error.value.kind == "network" and 55 <= line.clock.now - 1000 <= 61


def test_hours_of_patience_outlast_a_network_that_is_gone_for_hours():
    line = Line(Clock(), *[Dropped("gone")] * 1500)
    assert retry(line, patience=100 * 3600).run(READ) == OK


def test_the_time_that_requests_take_counts():
    line = Line(Clock(), *[Dropped("no answer in time")] * 1000, took=15.0)
    with pytest.raises(ForgeError, match="no answer in time"):
        retry(line).run(READ)
    assert len(line.times) <= 5


def test_without_patience_there_is_one_try():
    line = Line(Clock(), Answer(500))
    with pytest.raises(ForgeError):
        retry(line, patience=0).run(READ)
    assert len(line.times) == 1 and not line.clock.sleeps


@pytest.mark.parametrize("status", [403, 429])
def test_it_waits_as_long_as_it_is_told(status):
    line = Line(Clock(), Answer(status, {"retry-after": "17"}, SECONDARY))
    retry(line).run(WRITE)
    assert line.clock.sleeps == [17.0]


def test_a_secondary_limit_without_a_time_waits_a_minute_and_then_two():
    line = Line(Clock(), Answer(403, {}, SECONDARY), Answer(403, {}, SECONDARY))
    retry(line, patience=600).run(WRITE)
    assert line.clock.sleeps == [60.0, 120.0]


def test_the_default_patience_allows_that_minute():
    line = Line(Clock(), Answer(403, {}, SECONDARY), took=0.5)
    assert retry(line, patience=60.0).run(WRITE) == OK


def test_a_longer_wait_than_the_patience_is_refused_at_once():
    line = Line(Clock(), Answer(429, {"retry-after": "3600"}, SECONDARY))
    with pytest.raises(ForgeError, match="asks to wait 3600 s, which is longer than this may take") as error:
        retry(line).run(WRITE)
    assert error.value.kind == "limit" and not line.clock.sleeps


def test_the_hourly_limit_waits_until_its_reset_by_githubs_own_clock():
    """This machine's clock is years off; what counts is the difference between the answer's date and the reset."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000000030", "date": "Sun, 09 Sep 2001 01:46:40 GMT"}
    line = Line(Clock(), Answer(403, headers, {"message": "API rate limit exceeded for installation."}))
    retry(line).run(READ)
    assert line.clock.sleeps == [31.0]


def test_a_refusal_on_the_last_call_of_the_hour_is_not_taken_for_the_limit():
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}
    line = Line(Clock(), Answer(403, headers, {"message": "Resource not accessible by integration"}))
    with pytest.raises(ForgeError) as error:
        retry(line).run(WRITE)
    assert error.value.kind == "permission" and len(line.times) == 1


def test_a_refused_token_is_renewed_once_and_no_more():
    renewed = []
    line = Line(Clock(), Answer(401), Answer(401))
    with pytest.raises(ForgeError, match="no longer accepts the token"):
        retry(line, renew=lambda: renewed.append(1) is None).run(WRITE)
    assert len(renewed) == 1 and len(line.times) == 2


def test_a_creation_whose_answer_was_lost_is_looked_up_before_it_is_repeated():
    line = Line(Clock(), Dropped("reset"))
    assert retry(line).run(CREATE, lambda: Answer(200, {}, "there")).data == "there" and len(line.times) == 1


def test_a_creation_that_is_not_found_is_repeated():
    line = Line(Clock(), Answer(502))
    assert retry(line).run(CREATE, lambda: None) == OK and len(line.times) == 2


def test_a_creation_that_github_did_not_look_at_is_repeated_without_looking():
    line = Line(Clock(), Answer(429, {"retry-after": "1"}, SECONDARY))
    assert retry(line).run(CREATE, lambda: pytest.fail("looked up")) == OK


def test_a_change_is_repeated_without_looking():
    line = Line(Clock(), Answer(502))
    assert retry(line).run(WRITE, lambda: pytest.fail("looked up")) == OK


def test_a_lookup_that_fails_is_tried_again_before_anything_is_repeated():
    line = Line(Clock(), Dropped("reset"))
    found = iter([Dropped("reset"), Refused(READ, Answer(503)), Answer(200, {}, "there")])

    def lookup() -> Answer:
        result = next(found)
        if isinstance(result, Exception):
            raise result
        return result

    assert retry(line).run(CREATE, lookup).data == "there" and len(line.times) == 1


def test_what_the_sleep_raises_ends_the_wait():
    class Stopped(Exception):
        pass

    def sleep(seconds: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        Retry(Line(Clock(), Answer(500)).send, lambda: False, Policy(sleep=sleep)).run(READ)


def test_each_wait_is_noted():
    notes = []
    retry(Line(Clock(), Answer(502)), note=notes.append).run(READ)
    assert len(notes) == 1 and re.fullmatch(r"GitHub: it answered 502; trying again in [\d.]+ s to read it", notes[0])


def most(times: list[float], within: float) -> int:
    """The largest number of `times` in any window of `within` seconds."""
    return max(sum(start <= t < start + within for t in times) for start in times)


def test_writes_stay_within_80_a_minute_and_500_an_hour():
    line = Line(Clock(), took=0.05)
    policy = retry(line, patience=3600)
    for _ in range(1100):
        policy.run(WRITE)
    assert most(line.times, 60) == 80 and most(line.times, 3600) == 500


def test_calls_stay_within_1000_an_hour_repeated_ones_included():
    line = Line(Clock(), *[Answer(500), OK] * 1000, took=0.05)
    policy = retry(line, patience=3600)
    while len(line.times) < 2100:
        policy.run(READ)
    assert most(line.times, 3600) == 1000


def test_the_own_limit_does_not_hold_the_night_up():
    line = Line(Clock())
    policy = retry(line, patience=60)
    for _ in range(1000):
        policy.run(READ)
    with pytest.raises(ForgeError, match="limit of calls is used up, the next is possible in 60 min") as error:
        policy.run(READ)
    assert error.value.kind == "limit" and len(line.times) == 1000 and not line.clock.sleeps
