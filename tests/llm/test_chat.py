"""What is asked of a model, and what it answers: transcripts with a real HTTP server."""

import json

import pytest

from bot.asking import ModelSettings
from bot.llm import dialect
from tests.llm.asking import BOTH, HELLO, Waits, chat, failure
from tests.llm.server import raw, refuses, says


def test_a_question_in_chat_completions_is_answered(server):
    server.script(says("an idea", usage=(1000, 200, 600)))
    reply = chat(server, model="gpt-5-mini", effort="low", temperature=0.7, max_tokens=500).ask(HELLO, id=7)
    assert server.requests[0].path == "/v1/chat/completions"
    sent = {"model": "gpt-5-mini", "messages": HELLO, "max_tokens": 500, "temperature": 0.7, "reasoning_effort": "low"}
    assert server.requests[0].body == sent
    call = reply.call
    assert (reply.text, call.outcome, call.id, call.model, call.reason) == ("an idea", "answer", 7, "gpt-5-mini", "")
    assert (call.prompt_tokens, call.completion_tokens, call.cached_tokens, call.estimated) == (1000, 200, 600, False)
    assert call.dollars == pytest.approx((400 * 0.25 + 600 * 0.025 + 200 * 2.0) / 1e6) and 0 < call.seconds < 10


def test_a_question_in_responses_is_answered(server):
    server.script(says("an idea", usage=(1000, 200, 600)))
    reply = chat(server, api="responses", effort="low", temperature=0.7, max_tokens=500).ask(HELLO)
    assert server.requests[0].path == "/v1/responses"
    sent = {"model": "m", "input": HELLO, "max_output_tokens": 500, "temperature": 0.7, "reasoning": {"effort": "low"}, "store": False}
    assert server.requests[0].body == sent
    assert (reply.text, reply.call.outcome, reply.call.dollars) == ("an idea", "answer", None)
    assert (reply.call.prompt_tokens, reply.call.completion_tokens, reply.call.cached_tokens) == (1000, 200, 600)


@BOTH
def test_what_the_settings_do_not_give_is_not_sent(server, api):
    chat(server, api=api).ask(HELLO)
    assert not {"temperature", "reasoning", "reasoning_effort"} & server.requests[0].body.keys()


def test_half_a_character_reaches_the_server_as_a_question_mark(server):
    assert chat(server).ask([{"role": "user", "content": "a\udcffb"}]).call.outcome == "answer"
    assert server.requests[0].text == "a?b"


def test_an_answer_in_parts_is_joined(server):
    parts = [{"type": "text", "text": "an "}, {"type": "text", "text": "idea"}]
    server.script(raw(json.dumps({"choices": [{"finish_reason": "stop", "message": {"content": parts}}]})))
    assert chat(server).ask(HELLO).text == "an idea"


@pytest.mark.parametrize("text", ["<think>hm, hm</think>\nan idea", "hm, hm\n</think>\nan idea"])
def test_thoughts_at_the_head_of_an_answer_are_left_out(server, text):
    server.script(says(text))
    assert chat(server).ask(HELLO).text == "an idea"


def test_code_about_thoughts_stays_whole(server):
    code = 'OPEN, CLOSE = "<think>", "</think>"'
    server.script(says(code))
    assert chat(server).ask(HELLO).text == code


def test_json_of_a_wrong_content_type_is_an_answer_all_the_same(server):
    server.script(says("an idea", kind="text/plain; charset=utf-8"))
    assert chat(server).ask(HELLO).text == "an idea"


# Tokens


@BOTH
def test_tokens_that_nobody_counted_are_estimated_and_said_to_be(server, api):
    server.script(says("word " * 100, usage=None))
    call = chat(server, api=api, input_price=1.0, output_price=10.0).ask([{"role": "user", "content": "ask " * 1000}]).call
    assert call.estimated and 800 < call.prompt_tokens < 2500 and 80 < call.completion_tokens < 250
    assert call.dollars == pytest.approx((call.prompt_tokens + 10 * call.completion_tokens) / 1e6)


@pytest.mark.parametrize("usage", [(0, 0, 0), (-5, 3, 0), ("many", 3, 0), (1.5, 3, 0), (True, 3, 0)])
def test_counts_that_make_no_sense_are_not_believed(server, usage):
    counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": 3}
    server.script(raw(json.dumps({"choices": [{"message": {"content": "an idea"}}], "usage": counts})))
    call = chat(server).ask(HELLO).call
    assert call.outcome == "answer" and call.estimated


