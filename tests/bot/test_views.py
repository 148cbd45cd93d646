"""`status`, `log`, `show`, `report`, `export` through the command line, on a ledger written by the real `Ledger`."""

import fcntl
import json
import subprocess

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.ledger import Ledger

from .builders import Night, good_night


@pytest.fixture
def target(tmp_path):
    (tmp_path / "train.py").write_text("X = 1\n")
    (tmp_path / "program.md").write_text("brief\n")
    (tmp_path / "autoresearch.yml").write_text("name: demo\neditable: train.py\nbudget: 5s cpu\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def record(target, night: Night) -> Ledger:
    ledger = Ledger(target / ".autoresearch" / "ledger" / "demo")
    for event in night.events:
        ledger.append(event)
    return ledger


def call(target, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, ["-C", str(target), *words])
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("words", [["status"], ["log"], ["show", "1"], ["report"], ["export"]], ids=lambda w: w[0])
def test_without_a_ledger_it_says_what_to_run(target, words):
    assert "autoresearch run" in call(target, *words, code=2)


@pytest.mark.parametrize("words", [["status"], ["log"], ["show", "1"], ["export"]], ids=lambda w: w[0])
def test_views_write_nothing(target, words):
    record(target, good_night())
    before = sorted((p, p.stat().st_mtime_ns) for p in target.rglob("*") if p.is_file())
    call(target, *words)
    assert sorted((p, p.stat().st_mtime_ns) for p in target.rglob("*") if p.is_file()) == before


def test_status_works_while_a_run_holds_the_lock(target):
    night = Night().baseline()
    night.proposed()
    record(target, night)
    with (target / ".autoresearch" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "running: experiment 0001" in call(target, "status")


def test_status_of_a_killed_run_says_interrupted(target):
    record(target, Night().baseline())
    assert json.loads(call(target, "status", "--json"))["state"] == "interrupted"


def test_status_json_has_its_documented_keys(target):
    record(target, good_night())
    found = json.loads(call(target, "status", "--json"))
    assert found["counts"]["keep"] == 3 and found["change"]["fresh"] and set(found) >= {"best", "noise", "seconds", "headline", "oddities"}


def test_status_shows_champion_and_baseline_of_one_context(target):
    night = good_night()
    night.context, night.level = "another budget", 9.0
    night.opened()
    night.run(12, "champion", 9, night.champion)
    record(target, night)
    shown = json.loads(call(target, "status", "--json"))
    assert shown["best"] == shown["change"]["now"] < shown["baseline"]


def test_log_filters_by_status(target):
    record(target, good_night())
    assert {e["status"] for e in json.loads(call(target, "log", "--json", "--status", "keep,crash"))} == {"keep", "crash"}


def test_log_limit_takes_the_newest(target):
    record(target, good_night())
    assert [e["id"] for e in json.loads(call(target, "log", "--json", "--limit", "2"))] == [11, 12]


def test_log_greps_hypotheses_in_any_case(target):
    record(target, good_night())
    assert {e["hypothesis"] for e in json.loads(call(target, "log", "--json", "--grep", "softcap"))} == {"SOFTCAP 15 → 30"}


def test_log_since_counts_from_now_or_a_date(target):
    record(target, good_night())
    assert json.loads(call(target, "log", "--json", "--since", "2000-01-01"))
    assert json.loads(call(target, "log", "--json", "--since", "2999-01-01")) == []


@pytest.mark.parametrize("words", [["log", "--status", "kept"], ["log", "--since", "yesterday"], ["show", "99"]])
def test_bad_input_ends_with_code_2(target, words):
    record(target, good_night())
    assert "error: " in call(target, *words, code=2)


def test_show_has_the_diff_behind_a_bar(target):
    record(target, good_night()).write_patch(3, "+X = 2\n ::error::from a diff\n")
    text = call(target, "show", "3")
    assert "│ +X = 2" in text and not [line for line in text.splitlines() if line.strip().startswith("::")]


def test_show_json_has_runs_curve_and_patch(target):
    record(target, good_night()).write_patch(3, "+X = 2\n")
    found = json.loads(call(target, "show", "3", "--json"))
    assert found["patch"] == "+X = 2\n" and len(found["runs"][0]["curve"]) == 20


def test_show_patch_is_the_patch(target):
    record(target, good_night()).write_patch(3, "+X = 2\n")
    assert call(target, "show", "3", "--patch") == "+X = 2\n"


def test_show_of_a_failure_ends_with_its_log(target):
    record(target, good_night())
    assert "│ RuntimeError: shape '[8, 256]' is invalid" in call(target, "show", "9")


def test_report_prints_the_paths_it_wrote(target):
    record(target, good_night())
    paths = call(target, "report").split()
    assert [p.rsplit("/", 1)[1] for p in paths] == ["report.md", "progress.png", "results.tsv"]


def test_a_torn_line_is_read_over_and_reported(target):
    ledger = record(target, good_night())
    with ledger.path.open("a") as file:
        file.write('{"event":"verd')
    call(target, "report")
    assert "torn by a kill" in (target / ".autoresearch/report/demo/report.md").read_text()


def test_export_writes_the_file(target):
    record(target, good_night())
    call(target, "export", "-o", str(target / "out.tsv"))
    assert (target / "out.tsv").read_text().startswith("commit\tval_bpb")
