"""Mistakes in the settings are told with their field and the fix; the key goes to its server and nowhere else."""

import json
import logging
import os
import subprocess
import sys

import pytest

from bot.asking import ModelSettings
from bot.errors import UsageError
from bot.proposers.chat import Chat, key_of
from tests.llm.asking import HELLO, KEY, Waits, chat, mistake, retried
from tests.llm.server import ModelServer, moves, raw, refuses, says


def test_a_wrong_key_names_its_variable(server):
    server.key = "another"
    text = mistake(server)
    assert text.startswith("models[0].key: ") and "does not accept the key in LLM_KEY (Incorrect API key provided)" in text


def test_a_wrong_key_by_another_status_is_one_too(server):
    error = {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}
    server.script(raw(json.dumps([{"error": error}]), status=400))
    text = mistake(server)
    assert text.startswith("models[0].key: ") and "(API key not valid. Please pass a valid API key.)" in text


def test_a_server_that_wants_a_key_after_all_says_so(server):
    server.key = "another"
    assert "does not accept a request without a key" in mistake(server, key="")


@pytest.mark.parametrize(("status", "code"), [(429, "insufficient_quota"), (402, None), (403, "insufficient_funds")])
def test_no_credit_is_not_waited_for(server, status, code):
    server.otherwise = refuses(status, "You exceeded your current quota, please check your plan and billing details.", code)
    assert "models[0].key: no credit is left for the key in LLM_KEY" in mistake(server) and len(server.asked) == 1


def test_no_credit_is_not_waited_for_even_if_the_server_says_how_long(server):
    server.otherwise = refuses(429, "pay first", "insufficient_quota", headers={"retry-after": "3"})
    assert "no credit is left" in mistake(server) and len(server.asked) == 1


def test_a_quota_of_a_minute_is_waited_for(server):
    text = "You exceeded your current quota, please check your plan and billing details. Please retry in 8.5s."
    server.script(refuses(429, text, code="RESOURCE_EXHAUSTED"))
    retried(server, waits := Waits())
    assert waits.slept == [8.5]


def test_an_unknown_model_is_told_what_there_is(server):
    server.models = ["gpt-5", "gpt-5-mini", "whisper-1"]
    text = mistake(server, model="gpt-5-mni")
    assert text.startswith("models[0].model: ") and "has no model 'gpt-5-mni'" in text and "It has gpt-5-mini, gpt-5" in text


@pytest.mark.parametrize(
    ("status", "words"), [(400, "m is not a valid model ID"), (404, "No endpoints found for m."), (400, "invalid model")]
)
def test_an_unknown_model_in_other_words_is_one_too(server, status, words):
    server.script(refuses(status, words))
    assert mistake(server).startswith("models[0].model: ")


def test_an_address_without_the_api_is_told_where_that_usually_is(server):
    text = mistake(server, base_url=server.base_url.removesuffix("/v1"))
    assert text.startswith("models[0].base_url: ") and "The address usually ends in /v1" in text and "/chat/completions (404" in text


def test_a_server_without_responses_is_told_of_chat(server):
    server.script(refuses(404, "Not Found"))
    assert "A server may have only `api: chat`" in mistake(server, api="responses")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_neither_key_nor_prompt_follows_a_redirect(server, status):
    with ModelServer() as other:
        server.script(moves(f"{other.base_url}/chat/completions", status))
        text = mistake(server)
        assert text.startswith("models[0].base_url: ") and other.base_url in text and other.requests == []


def test_an_untrusted_certificate_is_named(server, tmp_path):
    text = mistake(server, base_url=server.secured(tmp_path))
    assert text.startswith("models[0].base_url: the certificate of") and "SSL_CERT_FILE" in text and server.requests == []


