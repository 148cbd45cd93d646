"""The runner and the real referee: what it is asked, what is recorded of its answer, what is kept for the next run."""

import io
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.context import Context, digest, for_command, machine
from bot.gitrepo import GitRepo
from bot.live import PlainObserver
from bot.records import Measurement
from bot.references import References
from bot.runner import Runner, locks
from bot.settings import Settings
from bot.signals import Stop
from bot.waiting import WAITING
from eval import lock
from eval.corpus import Corpus
from eval.exclusive import exclusive
from eval.request import PROTOCOL
from eval.sandbox import LEVELS, choose
from tests.conftest import make_repo
from tests.eval.rig import BIGRAM, EVAL_TOKENS, LENGTH, make_corpus
from tests.targets import make_target

AHEAD = BIGRAM.replace(
    "return self.table[inputs]",
    "return self.table[inputs] + 4.0 * torch.nn.functional.one_hot(torch.roll(inputs, -1, 1), self.table.shape[1])",
)
HELPER = "def scale():\n    return 1.0\n"


class Bench:
    """A repository with a tiny candidate, and a runner whose interpreter writes down what it is asked."""

    def __init__(self, folder: Path):
        root = make_repo(folder / "repo", {"train.py": BIGRAM, "helper.py": HELPER, "program.md": "brief\n"})
        (folder / "log").touch()
        self.log, self.repo = folder / "log", GitRepo(root)
        self.base, _ = self.repo.head()
        real = Settings.build(root, {"editable": "train.py"}).python
        (folder / "python").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {self.log}\nexec {real} "$@"\n')
        (folder / "python").chmod(0o755)
        (folder / "extra").mkdir()
        self.settings = Settings.build(root, {
            "editable": "train.py", "locked": "helper.py", "python": str(folder / "python"), "budget": "1s cpu", "device": "cpu",
            "sequence_length": LENGTH, "eval_tokens": EVAL_TOKENS, "readable": str(folder / "extra"),
        })  # fmt: skip
        corpus, referee = make_corpus(folder / "corpus"), lock.stage(folder / "referee")
        here = machine(real, referee, "cpu")["fingerprint"]
        constants = {"protocol": PROTOCOL, "sequence_length": LENGTH, "eval_tokens": EVAL_TOKENS}
        known = Corpus.open(corpus).digest
        key = digest(lock.metric_version(known, constants), known, "1s cpu", here, "files")
        context = Context(key, self.base, self.settings.python, referee, here, choose(), corpus, "1s cpu", "files")
        self.references = References(folder / "bits", self.repo, key)
        self.runner = Runner(self.settings, self.repo, context, folder / "scratch", PlainObserver((folder / "out").open("w")), Stop(),
                             self.references)  # fmt: skip

    def measure(self, sha: str, index: int, **how):
        return self.runner.measure(id=0, role="baseline", index=index, sha=sha, seed=index, **how)

    def asked(self) -> str:
        return self.log.read_text().splitlines()[-1]


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def heavy(bench):
    found = bench.measure(bench.base, 0, dose="heavy", champion=bench.base)
    return found, bench.asked()


def test_a_heavy_run_says_what_the_probes_found_and_how_it_was_isolated(bench, heavy):
    found, _ = heavy
    assert (found.outcome, found.dose, found.isolation) == ("ok", "heavy", choose().level), found.reason
    assert found.leak == 0.0 and 0.0 <= found.leak_bound < 1.0


def test_its_bits_are_kept_for_the_next_runs(bench, heavy):
    assert "--save-bits" in heavy[1] and "--reference" not in heavy[1]
    assert bench.references.find(bench.base).stat().st_size > 4 * EVAL_TOKENS
    assert not list(bench.runner.scratch.iterdir())


def test_what_the_settings_allow_is_asked_of_the_referee(bench, heavy):
    asked = heavy[1]
    assert f"--readable {bench.settings.readable[0]}" in asked and "--launcher " in asked
    assert any(f"--sandbox {level} " in asked for level in LEVELS)  # the level that the night began with, not `auto`


