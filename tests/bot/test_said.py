"""What coding agents print, in the forms that they print it: the message, what it cost, the lines that were asked for."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.proposers.said import ENOUGH, LONGEST, fields, last_paragraph, read, sentence


def lines(*events: dict) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


CLAUDE = {
    "type": "result", "subtype": "success", "is_error": False, "duration_ms": 61000, "num_turns": 9, "session_id": "abc",
    "result": "I raised it.\n\nHYPOTHESIS: x", "total_cost_usd": 0.1234,
    "usage": {"input_tokens": 12, "cache_creation_input_tokens": 5000, "cache_read_input_tokens": 40000, "output_tokens": 900},
    "modelUsage": {"claude-haiku": {"inputTokens": 10, "outputTokens": 5}, "claude-sonnet": {"inputTokens": 45000, "outputTokens": 900}},
}  # fmt: skip


def facts(out: str):
    said = read(out)
    return said.text, said.model, said.prompt_tokens, said.cached_tokens, said.completion_tokens, said.dollars


CLAUDE_FACTS = ("I raised it.\n\nHYPOTHESIS: x", "claude-sonnet", 45012, 40000, 900, 0.1234)


def test_claude_code_as_json():
    assert facts(json.dumps(CLAUDE)) == CLAUDE_FACTS


def test_claude_code_as_a_list_and_as_a_stream():
    steps = [{"type": "system", "model": "claude-sonnet"}, {"type": "assistant", "message": {"usage": {"input_tokens": 7}}}]
    assert facts(json.dumps([*steps, CLAUDE])) == CLAUDE_FACTS
    assert facts(lines(*steps, CLAUDE)) == CLAUDE_FACTS


def test_codex_as_a_stream_adds_up_its_turns():
    usage = {"input_tokens": 26549, "cached_input_tokens": 22272, "output_tokens": 1590}
    out = lines(
        {"type": "thread.started", "thread_id": "t"},
        {"type": "item.completed", "item": {"id": "1", "type": "agent_message", "text": "I look."}},
        {"type": "item.completed", "item": {"id": "2", "type": "command_execution", "command": "ls", "text": "files"}},
        {"type": "turn.completed", "usage": usage},
        {"type": "item.completed", "item": {"id": "3", "type": "agent_message", "text": "Done.\n"}},
        {"type": "turn.completed", "usage": usage},
    )
    assert facts(out) == ("Done.", "", 2 * 26549, 2 * 22272, 2 * 1590, None)


def test_opencode_as_a_stream_adds_up_its_steps():
    def step(**cost):
        tokens = {"input": 11087, "output": 145, "reasoning": 5, "cache": {"write": 100, "read": 1000}}
        return {"type": "step_finish", "part": {"type": "step-finish", "tokens": tokens, **cost}}

    out = lines({"type": "text", "part": {"type": "text", "text": "All done."}}, step(cost=0.007), step(cost=0.003))
    text, _, prompt, cached, completion, dollars = facts(out)
    assert (text, prompt, cached, completion) == ("All done.", 2 * 12187, 2000, 300) and dollars == pytest.approx(0.01)


def test_gemini_as_json():
    tokens = {"prompt": 24939, "candidates": 20, "total": 25113, "cached": 21263, "thoughts": 154, "tool": 0}
    out = {
        "response": "The answer.",
        "stats": {"models": {"gemini-pro": {"api": {"totalRequests": 2}, "tokens": tokens}}, "tools": {"totalCalls": 3}},
    }
    assert facts(json.dumps(out, indent=2)) == ("The answer.", "gemini-pro", 24939, 21263, 174, None)


def test_aider_as_text():
    out = "> Editing\nApplied edit to train.py\nTokens: 12k sent, 133 received. Cost: $0.04 message, $0.04 session.\n"
    out += "Commit 1a2b feat: larger steps\nTokens: 2.5k sent, 1,100 received. Cost: $0.06 message, $0.10 session.\n"
    _, _, prompt, _, completion, dollars = facts(out)
    assert (prompt, completion, dollars) == (14500, 1233, 0.10)


def test_pieces_of_a_message_are_put_together():
    pieces = ({"type": "message", "role": "assistant", "content": text, "delta": True} for text in ("One ", "two."))
    assert read(lines({"type": "message", "role": "user", "content": "prompt"}, *pieces)).text == "One two."


def test_some_json_in_a_text_is_part_of_the_text():
    out = 'I ran it:\n{"loss": 1.5}\nIt is better.\nSo I keep it.\n'
    assert read(out).text == out.strip()


WRONG = [{"total_cost_usd": "free"}, {"total_cost_usd": -1}, {"total_cost_usd": 1e300}, {"total_cost_usd": True}, {"usage": [1, 2]},
         {"usage": {"input_tokens": "many", "output_tokens": None}}, {"modelUsage": "x", "stats": 3, "part": [], "item": "y"}]  # fmt: skip


@pytest.mark.parametrize("extra", WRONG)
def test_numbers_that_are_none_are_unknown(extra):
    assert facts(json.dumps({"type": "result", "result": "ok"} | extra)) == ("ok", "", 0, 0, 0, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CLAUDE, "item", "part", "stats", "tokens", "cost"]), inner)
    ),
    max_leaves=12,
)


@given(JSON | st.text())
def test_nothing_that_is_printed_raises(found):
    said = read(found if isinstance(found, str) else json.dumps(found))
    assert said.prompt_tokens >= 0 and (said.dollars is None or 0 <= said.dollars < 1e15)
    fields(said.text)
    last_paragraph(said.text)


# Lines


@pytest.mark.parametrize("piece", ["Tokens: 1 sent ", "Tokens: 1", "$1 session", "\x1b]0;", "HYPOTHESIS: ", "* ", "{"])
def test_megabytes_in_one_line_take_no_time(piece):
    began = time.process_time()
    found = read(piece * (1_000_000 // len(piece)))
    assert len(found.text) <= ENOUGH and len(fields(found.text).hypothesis) <= LONGEST
    assert time.process_time() - began < 2


def test_fields_go_to_the_next_empty_line_or_field():
    found = fields("Hi.\n\nHYPOTHESIS: larger steps\nlearn faster\nExpected: 0.01\n\nNothing.\n- **LEARNED:** one\n* LEARNED: two\n")
    assert (found.hypothesis, found.expected, found.learned) == ("larger steps learn faster", "0.01", ("one", "two"))


def test_the_last_one_counts():
    assert fields("HYPOTHESIS: first\n\nHYPOTHESIS: second").hypothesis == "second"


def test_the_form_itself_is_no_answer():
    assert fields("HYPOTHESIS: <one sentence: what changes>\nCATEGORY: <one of a, b>").hypothesis == ""


def test_the_last_paragraph_is_the_one_with_words():
    assert last_paragraph("First.\n\n```\n\nThe last\none.\n\n```\n") == "The last one."


def test_a_sentence_is_short_and_harmless():
    text = sentence("::set-env name=x::y\u202e " + "word " * 1000)
    assert len(text) == LONGEST and not text.startswith("::") and "\u202e" not in text