def test_a_certificate_named_in_the_environment_is_trusted(server, tmp_path, monkeypatch):
    address = server.secured(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    assert chat(server, base_url=address).ask(HELLO).text == "an answer"


def test_a_firewall_is_not_taken_for_a_wrong_key(server):
    server.script(raw("<html><title>Access denied</title>", "text/html", 403))
    assert mistake(server).startswith("models[0].base_url: something before")


def test_a_proxy_that_is_not_there_is_named(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert "cannot be reached by way of the proxy in HTTP_PROXY (" in chat(server).ask(HELLO).call.reason


def test_a_proxy_that_cannot_be_used_is_named(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "nonsense://127.0.0.1:9")
    text = mistake(server)
    assert text.startswith("models[0].base_url: no request") and "HTTP_PROXY" in text


def test_a_missing_key_is_told_before_anything_is_asked():
    model = ModelSettings(model="m", base_url="https://llm.example/v1", key="LLM_KEY")
    for environ in ({}, {"LLM_KEY": " \n"}):
        with pytest.raises(UsageError, match=r"models\[2\]\.key: the environment variable LLM_KEY is not set"):
            key_of(model, environ, "models[2]")
    assert key_of(model, {"LLM_KEY": f" {KEY}\n"}) == KEY
    assert key_of(model.model_copy(update={"key": ""}), {}) == ""


@pytest.mark.parametrize("key", [f"{KEY}\nx", f"{KEY} x", f"{KEY}é"])
def test_a_key_with_a_character_that_none_has_is_told_without_being_shown(server, key):
    with pytest.raises(UsageError, match=r"models\[0\]\.key: the key holds a space, a line break or another") as error:
        chat(server, key)
    assert KEY not in str(error.value)


def test_half_a_price_is_a_mistake(server):
    with pytest.raises(UsageError, match=r"models\[0\]\.output_price: missing"):
        chat(server, input_price=1.0)


def test_a_port_that_there_is_not_is_a_mistake(server):
    with pytest.raises(UsageError, match=r"models\[0\]\.base_url: .* no port like that"):
        chat(server, base_url="http://localhost:99999/v1")


# The key, and what else is nobody's business


@pytest.mark.parametrize("status", [401, 418, 500, 200])
def test_the_key_is_in_nothing_that_is_said(server, status, caplog):
    caplog.set_level(logging.DEBUG)
    server.otherwise = refuses(status, f"bad key {KEY}, Bearer {KEY}") if status != 200 else says(f"your key is {KEY}")
    waits, billed, asked = Waits(), [], None
    asked = chat(server, waits=waits)
    try:
        reply = asked.ask(HELLO, 1, billed.append)
        said = [reply.text, str(reply)]
    except UsageError as error:
        said = [str(error), repr(error.__cause__), repr(error.__context__)]
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    everything = " ".join([*said, *map(str, billed), *waits.notes, repr(asked), caplog.text])
    assert "***" in everything and KEY not in everything and KEY not in "".join(os.environ.values())


def test_the_packages_own_log_does_not_show_the_key(server):
    code = (
        "from bot.asking import ModelSettings; from bot.proposers.chat import Chat; import logging; logging.basicConfig(level=0);"
        f"Chat(ModelSettings(model='m', base_url='{server.base_url}', key='K'), '{KEY}').ask([{{'role': 'user', 'content': 'hi'}}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "OPENAI_LOG": "debug"}, capture_output=True, text=True, check=True
    )
    assert "HTTP" in done.stderr and KEY not in done.stderr


def test_a_server_that_wants_no_key_gets_none(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    chat(server, key="").ask(HELLO)
    assert "authorization" not in server.requests[0].headers


def test_the_environment_adds_nothing_to_a_request(server, monkeypatch):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: {KEY}\nAuthorization: Bearer other")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    chat(server).ask(HELLO)
    headers = server.requests[0].headers
    assert headers["authorization"] == f"Bearer {KEY}" and headers["user-agent"] == "autoresearch"
    plain = {"host", "accept", "accept-encoding", "connection", "content-type", "content-length"}
    assert headers.keys() - plain == {"user-agent", "authorization"}


def test_a_proxy_of_the_environment_is_used(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.base_url.removesuffix("/v1"))
    model = ModelSettings(model="m", base_url="http://models.internal/v1", key="LLM_KEY")
    assert Chat(model, KEY).ask(HELLO).text == "an answer"
    assert server.requests[0].headers["host"] == "models.internal"


def test_the_package_is_not_loaded_before_something_is_asked():
    code = "import sys, bot.proposers.ensemble; sys.exit(any(name in sys.modules for name in ('openai', 'httpx2', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_list_of_models_is_read(server):
    server.models = ["a", "b"]
    assert chat(server).models() == ["a", "b"]


@pytest.mark.parametrize("body", ["<html>", "{}", '{"data": 5}', '{"data": [5]}'])
def test_a_server_without_a_list_of_models_has_none(server, body):
    server.reply = lambda request: raw(body)
    assert chat(server).models() == []
