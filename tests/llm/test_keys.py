"""Keys: by the environment or by standard input, and then in no environment, file, output or process list."""

import subprocess
from pathlib import Path

import pytest

from bot import keys
from bot.errors import UsageError
from bot.settings import Settings
from tests.llm.server import ModelServer, says
from tests.llm.test_llm import KEY, change
from tests.targets import CONFIG, command_line, environment, history, make_target

SPY = """import os
from params import X
for name in os.listdir("/proc"):
    if name.isdigit():
        for part in ("environ", "cmdline"):
            try:
                print(open(f"/proc/{name}/{part}", "rb").read().decode(errors="replace").replace(chr(0), " "))
            except OSError:
                pass
print(f"METRIC cost={X + int(os.environ['AUTORESEARCH_SEED']) % 1000 / 1e6}")
"""


@pytest.fixture
def server():
    with ModelServer() as server:
        server.key = KEY
        server.otherwise = says(change("X = 5.0", "X = 9.0"))
        yield server


@pytest.fixture
def target(server, tmp_path) -> Path:
    """The command prints whatever environment and command line it can read of any process."""
    models = f"models: [{{model: m, base_url: '{server.base_url}', key: TEST_KEY}}]\nmax_experiments: 1\n"
    root = make_target(tmp_path / "repo", [], CONFIG.replace("replay:patches", "llm") + models)
    (root / "score.py").write_text(SPY)
    subprocess.run(["git", "commit", "-qam", "look around"], cwd=root, check=True)
    return root


def run(root, *args, text="", **extra):
    return subprocess.run(command_line("run", *args), cwd=root, env=environment(**extra), input=text, capture_output=True, text=True)


@pytest.mark.parametrize(("args", "text", "extra"), [
    ((), "", {"TEST_KEY": KEY}),
    (("--keys-from-stdin",), f"TEST_KEY={KEY}\n", {}),
])  # fmt: skip
def test_a_key_reaches_the_server_and_nothing_else(target, server, args, text, extra):
    done = run(target, *args, text=text, AUTORESEARCH_SANDBOX="auto", **extra)
    assert done.returncode == 0, done.stdout + done.stderr
    assert history(target).experiments[1].proposal.source == "llm:m"
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    written = [path for path in target.rglob("*") if path.is_file()]
    assert not [path for path in written if KEY.encode() in path.read_bytes()] and KEY not in done.stdout + done.stderr


def test_a_key_that_is_missing_is_said_before_anything_is_measured(target):
    done = run(target)
    assert done.returncode == 2 and "models[0].key: the environment variable TEST_KEY is not set" in done.stderr
    assert not history(target).experiments


@pytest.mark.parametrize("line", ["sk-1234", "A-B=1", "=x", "EMPTY="])
def test_a_line_that_is_no_key_is_refused_without_repeating_it(line):
    with pytest.raises(UsageError, match="line 2 is not NAME=VALUE") as caught:
        keys.read(["OPENAI_API_KEY=abc\n", f"{line}\n"])
    assert line not in str(caught.value)


def test_what_the_settings_name_leaves_the_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "_held", {})
    root = make_target(tmp_path / "repo", [])
    agent = {"command": ["a", "{prompt}"], "environment": ["OTHER_KEY"]}
    settings = Settings.build(root, {"editable": ["params.py"], "models": [{"model": "m", "key": "TEST_KEY"}], "agent": agent})
    here = {"TEST_KEY": "1", "OTHER_KEY": "2", "PATH": "/bin"}
    keys.hide(settings, here)
    assert here == {"PATH": "/bin"} and keys.view(here) == {"PATH": "/bin", "TEST_KEY": "1", "OTHER_KEY": "2"}


def test_what_the_bot_needs_itself_stays_though_an_agent_is_given_it_too(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "_held", {})
    root = make_target(tmp_path / "repo", [])
    agent = {"command": ["true", "{prompt}"], "environment": ["PATH", "HTTPS_PROXY", "https_proxy", "SOME_KEY"]}
    settings = Settings.build(root, {"command": "x", "metric": "y", "editable": ["params.py"], "proposer": "agent", "agent": agent})
    needed = {"PATH": "/bin", "HTTPS_PROXY": "http://proxy", "https_proxy": "http://proxy"}
    environ = needed | {"SOME_KEY": KEY}
    keys.hide(settings, environ)
    assert environ == needed and keys.view(environ) == needed | {"SOME_KEY": KEY}
