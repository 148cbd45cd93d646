"""A language model as the proposer: whole nights over HTTP against a scripted server, and a transcript of what it is told."""

import os

import pytest

from bot import keys
from bot.errors import UsageError
from bot.loop import run_loop
from tests.bot.nights import make_night, open_again
from tests.conftest import git
from tests.llm.server import ModelServer, refuses, says

KEY = "sk-canary-3141592653"
TEXT = "A = 5.0\n" + "".join(f"# {i}\n" for i in range(6)) + "B = 5.0\n"


def change(old, new, hypothesis="a better number", **fields):
    told = {"HYPOTHESIS": hypothesis, "EXPECTED": "0.01 lower, because it is closer", "CATEGORY": "optimizer"} | fields
    head = "\n".join(f"{name}: {text}" for name, text in told.items())
    return f"{head}\n\nparams.py\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


@pytest.fixture
def server():
    with ModelServer() as server:
        server.key = KEY
        yield server


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setattr(keys, "_held", {})


def night_with(server, root, answer=lambda asked: {}, more="", model=""):
    config = f"models: [{{model: m, base_url: '{server.base_url}', key: TEST_KEY{model}}}]\n{more}"
    night, referee = make_night(root, [], answer, TEXT, config)
    settings = root / "autoresearch.yml"
    settings.write_text(settings.read_text().replace("proposer: replay:patches", "proposer: llm"))
    git(root, "commit", "-qam", "ask a model")
    night, referee = open_again(root, answer)
    return night, referee


def proposals(night):
    return [e.proposal for e in night.history.experiments.values() if e.id]


def statuses(night):
    return {e.id: e.status for e in night.history.experiments.values() if e.id}


def outcomes(night):
    return [call.outcome for call in night.history.calls]


def test_an_idea_is_measured_and_kept(server, tmp_path):
    server.script(says(change("A = 5.0", "A = 4.0", LEARNED="smaller is better"), usage=(1000, 50, 0)))
    server.otherwise = says(change("B = 5.0", "B = 9.0"))
    night, _ = night_with(server, tmp_path / "repo", more="max_experiments: 2\n", model=", input_price: 1, output_price: 10")
    run_loop(night)
    assert statuses(night) == {1: "keep", 2: "discard"}
    first = proposals(night)[0]
    assert (first.source, first.model, first.category, first.hypothesis) == ("llm:m", "m", "optimizer", "a better number")
    assert first.fingerprint and first.moved == {"A": (5.0, 4.0)}
    assert night.history.calls[0].dollars == pytest.approx(0.0015) and night.history.learned[0].text == "smaller is better"


def test_what_was_learned_and_measured_is_told_to_the_model(server, tmp_path):
    server.script(says(change("A = 5.0", "A = 9.0", "the large one", LEARNED="larger is worse")))
    server.otherwise = says(change("B = 5.0", "B = 9.0"))
    night, _ = night_with(server, tmp_path / "repo", more="max_experiments: 3\n")
    run_loop(night)
    told = server.requests[-1].text
    assert "larger is worse" in told and "the large one" in told and "A = 5.0" in told


def test_a_repeat_goes_back_with_the_reason_and_costs_no_run(server, tmp_path):
    server.script(says(change("A = 5.0", "A = 9.0")), says(change("A = 5.0", "A = 9.000")), says(change("B = 5.0", "B = 9.0")))
    night, referee = night_with(server, tmp_path / "repo", more="max_experiments: 2\n")
    run_loop(night)
    assert [p.moved for p in proposals(night)] == [{"A": (5.0, 9.0)}, {"B": (5.0, 9.0)}]
    assert outcomes(night) == ["answer", "rejected", "answer"]
    assert "experiment 1" in night.history.calls[1].reason and night.history.calls[1].reason.split(";")[0] in server.requests[2].text


@pytest.mark.parametrize(("bad", "why"), [
    (change("A = 7.0", "A = 4.0"), "A = 7.0"),
    (change("A = 5.0", "A = ("), "was never closed"),
    ("I would lower A.", "HYPOTHESIS"),
    (change("A = 5.0", "A = 4.0").replace("params.py\n", "score.py\n"), "score.py"),
    (change("A = 5.0", "import random\nrandom.seed(1)\nA = 4.0"), "seed"),
])  # fmt: skip
def test_an_answer_that_cannot_be_measured_goes_back(server, tmp_path, bad, why):
    server.script(says(bad), says(change("A = 5.0", "A = 4.0")))
    night, _ = night_with(server, tmp_path / "repo", more="max_experiments: 1\n")
    run_loop(night)
    assert statuses(night) == {1: "keep"} and outcomes(night) == ["rejected", "answer"]
    assert why in night.history.calls[0].reason and why in server.requests[1].messages[-1]["content"]


