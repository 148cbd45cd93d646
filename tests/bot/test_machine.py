"""What a run was measured on and with: recorded when it opens, shown with the numbers, told when it changes."""

import platform
import sys

from msgspec.structs import replace

from bot import context
from bot.history import History
from bot.records import Opened
from bot.report import data, machine, markdown, moves, pull
from eval import lock
from tests.targets import autoresearch, history, make_target

from .builders import Night, good_night
from .moved import Moved
from .pulls import LINKS, check, made

GPU = {"device": "cuda", "device_name": "NVIDIA H100 80GB HBM3", "memory_gib": "80", "cpu": "AMD EPYC", "cores": "16",
       "driver": "570.86.15", "torch": "2.6.0+cu124", "cuda": "12.4", "python": "3.11.9", "system": "Linux x86_64"}  # fmt: skip


def on(night: Night, **facts: str) -> Night:
    """As if every `run` of it had been opened on that machine."""
    night.events = [replace(e, machine=facts) if isinstance(e, Opened) else e for e in night.events]
    return night


def twice(before: dict[str, str], after: dict[str, str], **fields) -> Night:
    """A night, and a second one that measures the base again on another machine, or with other software."""
    night = on(good_night(), **before)
    night.context = "another"
    night.opened()
    night.events[-1] = replace(night.events[-1], machine=after, **fields)
    for index in range(4):
        night.run(0, "baseline", 4 + index, night.champion)
    return night


def fold(night: Night) -> History:
    return History.fold(night.events)


def test_the_training_interpreter_says_which_torch_it_has(tmp_path):
    found = context.told(context.machine(sys.executable, lock.stage(tmp_path / "referee"), "cpu"))
    import torch

    assert found["torch"] == torch.__version__ and found["device"] == "cpu" and found["python"] and int(found["cores"]) >= 1


def test_neither_a_serial_number_nor_what_is_unknown_is_recorded():
    assert context.told({"torch": "2.6", "gpu_uuid": "GPU-1", "fingerprint": "f", "cuda": "", "memory_gib": 0}) == {"torch": "2.6"}


def test_a_run_records_it_and_says_when_another_one_is_not_comparable(tmp_path):
    root = make_target(tmp_path / "repo", [])
    first = autoresearch(root, "run", AUTORESEARCH_SANDBOX="none")
    known = history(root).last_opened.machine
    assert known["python"] == platform.python_version() and known["device"] == "cpu" and "compared with nothing" not in first
    second = autoresearch(root, "run", "--budget", "21s", AUTORESEARCH_SANDBOX="none")
    assert "budget 20s → 21s: what was measured before is compared with nothing that is measured since" in second
    assert f"Python {known['python']}" in (root / ".autoresearch/report/demo/report.md").read_text()


def test_report_pull_request_and_json_name_it(tmp_path):
    history = fold(on(good_night(), **GPU))
    for text in (markdown.render(history), pull.body(history, [], made(tmp_path), LINKS)):
        assert "| Machine | NVIDIA H100 80GB HBM3 (80 GiB), 16 cores |" in text
        assert "| Software | torch 2.6.0+cu124, CUDA 12.4, driver 570.86.15, Python 3.11.9, Linux x86\\_64 |" in text.replace(
            "x86_64", "x86\\_64"
        )
        assert "| Fingerprint | " in text
    assert data.status(history, "stopped")["machine"] == GPU


def test_the_machine_is_the_one_of_the_shown_numbers(tmp_path):
    """A `run` on another machine that measured nothing of the base changes nothing that is shown."""
    night = on(good_night(), **GPU)
    night.context = "elsewhere"
    night.opened()
    night.events[-1] = replace(night.events[-1], machine=GPU | {"torch": "9.9"})
    assert "torch 2.6.0" in machine.software(machine.opening(fold(night)).machine)


def test_an_older_record_has_the_digest_alone(tmp_path):
    text = pull.body(fold(good_night()), [], made(tmp_path), LINKS)
    assert "| Software |" not in text and "| Fingerprint | `cpu 2 cores`, equal in all runs that are compared |" in text


def test_another_torch_is_told_with_both_versions(tmp_path):
    history = fold(twice(GPU, GPU | {"torch": "2.7.1+cu126", "cuda": "12.6"}))
    words = "torch 2.6.0+cu124 → 2.7.1+cu126, CUDA 12.4 → 12.6: what was measured before is compared with nothing that is measured since"
    assert machine.news(history) == words and [why for _, why in moves.events(history)] == [words]
    assert words in markdown.render(history) and words in pull.body(history, [], made(tmp_path), LINKS)


def test_another_budget_is_told(tmp_path):
    assert machine.news(fold(twice(GPU, GPU, budget="9s cpu"))).startswith("budget 5s cpu → 9s cpu: ")


def test_where_the_record_does_not_say_what_changed_it_says_that_something_did():
    assert machine.news(fold(twice({}, {}))).startswith("another machine, corpus, metric version or set of files: ")


def test_what_a_base_that_moved_explains_is_not_told_twice():
    """Of a command target the locked files are part of what is measured."""
    night = Moved().baseline()
    night.kept(-0.02)
    night.moves(merged=(1,))
    night.context = "new files"
    night.rebased()
    night.events = [replace(e, base=night.champion) if isinstance(e, Opened) and e.context == "new files" else e for e in night.events]
    assert [why[:10] for _, why in moves.events(fold(night))] == ["main moved"]


def test_a_run_of_the_same_context_is_no_news():
    night = on(good_night(), **GPU).opened()
    assert machine.news(fold(night)) == "" and moves.events(fold(night)) == []


def test_facts_of_a_machine_do_nothing_in_the_pull_request(tmp_path):
    evil = "@octocat <img src=x> | [x](https://evil.example) ::error:: `"
    facts = GPU | dict.fromkeys(("device_name", "torch", "cuda", "driver", "python", "system"), evil)
    for night in (on(good_night(), **facts), twice(GPU, facts)):
        check(pull.body(fold(night), [], made(tmp_path), LINKS))
