"""The parser-speed example is what its README says: a guard, a number, and patches that end as announced."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.history import History
from bot.ledger import Ledger
from bot.proposers import ProposalContext
from bot.proposers.constants import Constants
from bot.proposers.replay import Replay
from bot.settings import Settings
from tests.conftest import commit_all, git
from tests.targets import autoresearch

EXAMPLE = Path(__file__).parents[2] / "examples/parser-speed"


@pytest.fixture
def target(tmp_path):
    """The folder in a repository of its own, as its README says."""
    root = tmp_path / "target"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".gitignore").write_text("__pycache__/\n.autoresearch/\n")
    git(root, "init", "-q", "-b", "main")
    commit_all(root)
    return root


def bench(root: Path, seed: int = 1) -> subprocess.CompletedProcess:
    environment = {**os.environ, "AUTORESEARCH_SEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "bench.py"], cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_one_positive_metric_is_printed(target):
    found = re.findall(r"^METRIC parse_us=([\d.]+)$", bench(target).stdout, re.M)
    assert len(found) == 1 and float(found[0]) > 0


def test_the_seed_changes_the_document_and_not_its_shape(target):
    code = "from json import dumps; from bench import document; a, b = map(dumps, map(document, '12')); print(a != b, len(a) - len(b))"
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=target, capture_output=True, text=True, check=True)
    differs, longer = done.stdout.split()
    assert differs == "True" and abs(int(longer)) <= 60  # floats print with one to three decimals


def test_a_broken_parser_prints_no_metric_and_exits_1(target):
    text = (target / "parser.py").read_text()
    (target / "parser.py").write_text(text.replace('"b": "\\b"', '"b": "b"').replace('"n": "\\n"', '"n": "n"'))
    done = bench(target)
    assert done.returncode == 1 and "METRIC" not in done.stdout


def test_the_patches_end_as_the_readme_says(target):
    output = autoresearch(target, "run", AUTORESEARCH_SANDBOX="none")
    history = History.fold(Ledger(target / ".autoresearch/ledger/parser-speed").events())
    statuses = [history.experiments[id].status for id in (1, 3, 4)]  # 2 changes nothing: one time in a hundred it may be kept
    assert statuses == ["keep", "crash", "discard"], output
    assert not any(e.proposal and e.proposal.rejected for e in history.experiments.values())


def test_the_configuration_is_valid_and_names_this_folder(target):
    settings = Settings.load(target)
    assert Replay(settings.root / settings.proposer.partition(":")[2]).propose(
        ProposalContext({}, History(), 1, "cpu", target)
    ).source == "replay:01-spaces-by-pattern.patch"


def test_the_constants_proposer_finds_its_numbers(target):
    answer = Constants().propose(ProposalContext({"parser.py": (target / "parser.py").read_text()}, History(), 1, "cpu", target))
    assert set(answer.params) < {"CHUNK", "INTERN_SIZE", "INTERN_LENGTH", "LOOKBACK"}