def test_thoughts_that_only_the_total_counts_are_paid_for(server):
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 500}
    server.script(raw(json.dumps({"choices": [{"message": {"content": "an idea"}}], "usage": usage})))
    assert chat(server).ask(HELLO).call.completion_tokens == 400


def test_cached_tokens_by_another_name_are_counted(server):
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40}
    server.script(raw(json.dumps({"choices": [{"message": {"content": "an idea"}}], "usage": usage})))
    assert chat(server).ask(HELLO).call.cached_tokens == 60


def test_tokens_put_into_the_servers_cache_cost_more(server):
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 800}}
    server.script(raw(json.dumps({"choices": [{"message": {"content": "an idea"}}], "usage": usage})))
    assert chat(server, input_price=1.0, output_price=1.0).ask(HELLO).call.dollars == pytest.approx(1200 / 1e6)


# What a server does not take


def test_a_refused_temperature_is_left_out_from_then_on(server):
    server.unsupported = {"temperature"}
    waits = Waits()
    for _ in range(2):  # another one, of the same model
        assert chat(server, waits=waits, temperature=0.5).ask(HELLO).call.outcome == "answer"
    assert ["temperature" in r.body for r in server.asked] == [True, False, False] and len(waits.notes) == 1
    assert "going on without temperature" in waits.notes[0]


def test_what_one_model_refuses_another_still_gets(server):
    server.unsupported = {"temperature"}
    chat(server, temperature=0.5).ask(HELLO)
    server.unsupported = set()
    chat(server, model="other", temperature=0.5).ask(HELLO)
    assert server.asked[-1].body["temperature"] == 0.5


@BOTH
def test_a_refused_effort_is_left_out(server, api):
    server.unsupported = {"reasoning", "reasoning_effort"}
    assert chat(server, api=api, effort="high").ask(HELLO).call.outcome == "answer" and len(server.asked) == 2


def test_the_limit_is_called_what_the_server_calls_it(server):
    server.unsupported = {"max_tokens"}
    waits = Waits()
    chat(server, waits=waits, max_tokens=300).ask(HELLO)
    assert server.asked[-1].body["max_completion_tokens"] == 300 and "max_tokens" not in server.asked[-1].body
    assert "without max_tokens but with max_completion_tokens" in waits.notes[0]


def test_openai_itself_is_told_the_limit_by_its_present_name():
    model = ModelSettings(model="m", max_tokens=300)
    assert dialect.of(model).fields(model, HELLO)["max_completion_tokens"] == 300


def test_a_limit_above_the_servers_own_is_left_to_the_server(server):
    server.script(refuses(400, "max_tokens is too large: 9000. This model supports at most 4096 completion tokens", param="max_tokens"))
    assert chat(server, max_tokens=9000).ask(HELLO).call.outcome == "answer"
    assert not {"max_tokens", "max_completion_tokens"} & server.asked[-1].body.keys()


REFUSALS = {
    "Mistral": (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "reasoning_effort"], "msg": "Extra inputs not permitted"}]}),
    "vLLM": (400, {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'reasoning_effort')}]", "code": 400}),
    "Ollama": (400, {"error": '"gemma3" does not support thinking'}),
    "LiteLLM": (400, {"error": {"message": "UnsupportedParamsError: no support for parameters: ['reasoning_effort']", "code": "400"}}),
}  # fmt: skip


@pytest.mark.parametrize("of", REFUSALS)
def test_every_shape_of_refusal_is_understood(server, of):
    status, body = REFUSALS[of]
    server.script(raw(json.dumps(body), status=status))
    assert chat(server, effort="low", temperature=0.3).ask(HELLO).call.outcome == "answer"
    assert "reasoning_effort" not in server.asked[-1].body and server.asked[-1].body["temperature"] == 0.3


def test_a_model_without_a_system_role_is_told_by_the_user(server):
    server.script(refuses(400, "System role not supported"))
    assert chat(server).ask(HELLO).call.outcome == "answer"
    assert server.asked[-1].messages == [{"role": "user", "content": "be brief\n\nwhat now?"}]


def test_a_refusal_that_names_nothing_is_not_asked_again(server):
    server.script(refuses(400, "bad request"))
    assert failure(server, temperature=0.5).outcome == "error"
