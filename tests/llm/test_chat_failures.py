"""Answers that are none, failures that may pass, and time: a transcript of each kind."""

import json
import threading
import time

import pytest

from bot.asking import ModelSettings
from bot.proposers.chat import TRIES, Chat, Policy
from tests.llm.asking import BOTH, HELLO, Waits, chat, failure, retried
from tests.llm.server import ModelServer, cuts, raw, refuses, says


@BOTH
def test_an_answer_that_was_cut_off_keeps_what_there_is(server, api):
    server.script(says("half an id", usage=(10, 500, 0), finish="length"))
    reply = chat(server, api=api).ask(HELLO)
    assert (reply.text, reply.call.outcome, reply.call.reason) == ("half an id", "cut", "the answer was cut off at 500 tokens")


@BOTH
def test_a_cut_answer_of_nothing_but_thoughts_says_what_helps(server, api):
    server.script(says("", usage=(10, 500, 0), finish="length"))
    call = failure(server, api=api)
    assert call.outcome == "cut" and "raise `max_tokens` or lower `effort`" in call.reason and call.completion_tokens == 500


@BOTH
def test_a_model_that_declines_is_quoted(server, api):
    server.script(says("", refusal="I cannot help with that."))
    call = failure(server, api=api)
    assert (call.outcome, call.reason) == ("refused", "the model declined: I cannot help with that.")


@BOTH
def test_a_content_filter_is_named(server, api):
    server.script(says("secret", finish="content_filter"))
    reply = chat(server, api=api).ask(HELLO)
    assert (reply.text, reply.call.outcome) == ("", "refused") and "content filter withheld the answer" in reply.call.reason


@pytest.mark.parametrize("status", [400, 403])
def test_a_content_filter_that_refuses_the_question_is_no_mistake_of_the_settings(server, status):
    server.script(refuses(status, "The prompt was flagged by our content management policy", code="content_filter"))
    call = failure(server)
    assert call.outcome == "refused" and "flagged by our content management policy" in call.reason and call.dollars == 0.0


@BOTH
def test_an_empty_answer_is_none(server, api):
    server.script(says(" \n"))
    assert failure(server, api=api).outcome == "empty"


def test_a_call_of_a_tool_is_no_answer(server):
    server.script(says("", finish="tool_calls"))
    assert "tool_calls" in failure(server).reason


GARBAGE = {
    "a page": (raw("<!DOCTYPE html><html><title>Sign in</title>", "text/html"), "an HTML page titled 'Sign in', not with JSON"),
    "cut JSON": (raw('{"choices": [{"mess'), "with '{\"choices\": [{\"mess', not with JSON"),
    "binary": (raw(b"\x00\xff\xfe", "application/octet-stream"), "not with JSON (its content type is application/octet-stream)"),
    "nothing": (raw(""), "it answered with nothing, not with JSON"),
    "a stream": (raw("data: {}\n\n", "text/event-stream"), "a stream of events, not with JSON (its content type is text/event-stream)"),
    "a list": (raw("[1, 2]"), "JSON that is no answer: [1, 2]"),
    "no choices": (raw('{"choices": []}'), 'JSON that is no answer: {"choices": []}'),
    "no message": (raw('{"choices": [{"message": "hi"}]}'), "JSON that is no answer"),
}  # fmt: skip


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_described(server, what):
    reply, words = GARBAGE[what]
    server.script(reply)
    call = failure(server)
    assert call.outcome == "garbage" and words in call.reason


def test_garbage_in_responses_is_described(server):
    server.script(raw('{"output": "hi"}'))
    assert failure(server, api="responses").outcome == "garbage"


def test_an_answer_that_cannot_be_unpacked_is_garbage(server):
    server.script(raw(b"not gzip at all", headers={"content-encoding": "gzip"}))
    call = failure(server)
    assert call.outcome == "garbage" and "cannot be unpacked" in call.reason


def test_a_page_costs_nothing_but_garbage_of_a_model_may(server):
    server.script(raw("<html>", "text/html"), raw('{"choices": []}'))
    first, second = (chat(server, input_price=1.0, output_price=1.0).ask(HELLO).call for _ in range(2))
    assert first.dollars == 0.0 and not first.estimated and second.dollars > 0 and second.estimated


def test_a_terminal_escape_in_garbage_does_not_reach_the_record(server):
    server.script(raw("\x1b[2J::error::boo"))
    assert "\x1b" not in failure(server).reason


# What may pass


def test_a_rate_limit_is_waited_out_as_long_as_it_says(server):
    server.script(refuses(429, "Rate limit reached", headers={"retry-after": "7"}), says("an idea"))
    reply, billed = retried(server, waits := Waits())
    assert reply.text == "an idea" and waits.slept == [7.0] and "too many requests (429: Rate limit reached)" in waits.notes[0]
    assert [(c.outcome, c.dollars, c.prompt_tokens, c.id) for c in billed] == [("error", 0.0, 0, 3)]


@pytest.mark.parametrize(
    ("headers", "words", "seconds"),
    [({"retry-after-ms": "1500", "retry-after": "9"}, "", 1.5), ({}, "Try again in 2.5s.", 2.5), ({}, "Please retry in 340 ms", 0.34)],
)  # fmt: skip
def test_every_way_to_tell_a_wait_is_understood(server, headers, words, seconds):
    server.script(refuses(429, f"Rate limit. {words}", headers=headers))
    waits = Waits()
    assert retried(server, waits)[0].call.outcome == "answer" and waits.slept == [seconds]


