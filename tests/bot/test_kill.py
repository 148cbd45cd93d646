"""kill -9 of the bot at random instants: resumed, the ledger and the branch are those of a night that nobody disturbed.

The target's metric is an exact function of (file, seed), so the comparison is exact: every run, seed, value and verdict.
"""

import os
import random
import signal

import pytest

from bot.history import History
from bot.ledger import Ledger
from tests import warm
from tests.conftest import git
from tests.targets import autoresearch, environment, make_target, walk


@pytest.fixture(autouse=True)
def without_a_sandbox(monkeypatch):
    """A sandbox costs each command 0.1 s and changes nothing here; tests/bot/test_isolation.py has it."""
    monkeypatch.setenv("AUTORESEARCH_SANDBOX", "none")


def story(root):
    """Everything that must not depend on kills: proposals, runs with seeds and values, verdicts, and the branch's content."""
    ledger = Ledger(root / ".autoresearch/ledger/demo")
    past = History.fold(ledger.events())
    assert not ledger.problems or all("torn" in problem for problem in ledger.problems)
    assert not past.oddities
    experiments = [
        (
            e.id,
            e.proposal and (e.proposal.hypothesis, e.proposal.source, ledger.read_patch(e.id)),
            [(m.role, m.index, m.seed, m.outcome, m.value) for m in e.measurements],
            e.verdict and (e.verdict.status, e.verdict.why, e.verdict.value, e.verdict.delta, e.verdict.seeds),
        )
        for e in past.experiments.values()
    ]
    branch = git(root, "log", "--format=%s %T", "autoresearch/demo").splitlines()
    assert git(root, "rev-parse", "autoresearch/demo") == past.champion_sha
    return experiments, branch


def started(root):
    """A run that begins at once: each kill falls into its work, not into the start of an interpreter."""
    with open(os.devnull, "wb") as nowhere:
        return warm.start("bot", ["run"], root, environment(), nowhere, nowhere)


def killed_night(root, rng, kills):
    """Runs until the night is over or `kills` are spent, then once more undisturbed. Returns how often it was killed."""
    done = 0
    while done < kills:
        process = started(root)
        try:
            process.wait(timeout=rng.uniform(0.05, 0.7))
            break
        except TimeoutError:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            done += 1
    autoresearch(root, "run")
    return done


def check(tmp_path, steps, kills, seed):
    reference = make_target(tmp_path / "reference", walk(steps))
    autoresearch(reference, "run")
    expected = story(reference)
    rng, total, night = random.Random(seed), 0, 0
    while total < kills:
        night += 1
        root = make_target(tmp_path / f"night{night}", walk(steps))
        total += killed_night(root, rng, kills - total)
        assert story(root) == expected
    return total


def test_a_night_killed_ten_times_is_the_night_nobody_disturbed(tmp_path):
    assert check(tmp_path, steps=8, kills=10, seed=1) >= 10


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_night_killed_two_hundred_times_is_the_night_nobody_disturbed(tmp_path):
    assert check(tmp_path, steps=60, kills=200, seed=2) >= 200
