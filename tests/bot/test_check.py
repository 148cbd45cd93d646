"""`autoresearch check`: what it says about scripts that do and do not conform."""

import random
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.contract import findings
from tests.conftest import make_repo

GOOD = '''\
"""The smallest script that conforms: bigram logits."""

import json

import torch
from eval import session
from safetensors.torch import load_file, save_file


class Bigram(torch.nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.table = torch.nn.Parameter(torch.zeros(vocab_size, vocab_size))

    def forward(self, tokens):
        return self.table[tokens]


def load_model(directory, device):
    config = json.loads((directory / "config.json").read_text())
    model = Bigram(config["vocab_size"])
    model.load_state_dict(load_file(directory / "model.safetensors"))
    return model.to(device)


def step(model, optimizer, inputs, targets):
    loss = torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.param_groups[0]["lr"] = 0.1 * (1 - session.progress)
    optimizer.step()
    return loss.item()


def main():
    model = Bigram(session.vocab_size).to(session.device)
    optimizer = torch.optim.Adam(model.parameters())
    for inputs, targets in session.warmup(4):
        step(model, optimizer, inputs, targets)
    for inputs, targets in session.batches(4):
        session.report(loss=step(model, optimizer, inputs, targets))
    save_file(model.state_dict(), session.output / "model.safetensors")
    (session.output / "config.json").write_text(json.dumps({"vocab_size": session.vocab_size}))


if __name__ == "__main__":
    main()
'''


def documents(count: int = 40, words: int = 1500) -> dict[str, str]:
    """Text enough for a tokenizer of 512 tokens, in documents that share no long passage."""
    draw = random.Random(0)
    vocabulary = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(3000)]
    return {f"data/{i}.txt": " ".join(draw.choices(vocabulary, k=words)) for i in range(count)}


def problems(source: str, level: str | None = None) -> list[str]:
    return [f.problem for f in findings(source) if level in (None, f.level)]


def without(*lines: str) -> str:
    kept = [line for line in GOOD.splitlines(keepends=True) if not any(text in line for text in lines)]
    return "".join(kept)


def check(*args: str | Path) -> click.testing.Result:
    return CliRunner().invoke(cli, ["check", *map(str, args)], prog_name="autoresearch")


def test_a_good_script_has_no_findings():
    assert findings(GOOD) == []


IMPORT = "from eval import session"
FROM_ATTRIBUTES = "from eval.session import batches, warmup, output, report, progress, device, vocab_size"


@pytest.mark.parametrize(
    "source",
    [
        GOOD.replace("session.", "s.").replace(IMPORT, f"{IMPORT} as s"),
        GOOD.replace("session.", "s.").replace(IMPORT, "import eval.session as s"),
        GOOD.replace("session.", "eval.session.").replace(IMPORT, "import eval.session"),
        GOOD.replace("session.", "").replace(IMPORT, FROM_ATTRIBUTES),
    ],
)
def test_every_way_to_import_the_session(source):
    assert findings(source) == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (GOOD.replace("from eval import session", "session = None"), "does not import the session"),
        (GOOD.replace("session.batches(4)", "[]"), "never takes a batch"),
        (GOOD.replace("session.output", "folder"), "writes no checkpoint"),
        (GOOD.replace("def load_model", "def load"), "has no load_model"),
        (GOOD.replace("(directory, device)", "(directory)"), "load_model cannot be called"),
        (GOOD.replace("(directory, device)", "(directory, device, config)"), "load_model cannot be called"),
        (GOOD.replace("def load_model", "async def load_model"), "load_model cannot be called"),
        (GOOD.replace('if __name__ == "__main__":\n    main()', "main()"), "has no main guard"),
        (GOOD + "\nfor x, y in session.batches(4):\n    pass\n", "takes batches when it is imported"),
        (GOOD.replace("import json\n", "import json\nfrom prepare import Tokenizer\n"), "imports prepare"),
        (GOOD + "\ntorch.save({}, 'x')\n", "pickles (torch.save)"),
        (GOOD.replace("load_file(directory", "torch.load(directory"), "pickles (torch.load)"),
        ("def broken(:\n", "does not parse"),
    ],
)
def test_errors(source, problem):
    assert any(text.startswith(problem) for text in problems(source, "error"))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (GOOD.replace("session.warmup(4)", "[]"), "does not warm up"),
        (GOOD.replace("session.progress", "0"), "has no schedule"),
        (GOOD.replace("session.report(loss=", "print("), "reports no loss"),
        (GOOD + "\nimport time\nt = time.time()\n", "keeps its own time (time.time)"),
        (GOOD + "\nfrom time import perf_counter\nt = perf_counter()\n", "keeps its own time (time.perf_counter)"),
        (GOOD + "\ntorch.manual_seed(1337)\n", "fixes the seed (torch.manual_seed)"),
        (GOOD + "\nimport random\nrandom.seed(0)\n", "fixes the seed (random.seed)"),
        (GOOD + "\nprint(f'val_bpb: {1}')\n", "prints val_bpb"),
        (GOOD + "\ndata = open('train.bin').read()\n", "reads data itself (open)"),
        (GOOD + "\nimport numpy as np\ndata = np.memmap('train.bin')\n", "reads data itself (np.memmap)"),
    ],
)
def test_warnings(source, problem):
    assert problems(source) == [problem]
    assert problems(source, "error") == []