def test_a_wait_until_a_date_is_understood(server):
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 10))
    server.script(refuses(503, "restarting", headers={"retry-after": date}))
    retried(server, waits := Waits())
    assert 7 < waits.slept[0] <= 10


def test_a_wait_longer_than_the_patience_is_not_begun(server):
    server.script(refuses(429, "daily limit", headers={"retry-after": "3600"}))
    reply, _ = retried(server, waits := Waits())
    assert (reply.call.outcome, waits.slept) == ("error", [])
    assert reply.call.reason.endswith("given up after 1 try, for it asks to wait 3600 s")


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_passing_status_is_tried_again(server, status):
    server.script(refuses(status, "hm"), says("an idea"))
    reply, billed = retried(server, Waits())
    assert reply.text == "an idea" and f"({status}: hm)" in billed[0].reason


@pytest.mark.parametrize("status", [400, 413, 418, 422, 501, 505])
def test_a_lasting_status_is_not(server, status):
    server.script(refuses(status, "no such thing"))
    call = failure(server)
    assert call.outcome == "error" and f"({status}: no such thing)" in call.reason


def test_a_server_that_stays_broken_is_given_up_after_growing_waits(server):
    server.otherwise = refuses(503, "overloaded")
    reply, billed = retried(server, waits := Waits(), timeout="10m")
    assert len(server.asked) == TRIES == len(billed) + 1  # none by the package on top
    assert all(2**i / 2 <= wait <= 2**i for i, wait in enumerate(waits.slept))
    assert reply.call.reason == f"it failed (503: overloaded); given up after {TRIES} tries"


def test_no_try_begins_later_than_the_timeout(server):
    server.otherwise = refuses(429, "slowly", headers={"retry-after": "9"})
    waits, now = Waits(), [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    waits.policy = Policy(sleep=sleep, clock=lambda: now[0])
    assert retried(server, waits)[0].call.outcome == "error"
    assert len(server.asked) == 3  # at 0, 9 and 18 s of 20


@pytest.mark.parametrize("after", [None, 40])
def test_a_cut_connection_is_tried_again_and_billed_as_far_as_it_may_have_cost(server, after):
    server.script(cuts(after), says("an idea"))
    reply, billed = retried(server, Waits(), input_price=1.0, output_price=1.0)
    assert reply.text == "an idea" and "was cut" in billed[0].reason
    assert billed[0].outcome == "error" and billed[0].estimated and billed[0].dollars > 0


def test_a_server_that_is_not_there_is_tried_again_and_costs_nothing(server):
    with ModelServer() as gone:
        pass
    waits = Waits()
    call = chat(gone, waits=waits, timeout="1h").ask(HELLO).call
    assert call.outcome == "error" and "cannot be reached (" in call.reason and len(waits.slept) == TRIES - 1
    assert (call.prompt_tokens, call.dollars, call.estimated) == (0, 0.0, False)


def test_an_error_behind_a_good_status_is_an_error(server):
    server.script(raw('{"error": {"code": 429, "message": "upstream is busy"}}'), says("an idea"))
    reply, billed = retried(server, Waits())
    assert reply.text == "an idea" and "upstream is busy" in billed[0].reason


def test_an_error_of_a_choice_is_an_error(server):
    choice = {"error": {"code": 502, "message": "upstream died"}, "message": {"content": "half"}, "finish_reason": "error"}
    server.script(raw(json.dumps({"choices": [choice]})), says("an idea"))
    assert "upstream died" in retried(server, Waits())[1][0].reason


def test_a_failed_response_is_an_error(server):
    server.script(raw('{"status": "failed", "error": {"code": "server_error", "message": "sorry"}, "output": []}'), says("an idea"))
    reply, billed = retried(server, Waits(), api="responses")
    assert reply.text == "an idea" and "sorry" in billed[0].reason


def test_a_conversation_that_is_too_long_says_what_to_lower(server):
    server.script(refuses(400, "This model's maximum context length is 8192 tokens", code="context_length_exceeded"))
    assert "lower `prompt_tokens` or the model's `max_tokens`" in failure(server).reason


# Time


@pytest.mark.parametrize("slow", [{"delay": 30.0}, {"drip": 0.05}])
def test_no_answer_within_the_time_is_not_waited_for_any_longer(server, slow):
    server.script(says("x" * 2000, **slow))
    began = time.monotonic()
    call = failure(server, timeout="1s", input_price=1.0, output_price=1.0)
    assert time.monotonic() - began < 10 and call.outcome == "timeout" and "`timeout`" in call.reason
    assert call.estimated and call.prompt_tokens > 0 and 50 <= call.completion_tokens <= 1000


def test_a_request_that_was_given_up_does_not_go_on_reading(server):
    server.script(says("x" * 10_000, drip=0.02))
    failure(server, timeout="1s")
    end = time.monotonic() + 15
    while any(thread.name == "request to a model" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_sleep_raises_ends_a_request_in_progress(server):
    server.script(says("late", delay=30.0))

    def stop(_: float) -> None:
        raise InterruptedError

    asked = Chat(ModelSettings(model="m", base_url=server.base_url, key=""), "", policy=Policy(sleep=stop))
    began = time.monotonic()
    with pytest.raises(InterruptedError):
        asked.ask(HELLO)
    assert time.monotonic() - began < 10
