"""The report on how the night went: drifts, early stopping, where the machine time went."""

import json
import re
import subprocess

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.history import History
from bot.ledger import Ledger
from bot.live import run_line
from bot.report import allocation, data, facts, kept, markdown, page, plot, points, terminal, tsv
from bot.report.decisions import MARK, MARKED, Decisions
from bot.report.shown import failure
from bot.report.text import Scale

from .builders import null_night
from .test_report_decisions import EARLY, Confirmed, confirmed_night, fold, shown


@pytest.fixture(scope="module")
def night() -> History:
    return fold(confirmed_night())


# Drift


def test_a_drift_is_told_with_what_was_decided_in_between(night):
    text = markdown.render(night)
    assert re.search(r"- 2026-\d\d-\d\d \d\d:\d\d UTC: the champion measured .*\. Decided in between: 0010, 0011\.", text)


def test_what_was_decided_during_a_drift_is_marked_everywhere(night, capsys):
    assert Decisions(night).drifted == {10, 11}
    text, lines = markdown.render(night), shown(terminal.table(night), capsys)
    assert f"| 0011{MARK} |" in text and "| 0012 |" in text and MARKED in text
    assert f"0011{MARK}" in lines and MARKED in lines and f"0012{MARK}" not in lines
    assert MARKED in shown(page.render(night, night.experiments[11], ""), capsys)
    assert [data.experiment(night.experiments[id], night.context, night)["drifted"] for id in (9, 11, 12)] == [False, True, False]


def test_a_keep_that_was_decided_during_a_drift_is_marked():
    before = Confirmed().baseline()
    since = before.at
    before.kept(-0.03)
    before.drift(since)
    assert f"| 0001{MARK} |" in kept.section(Decisions(fold(before)))


def test_without_a_drift_nothing_is_marked(capsys):
    history = fold(null_night())
    assert MARK not in markdown.render(history) + shown(terminal.screen(history, "stopped"), capsys)


def test_no_number_is_claimed_across_a_drift():
    before = Confirmed().baseline()
    before.drift(since=before.at, shift=0.5)
    before.kept(-0.03)
    assert facts.change(fold(before)).start == pytest.approx(2.23, abs=0.01)  # the base was measured again
    before.drift(since=before.at, shift=0.5)
    before.kept(-0.03)
    assert facts.change(fold(before)) is None
    assert "without a drift in between, so no number is claimed" in facts.headline(fold(before))


def test_a_drift_is_no_noise():
    before = Confirmed().baseline(seeds=8)
    calm = facts.noise(fold(before))
    before.drift(since=before.at, shift=0.5)
    assert facts.noise(fold(before)) < 3 * calm


# Early stopping


def test_a_run_that_was_stopped_early_is_no_failure(night, capsys):
    stopped = night.experiments[7]
    assert failure(stopped) is None and "crash" not in row_of(markdown.render(night), 7)
    text = shown(page.render(night, stopped, ""), capsys)
    assert "stopped early" in text and EARLY in text


def row_of(text: str, id: int) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {id:04d} |"))


def test_it_has_no_value_in_the_tsv(night):
    assert tsv.render(night).splitlines()[8].split("\t")[1:4] == ["nan", "1.2", "discard"]


def test_it_is_no_point_of_the_picture(night):
    drawn = points.collect(night)
    assert not {7, 8} & {id for id, _ in drawn.screened + drawn.confirmed} and drawn.failed == [10]


def test_runs_stopped_early_are_counted_apart_from_what_the_night_interrupted(night, capsys):
    interrupted = confirmed_night()
    interrupted.stopped(interrupted.proposed())
    history = fold(interrupted)
    text = markdown.render(history)
    assert "| Early stopping | 2 of 11 screening runs were stopped early, which saved about 12 s |" in text
    assert "1 stopped (to be continued)" in text and "1 stopped (to be continued)" in shown(terminal.screen(history, "stopped"), capsys)


def test_the_words_for_both_kinds_of_stop_differ():
    early = Confirmed().baseline()
    early.early()
    assert f"stopped early: {EARLY} in 3.2 s" in run_line(early.events[-2], Scale(1.0))


# The picture


def test_the_picture_shows_drifts_and_what_was_taken_out_again(night, tmp_path):
    drawn = points.collect(night)
    assert (drawn.pruned, drawn.drifts) == ({9}, [11.5])
    assert [x for x, _ in drawn.line] == [0, 3, 5, 9, 11.5, 12.5]
    assert [value for _, value in drawn.line] == pytest.approx([1.73, 1.706, 1.688, 1.682, 1.732, 1.731], abs=0.004)
    plot.progress_png(night, tmp_path / "p.png")


def test_the_champions_progress_never_crosses_a_drift(night):
    assert len(terminal.champion_values(night)) == 4 and max(terminal.champion_values(night)) == terminal.champion_values(night)[0]


# Where the time went


def test_every_run_has_one_purpose(night):
    found = allocation.allocation(night)
    runs = [m for e in night.experiments.values() for m in e.measurements]
    assert sum(found.seconds.values()) == pytest.approx(sum(m.seconds for m in runs)) and sum(found.runs.values()) == len(runs)
    assert found.runs == {"screening": 11, "confirming": 9, "champion": 4 + 3 * 4 + 4 + 12, "leave_one_out": 12, "final": 12, "compare": 0,
                          "failures": 1}  # fmt: skip


def test_stopping_saves_what_other_screening_runs_took(night):
    assert allocation.allocation(night).saved == pytest.approx(2 * (9.2 - 3.2))


def test_a_stopped_run_that_took_longer_saved_nothing():
    slow = Confirmed().baseline()
    slow.screened()
    slow.early(seconds=99.0)
    assert allocation.allocation(fold(slow)).saved == 0.0


def test_the_report_and_status_say_where_the_time_went(night, capsys):
    assert re.search(r"\| leave one out \| 1 min 50 s \| \d+ % \| 12 \|", markdown.render(night))
    assert "leave one out 1 min 50 s" in shown(terminal.screen(night, "stopped"), capsys)


# The command line


def test_status_and_log_as_json_have_the_documented_keys(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name, text in {"train.py": "X = 1\n", "program.md": "x\n", "autoresearch.yml": "name: demo\neditable: train.py\n"}.items():
        (tmp_path / name).write_text(text)
    ledger = Ledger(tmp_path / ".autoresearch/ledger/demo")
    for event in confirmed_night().events:
        ledger.append(event)
    status, log = (json.loads(CliRunner().invoke(cli, ["-C", str(tmp_path), *words, "--json"]).output) for words in (["status"], ["log"]))
    assert status["change"]["proved"] and status["sealed"]["delta"] < 0 and status["pruned"] == [9] and status["stopped_early"] == 2
    assert status["expected_false_keeps"] == pytest.approx(0.11) and status["drifts"][0]["decided"] == [10, 11]
    assert status["allocation"]["failures"] == pytest.approx(9.2) and status["allocation"]["saved_by_stopping"] == pytest.approx(12.0)
    assert [e["label"] for e in log if e["status"] == "keep"] == ["confirmed", "confirmed", "pruned"]
    keys = " ".join(data.__doc__.split())
    assert not [key for key in (*status, *status["allocation"], *status["change"], *log[0]) if not re.search(rf"\b{key}\b", keys)]
