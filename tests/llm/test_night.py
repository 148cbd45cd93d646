"""A whole night over HTTP on the real train.py with the real referee: a good idea, broken ones, a repeat, a cheat."""

import pytest

from tests.conftest import make_repo
from tests.llm.server import ModelServer, says
from tests.targets import autoresearch, history
from tests.test_kill_real import CONFIG, TOP, texts

SCRIPT = "train/train.py"
SOUND, SPOILT = "HEAD_LR = preset(cpu=0.004,", "HEAD_LR = preset(cpu=0.0,"
CAUSAL, DEVICE = "(distance < 0) | (distance >= window)", "    device = session.device"
MODEL = """proposer: llm
models: [{{model: scripted, base_url: "{url}", key: "", input_price: 1, output_price: 1}}]
repairs: 0
reserve: 1%
"""


def idea(hypothesis: str, text: str, old: str, new: str) -> object:
    """The answer that replaces `old` in the only line of `text` that has it."""
    (line,) = [line for line in text.splitlines() if old in line]
    block = f"<<<<<<< SEARCH\n{line}\n=======\n{line.replace(old, new)}\n>>>>>>> REPLACE\n"
    return says(f"HYPOTHESIS: {hypothesis}\nEXPECTED: better\nCATEGORY: optimizer\n\n{SCRIPT}\n{block}", usage=(1000, 100, 0))


@pytest.mark.slow
def test_every_kind_of_idea_ends_as_it_should(tmp_path):
    text = (TOP / SCRIPT).read_text()
    spoilt = text.replace(SOUND, SPOILT)
    crash, seeded = (f"{DEVICE}\n    {line}" for line in ('raise ValueError(f"no idea for {device}")', "torch.manual_seed(7)"))
    with ModelServer() as server:
        server.script(
            idea("a rate that learns", spoilt, SPOILT, SOUND),
            idea("not Python", text, "def main():", "def main(:"),
            idea("stops at once", text, DEVICE, crash),
            idea("stops at once, again", text, DEVICE, crash),
            idea("the seed is lucky", text, DEVICE, seeded),
            idea("look ahead", text, CAUSAL, "(distance >= window)"),
            idea("learn nothing", text, "EMBED_LR = preset(cpu=0.6,", "EMBED_LR = preset(cpu=0.0,"),
        )
        server.otherwise = idea("learn little", text, "MATRIX_LR = preset(cpu=0.04,", "MATRIX_LR = preset(cpu=0.0,")
        config = CONFIG.replace("max_experiments: 3", "max_experiments: 5") + MODEL.format(url=server.base_url)
        files = {SCRIPT: spoilt, "program.md": "Lower the bits per byte.\n", "autoresearch.yml": config}
        root = make_repo(tmp_path / "repo", files | texts())
        autoresearch(root, "run")
        told = [request.text for request in server.requests]
    found = history(root)
    assert {e.proposal.hypothesis: e.status for e in found.experiments.values() if e.proposal} == {
        "a rate that learns": "keep", "stops at once": "crash", "look ahead": "violation",
        "learn nothing": "discard", "learn little": "discard",
    }  # fmt: skip
    assert [call.outcome for call in found.calls] == ["answer", "rejected", "answer", "rejected", "rejected", "answer", "answer", "answer"]
    assert any("invalid syntax" in text for text in told) and any("manual_seed" in text for text in told)
    assert "no idea for cpu" in told[-1] and "look ahead" in told[-1]