@pytest.mark.parametrize(
    "harmless",
    [
        "torch.manual_seed(session.seed)",
        "open(session.output / 'notes.txt', 'w').write('x')",
        "print('loss')",
        "import time\ntime.sleep(0)",
    ],
)
def test_harmless_lines_are_not_reported(harmless):
    assert findings(GOOD + "\n" + harmless + "\n") == []


def test_load_model_may_open_the_checkpoint():
    assert findings(GOOD.replace('(directory / "config.json").read_text()', 'open(directory / "config.json").read()')) == []


def test_a_finding_has_its_line():
    source = GOOD + "\ntorch.manual_seed(1)\n"
    assert [f.line for f in findings(source)] == [source.splitlines().index("torch.manual_seed(1)") + 1]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    files = {"train.py": GOOD, "bad.py": "import time\nt = time.time()\n", "bench.py": "print('METRIC seconds=0.5')\n"}
    config = "editable: train.py\ncorpus: path:data\nvocab_size: 512\nsequence_length: 64\n"
    return make_repo(tmp_path / "repo", files | documents() | {"autoresearch.yml": config})


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTORESEARCH_CACHE", str(tmp_path / "cache"))


def test_static_reads_the_configured_entry(repo):
    result = check("-C", repo, "--static")
    assert (result.exit_code, result.output) == (0, "train.py: conforms (0 to correct, 0 to consider)\n")


def test_static_reports_line_and_fix_and_fails(repo):
    result = check("--static", repo / "bad.py")
    assert result.exit_code == 1
    assert "warn  bad.py:2: keeps its own time (time.time)\n      use `session.progress`" in result.output
    assert "error bad.py: does not import the session\n      add `from eval import session`" in result.output


def test_a_file_outside_any_repository(tmp_path):
    (tmp_path / "mine.py").write_text(GOOD)
    assert check("--static", tmp_path / "mine.py").output == "mine.py: conforms (0 to correct, 0 to consider)\n"


def test_a_missing_file_is_a_usage_error(tmp_path):
    result = check(tmp_path / "none.py")
    assert result.exit_code == 2 and "is not a file" in result.stderr


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "x.py").write_bytes(b"\xff\xfe")
    assert check("--static", tmp_path / "x.py").exit_code == 2


def test_a_file_the_settings_do_not_name(repo):
    assert check("--static", repo / "bench.py").exit_code == 1


def test_a_good_script_is_really_measured(repo):
    result = check("-C", repo)
    assert result.exit_code == 0, result.output + result.stderr
    assert "ok    measured val_bpb " in result.output and "train.py: conforms" in result.output


def test_the_working_tree_is_measured_a_crash_shows_its_last_lines_and_nothing_is_left(repo):
    (repo / "train.py").write_text(GOOD.replace("def main():\n", "def main():\n    raise RuntimeError('boom 17')\n"))
    result = check("-C", repo)
    assert result.exit_code == 1 and "measured: crash" in result.output and "boom 17" in result.output
    assert [p.name for p in repo.iterdir() if p.name.startswith(".")] == [".git"]


def test_a_command_target_is_run(repo):
    (repo / "autoresearch.yml").write_text("editable: bench.py\ncommand: python bench.py\nmetric: seconds\n")
    result = check("-C", repo)
    assert result.exit_code == 0 and "ok    measured seconds 0.5" in result.output


def test_a_command_without_its_metric_fails(repo):
    (repo / "autoresearch.yml").write_text("editable: bench.py\ncommand: python bench.py\nmetric: speed\n")
    result = check("-C", repo)
    assert result.exit_code == 1 and "METRIC" in result.output