def test_after_as_many_attempts_as_the_settings_say_it_is_recorded_as_rejected(server, tmp_path):
    server.otherwise = says("I would lower A.")
    night, referee = night_with(server, tmp_path / "repo", more="max_experiments: 1\nattempts: 2\n")
    run_loop(night)
    assert statuses(night) == {1: "crash"} and len(server.requests) == 2 == len(night.history.calls)
    (only,) = proposals(night)
    assert only.model == "m" and "HYPOTHESIS" in only.rejected and not [a for a in referee.asked if a["id"] == 1]


def test_a_crash_goes_back_with_its_traceback_and_is_mended(server, tmp_path):
    box = []

    def answer(asked):
        broken = box and "A = 1.0" in box[0].repo.read(asked["sha"], "params.py")
        return {"outcome": "crash", "value": None, "reason": "ValueError", "log_tail": "ValueError: 17 rows"} if broken else {}

    server.script(says(change("A = 5.0", "A = 1.0", "smaller, as sk-abcdefghijklmnopqrst says")))
    server.otherwise = lambda request: says(change("A = 5.0", "A = 4.0" if "17 rows" in request.text else "A = 6.0"))
    night, _ = night_with(server, tmp_path / "repo", answer, more="max_experiments: 1\n")
    box.append(night)
    run_loop(night)
    assert statuses(night) == {1: "keep"} and proposals(night)[0].moved == {"A": (5.0, 4.0)}
    assert "ValueError: 17 rows" in server.requests[-1].text
    assert "smaller, as" in server.requests[-1].text and "sk-abcdef" not in server.requests[-1].text


def test_a_server_that_fails_costs_no_night(server, tmp_path):
    server.script(*[refuses(500, "down")] * 30)
    server.otherwise = refuses(500, "down")
    night, _ = night_with(server, tmp_path / "repo", more="max_experiments: 1\n", model=", timeout: 1s")
    run_loop(night)
    assert proposals(night)[0].source == "constants" and "500: down" in night.observer.stream.getvalue()


def test_a_key_that_ends_in_the_night_costs_no_night(server, tmp_path):
    server.script(says(change("A = 5.0", "A = 9.0")))
    server.otherwise = refuses(401, "expired")
    night, _ = night_with(server, tmp_path / "repo", more="max_experiments: 3\n")
    assert "max_experiments" in run_loop(night)
    assert [p.source for p in proposals(night)] == ["llm:m", "constants", "constants"] and set(outcomes(night)[1:]) == {"error"}
    assert "models[0].key" in night.observer.stream.getvalue()


def test_a_key_that_no_server_takes_ends_the_night_at_once(server, tmp_path):
    server.otherwise = refuses(401, "unknown")
    night, _ = night_with(server, tmp_path / "repo", more="max_experiments: 3\n")
    with pytest.raises(UsageError, match=r"models\[0\].key"):
        run_loop(night)


def test_the_key_is_in_nothing_that_is_kept_or_inherited(server, tmp_path):
    server.script(says(change("A = 5.0", "A = 4.0", f"try {KEY}")), refuses(401, f"bad key {KEY}"))
    night, _ = night_with(server, tmp_path / "repo", more="max_experiments: 1\n")
    keys.hide(night.settings)
    run_loop(night)
    assert "TEST_KEY" not in os.environ and server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    written = [p for p in night.settings.root.rglob("*") if p.is_file() and ".git" not in p.parts]
    assert len(written) > 3 and not [p for p in written if KEY.encode() in p.read_bytes()]
    assert KEY not in night.observer.stream.getvalue() and KEY not in git(night.settings.root, "log", "--all", "--format=%B")


def test_a_limit_on_dollars_ends_the_night_within_one_request(server, tmp_path):
    server.otherwise = lambda request: says(change("A = 5.0", f"A = {6 + len(server.requests)}.0"), usage=(1000, 0, 0))
    more = "max_experiments: 50\nmax_dollars: 0.0035\n"
    night, _ = night_with(server, tmp_path / "repo", more=more, model=", input_price: 1, output_price: 1")
    reason = run_loop(night)
    assert "max_dollars" in reason and 3 <= len(server.requests) <= 4