def test_a_light_run_is_probed_where_it_gains_on_the_champion_and_keeps_nothing(bench, heavy):
    before = bench.references.find(bench.base).stat()
    found = bench.measure(bench.base, 1, champion=bench.base)
    assert (found.outcome, found.dose) == ("ok", "light"), found.reason
    assert f"--reference {bench.references.path(bench.base)}" in bench.asked() and "--save-bits" not in bench.asked()
    assert bench.references.find(bench.base).stat().st_mtime_ns == before.st_mtime_ns


def test_a_breach_is_recorded_with_its_explanation_and_smallest_case(bench):
    sha = bench.repo.commit(bench.base, {"train.py": AHEAD}, "look ahead", 1.0)
    found = bench.measure(sha, 3, dose="heavy")
    assert (found.outcome, found.value) == ("violation", None)
    assert found.reason and found.explanation and found.reproduction.startswith("{")
    assert bench.references.find(sha) is None


def test_locked_files_are_the_base_commits_and_editable_ones_the_measured(bench, tmp_path):
    sha = bench.repo.commit(bench.base, {"train.py": "X = 2\n", "helper.py": "def scale():\n    return 0.5\n"}, "both", 1.0)
    bench.runner._candidate(tmp_path / "candidate", sha)
    assert (tmp_path / "candidate/train.py").read_text() == "X = 2\n"
    assert (tmp_path / "candidate/helper.py").read_text() == HELPER
    assert sorted(path.name for path in (tmp_path / "candidate").iterdir()) == ["helper.py", "train.py"]


class Waits(PlainObserver):
    """Knows when a run first waits for the device."""

    def __init__(self):
        super().__init__(io.StringIO())
        self.waiting = threading.Event()

    def progress(self, phase: str, fraction: float, loss: float | None = None) -> None:
        if phase == WAITING:
            self.waiting.set()


@contextmanager
def device_taken(observer: Waits, seconds: float) -> Iterator[None]:
    """Another measurement has the device until a run has waited for it for so long."""
    taken = threading.Event()

    def other() -> None:
        with exclusive("cpu", locks(), lambda: None):
            taken.set()
            observer.waiting.wait(60)
            time.sleep(seconds)

    thread = threading.Thread(target=other)
    thread.start()
    taken.wait()
    yield
    thread.join()


def waited_for(runner: Runner, monkeypatch, seconds: float, sha: str) -> tuple[Measurement, float]:
    """A run that has to wait, and the wall seconds that it does not count."""
    observer, began = Waits(), time.monotonic()
    monkeypatch.setattr(runner, "observer", observer)
    with device_taken(observer, seconds):
        found = runner.measure(id=0, role="baseline", index=4, sha=sha, seed=4, champion=sha)
        whole = time.monotonic() - began
    return found, whole - found.seconds


@pytest.fixture(scope="module")
def hindered(bench, heavy, tmp_path_factory) -> tuple[Measurement, float]:
    """A run that has to wait for the device, and finds the champion's bits damaged; the wall seconds that it does not count."""
    path = bench.references.path(bench.base)
    good = path.read_bytes()
    path.write_bytes(good[:1000])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("hindered")))
        found, waited = waited_for(bench.runner, patch, 3.0, bench.base)
    assert f"--reference {path}" in bench.asked()
    path.write_bytes(good)
    return found, waited


def test_a_damaged_reference_changes_no_result(hindered):
    assert hindered[0].outcome == "ok", hindered[0].reason


def test_a_run_of_the_referee_does_not_count_the_wait_for_the_device(hindered):
    found, waited = hindered
    assert found.outcome == "ok" and found.seconds > 0.5 and 2.4 < waited < 5.0


def test_nor_does_a_commands(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    repo = GitRepo(make_target(tmp_path / "repo", []))
    base, _ = repo.head()
    settings, context = for_command(Settings.load(repo.root, environ={"AUTORESEARCH_SANDBOX": "none"}), repo, base, tmp_path)
    runner = Runner(settings, repo, context, tmp_path / "scratch", Waits(), Stop())
    found, waited = waited_for(runner, monkeypatch, 1.0, base)
    assert found.outcome == "ok" and found.seconds > 0 and 0.5 < waited < 3.0
