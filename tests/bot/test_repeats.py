"""A small corpus on a big machine: the night, the report and the pull request say how often a run reads its text. And named corpora."""

import json
import time

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from bot.cli import cli
from bot.errors import UsageError
from bot.history import History
from bot.records import Measurement, Stopped
from bot.report import markdown, reproduce
from bot.settings import Settings
from tests.bot.builders import good_night
from tests.bot.nights import make_night, open_again
from tests.bot.pulls import made, shown
from tests.conftest import make_repo


def read(epochs: float) -> History:
    events = [replace(event, epochs=epochs) if isinstance(event, Measurement) else event for event in good_night().events]
    return History.fold(events)


def notes(night) -> list[str]:
    """What the night said of passes over the text."""
    return [line for line in night.observer.stream.getvalue().splitlines() if "passes over the training text" in line]


@pytest.fixture
def run(tmp_path):
    """`run(epochs...)`: a night of so many baseline runs, each with its passes over the text; its notes."""
    from bot.measuring import take

    def run(*epochs: float, again: bool = False) -> list[str]:
        left = list(epochs)
        opened = open_again if again else lambda root, answer: make_night(root, [], answer)
        night, _ = opened(tmp_path / "repo", lambda asked: {"epochs": left.pop(0)})
        for _ in epochs:
            take(night, 0, "baseline", night.history.base)
        night.record(Stopped(time.time(), "stop_after"))
        return notes(night)

    return run


def test_a_night_is_warned_of_repeated_text(run):
    (said,) = run(131.7)
    assert "WARNING: 132 passes over the training text in a run, and above 4" in said and "set `corpus: climbmix`" in said


def test_a_night_is_warned_once(run):
    assert len(run(1.0, 132.0, 131.0, 0.5, 140.0)) == 1


def test_the_next_night_is_warned_again(run):
    assert len(run(132.0)) == 1 and len(run(132.0, 131.0, again=True)) == 1


@pytest.mark.parametrize("epochs", [0.0, 0.3, 4.0])
def test_four_passes_are_no_reason_to_warn(run, epochs):
    assert run(epochs) == []


@pytest.mark.parametrize(("epochs", "warned"), [(0.3, False), (4.0, False), (4.1, True), (132.0, True)])
def test_the_report_warns_above_four_passes(epochs, warned):
    text = markdown.render(read(epochs))
    assert ("> [!WARNING]\n> **" in text and "passes over the training text" in text) == warned


@pytest.mark.parametrize(("epochs", "told"), [(0.31, "| Passes over the text | 0.31 |"), (132.0, "| Passes over the text | **132 passes")])
def test_report_and_pull_request_say_how_many_passes(tmp_path, epochs, told):
    assert told in markdown.render(read(epochs))
    assert told in shown(read(epochs), made(tmp_path))


def test_nothing_is_said_of_what_was_never_counted(tmp_path):
    assert "asses over" not in markdown.render(read(0.0)) + shown(read(0.0), made(tmp_path))


# ---- corpora by name


@pytest.mark.parametrize("corpus", ["climbmix", "climbmix:8", "tinystories", "tinystories:9"])
def test_named_corpora_are_settings(tmp_path, corpus):
    assert made(tmp_path, corpus=corpus).corpus == corpus


@pytest.mark.parametrize(
    ("corpus", "words"),
    [
        ("climbmx", "corpus: 'climbmx' is not a corpus; write `embedded`, `path:DIR`, or `climbmix` or `tinystories`"),
        ("climbmix:0", "corpus: 'climbmix:0' does not say how many training shards; write a number from 1 to 6,542"),
        ("tinystories:10", "write a number from 1 to 9"),
        ("embedded:3", "is not a corpus"),
    ],
)
def test_other_names_are_explained(tmp_path, corpus, words):
    with pytest.raises(UsageError) as caught:
        made(tmp_path, corpus=corpus)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "device", "expected"),
    [
        ({"corpus": "climbmix"}, "cuda", "climbmix:10"),
        ({"corpus": "climbmix", "budget": "1h"}, "cuda", "climbmix:120"),
        ({"corpus": "climbmix"}, "cpu", "climbmix:1"),
        ({"corpus": "climbmix:3"}, "cuda", "climbmix:3"),
        ({}, "cuda", "embedded"),
    ],
)
def test_shards_follow_from_the_budget(tmp_path, fields, device, expected):
    resolved = made(tmp_path, **fields).resolved(device)
    assert resolved.corpus == expected and resolved.resolved(device) == resolved


def test_the_report_names_the_shards_to_measure_a_number_again(tmp_path):
    settings: Settings = made(tmp_path, corpus="climbmix", vocab_size=2048, sequence_length=256, eval_tokens=32768, device="cpu")
    assert "python -m eval.corpus climbmix:1 2048" in reproduce.section(read(0.3), settings)


@pytest.mark.parametrize(("corpus", "looked"), [("climbmix", ["ok"]), ("embedded", [])])
def test_the_doctor_looks_for_what_reads_shards(tmp_path, monkeypatch, corpus, looked):
    monkeypatch.setenv("AUTORESEARCH_CACHE", str(tmp_path / "cache"))
    root = make_repo(tmp_path / "repo", {"train.py": "X = 1\n", "autoresearch.yml": f"editable: train.py\ncorpus: {corpus}\n"})
    said = CliRunner().invoke(cli, ["-C", str(root), "doctor", "--json"], prog_name="autoresearch").stdout
    assert [check["state"] for check in json.loads(said)["checks"] if check["name"] == "pyarrow"] == looked
