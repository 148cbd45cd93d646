"""Whole nights from the command line with a coding agent: a real program, real measurements."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.bot.agents import alive, until
from tests.targets import CONFIG, autoresearch, command_line, environment, history, make_target

AGENT = """
import json, os, re, subprocess, sys, time
from pathlib import Path
assert "BOT_SECRET" not in os.environ and os.environ["AGENT_KEY"] == "ak"
out = Path(os.environ["OUT"])
turn = len(list(out.iterdir()))
(out / str(turn)).write_text(Path(sys.argv[1]).read_text())
params = Path("params.py")
x = float(re.match(r"X = ([\\d.]+)", params.read_text())[1])
what = ("locked", "nothing", "gain")[min(turn, 2)]
if what == "gain":
    params.write_text(f"X = {x - 1}\\n")
if what == "locked":
    Path("score.py").write_text("print('METRIC cost=0')\\n")
print(json.dumps({"type": "result", "result": f"HYPOTHESIS: {what} {turn}\\nCATEGORY: optimizer\\nLEARNED: smaller is better",
                  "total_cost_usd": 0.25, "usage": {"input_tokens": 1000, "output_tokens": 50}}))
"""


@pytest.fixture
def target(tmp_path):
    root = make_target(tmp_path / "target", [])
    (tmp_path / "out").mkdir()
    (tmp_path / "agent.py").write_text(AGENT)
    agent = {
        "command": [sys.executable, str(tmp_path / "agent.py"), "{prompt_file}"],
        "environment": ["AGENT_KEY", "OUT"],
        "timeout": "30s",
    }
    config = CONFIG.replace("proposer: replay:patches", f"proposer: agent\nagent: {json.dumps(agent)}\nattempts: 1")
    (root / "autoresearch.yml").write_text(config)
    return root


def night(root, *options):
    return autoresearch(
        root, "run", *options, AGENT_KEY="ak", OUT=str(root.parent / "out"), BOT_SECRET="sk", HOME=os.environ.get("HOME", "/")
    )  # fmt: skip


def test_a_night_with_an_agent_keeps_what_gains_and_records_why_the_rest_was_not_taken(target):
    said = night(target, "--max-experiments", "3")
    found = history(target)
    told = {e.id: (e.status, e.proposal.hypothesis) for e in found.experiments.values() if e.id}
    assert told == {1: ("crash", "locked 0"), 2: ("crash", "nothing 1"), 3: ("keep", "gain 2")}, said
    proposals = [found.experiments[id].proposal for id in (1, 2, 3)]
    assert "score.py" in proposals[0].rejected and "changed nothing" in proposals[1].rejected
    assert {(p.source, p.category) for p in proposals} == {("agent:agent", "optimizer")}
    assert [call.outcome for call in found.calls[:3]] == ["rejected", "refused", "answer"]
    assert {call.dollars for call in found.calls} == {0.25} and found.calls[0].prompt_tokens == 1000


def test_the_next_prompt_tells_the_agent_how_the_last_change_went(target):
    night(target, "--max-experiments", "4")
    last = max((target.parent / "out").iterdir(), key=lambda path: int(path.name)).read_text()
    assert "gain 2" in last and "smaller is better" in last and "X = 4.0" in last and "score.py" in last


def test_a_signal_ends_the_night_and_the_agent_at_once(target):
    """The one that a cancelled job gets, while the agent is thinking."""
    (target.parent / "agent.py").write_text(
        "import os, time\nopen(os.environ['OUT'] + '/pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    extra = {"AGENT_KEY": "ak", "OUT": str(target.parent / "out"), "CI": "true"}
    pid = target.parent / "out/pid"
    with subprocess.Popen(command_line("run"), cwd=target, env=environment(**extra), stdin=subprocess.DEVNULL) as bot:
        assert until(lambda: pid.exists() and pid.read_text(), 60)
        began = time.monotonic()
        bot.send_signal(signal.SIGTERM)
        assert bot.wait(30) == 128 + signal.SIGTERM and time.monotonic() - began < 7.5
    assert until(lambda: not alive(int(pid.read_text())))
    assert not [e for e in history(target).experiments.values() if e.id]
