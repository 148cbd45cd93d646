"""`autoresearch prompt`: exactly what the next experiment's model would get, and its cost."""

import json
import subprocess
import sys

import pytest

from bot import prompting
from bot.history import History
from bot.ledger import ENCODER
from bot.prompting import upcoming
from bot.settings import Settings
from tests.bot.thinkers import short_night
from tests.conftest import commit_all, git, make_repo
from tests.targets import autoresearch, command_line, environment

CONFIG = """name: demo
editable: [train.py]
proposer: llm
models:
- {model: priced, input_price: 2.0, output_price: 10.0, max_tokens: 1000, base_url: "http://127.0.0.1:9/v1", key: ""}
- {model: nobody-knows-its-price, base_url: "http://127.0.0.1:9/v1", key: ""}
prompt_tokens: 20000
"""
TRAIN = "LEARNING_RATE = 0.02  # step size\nDEPTH = 4\n"


@pytest.fixture
def root(tmp_path):
    return make_repo(tmp_path / "repo", {"train.py": TRAIN, "program.md": "Lower it.\n", "autoresearch.yml": CONFIG})


def begun(root):
    """The same repository with a ledger whose champion is a commit of it."""
    night = short_night()
    champion, base = night.champion, git(root, "rev-parse", "HEAD")
    (root / "train.py").write_text(TRAIN.replace("4", "5"))
    best = commit_all(root)
    (root / "train.py").write_text(TRAIN)
    commit_all(root)
    data = b"".join(ENCODER.encode(event) + b"\n" for event in night.events)
    data = data.replace(champion.encode(), best.encode()).replace(b"b" * 40, base.encode())
    folder = root / ".autoresearch" / "ledger" / "demo"
    folder.mkdir(parents=True)
    (folder / "local.jsonl").write_bytes(data)
    return root


def told(root) -> dict:
    return json.loads(autoresearch(root, "prompt", "--json"))


def test_it_works_before_the_first_run(root):
    found = told(root)
    assert found["experiment"] == 1 and "Nothing has been measured yet" in found["user"] and TRAIN in found["user"]
    assert not (root / ".autoresearch").exists()


def test_it_is_what_would_be_sent_next(root):
    """The champion's file, not the checkout's; the record; the brief as it is now."""
    begun(root)
    (root / "program.md").write_text("Another brief.\n")
    found, settings = told(root), Settings.load(root)
    context, prompt = upcoming.prompt(settings)
    assert (found["system"], found["user"]) == (prompt.system, prompt.user)
    assert prompt == prompting.build(context, "Another brief.\n", 20000)
    assert "DEPTH = 5" in found["user"] and "Another brief." in found["user"] and "#2 keep" in found["user"] and found["experiment"] == 7
    assert isinstance(context.history, History) and context.history.champion_sha == git(root, "rev-parse", "HEAD~1")


def test_tokens_by_part_and_dollars(root):
    found = told(root)
    assert found["tokens"] <= found["limit"] == 20000 and 0 <= found["tokens"] - sum(found["parts"].values()) <= 60
    priced, unknown = found["models"]
    assert priced["prompt_dollars"] == pytest.approx(2e-6 * found["tokens"]) and priced["longest_answer_dollars"] == pytest.approx(0.01)
    assert unknown == {"model": "nobody-knows-its-price", "prompt_dollars": None, "longest_answer_dollars": None}


def test_the_text_is_on_standard_output_and_the_cost_beside_it(root):
    done = subprocess.run(command_line("prompt"), cwd=root, env=environment(), capture_output=True, text=True, check=True)
    found = told(root)
    assert found["system"] in done.stdout and found["user"] in done.stdout and "tokens" not in done.stdout.splitlines()[0]
    assert "nobody-knows-its-price: price unknown" in done.stderr and "priced: $0.0" in done.stderr and "  files" in done.stderr


def test_nothing_in_it_is_a_command_to_a_ci_runner(root):
    (root / "train.py").write_text("A = '''\n::add-mask::x\n'''\n")
    commit_all(root)
    done = subprocess.run(command_line("prompt"), cwd=root, env=environment(), capture_output=True, text=True, check=True)
    assert "\n::add-mask" not in done.stdout and ": :add-mask::x" in done.stdout and "::add-mask::x" in told(root)["user"]


def test_a_base_that_is_not_there_is_named(root):
    (root / "autoresearch.yml").write_text(CONFIG + "base: nowhere\n")
    assert "error: base: 'nowhere'" in autoresearch(root, "prompt", code=2)


def test_a_proposer_that_asks_no_model_is_told(root):
    (root / "autoresearch.yml").write_text("name: demo\neditable: [train.py]\n")
    done = subprocess.run(command_line("prompt"), cwd=root, env=environment(), capture_output=True, text=True, check=True)
    assert "`proposer: constants` asks no model" in done.stderr and "no model is configured" in done.stderr


def test_it_never_imports_what_asks_a_model(root):
    code = """
import sys
from bot.cli import main
sys.argv = ["autoresearch", "prompt"]
try:
    main()
except SystemExit:
    pass
print([name for name in ("openai", "torch", "bot.proposers.chat") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
