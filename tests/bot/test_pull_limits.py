"""`bot.report.pull`: whatever is in a ledger, the text fits, is balanced, and does nothing. Rendered by cmark-gfm, GitHub's own parser."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.history import History
from bot.records import Measurement, Opened, Proposal, Rebased, Verdict
from bot.report import pull
from bot.report.pull_text import CAP, cell, table, units, word
from bot.settings import Settings

from .builders import BASE, Night, good_night, null_night, sha
from .pulls import HOSTILE, LINKS, MARKER, Page, check, fold, hostile, made, maximised, shown
from .test_report_decisions import confirmed_night


@pytest.fixture
def config(tmp_path) -> Settings:
    return made(tmp_path)


# Size and form (conformance check 19)


def test_5000_hostile_experiments_fit_balanced_and_inert(config):
    text = shown(hostile(5000), config)
    page = check(text)
    assert 20_000 < units(text) <= CAP and "Candidate text is escaped" in page.text[-2] + page.text[-1]


def test_the_summary_of_5000_fits_a_job_summary_and_a_check_run(config):
    text = pull.summary(hostile(5000), ["a problem"] * 3000, config, LINKS)
    assert units(text) <= 65_535 and len(text.encode()) < 2**20
    check(text)


def test_the_comment_of_5000_is_short_balanced_and_inert(config):
    text = pull.comment(hostile(5000), config, LINKS, MARKER)
    check(text, comments=1)
    assert text.startswith(MARKER + "\n") and units(text) < 10_000


def test_what_is_left_out_is_in_the_middle_and_counted(config):
    text = shown(hostile(5000), config)
    discarded = text[text.index("<summary>Discarded") :].split("</details>")[0]
    numbers = [int(found) for found in re.findall(r"(?m)^\| (\d{4}) \|", discarded)]
    count, gone = (int(re.search(pattern, discarded)[1].replace(",", "")) for pattern in (r"Discarded: ([\d,]+)", r"\*([\d,]+) more"))
    assert count == gone + len(numbers) and numbers[0] < 10 and numbers[-1] > 4990 and numbers == sorted(numbers)


def test_texts_that_grow_when_they_are_escaped_cost_rows_and_not_the_limit(config):
    night = Night(seed=2).baseline()
    worst = "$<&" * 300
    for _ in range(70):
        night.kept(-0.004, hypothesis=worst)
        night.screened(0.02, hypothesis=worst)
        night.failed(reason=worst, log_tail=worst, hypothesis=worst)
    events = [replace(e, why=worst) if type(e) is Verdict else e for e in night.events]
    text = pull.body(History.fold(events), [worst] * 3000, config, LINKS)
    check(text)
    assert 30_000 < units(text) <= CAP and 6 <= int(re.search(r"<summary>Discarded: 70, (\d+) rows shown", text)[1]) < 60


def test_every_list_of_a_short_night_is_whole(config):
    assert "more in between" not in shown(good_night(), config)


def test_a_huge_configuration_does_not_break_the_limit(tmp_path):
    for i in range(1500):
        (tmp_path / f"a_locked_file_with_a_long_name_{i:05d}.py").touch()
    config = made(tmp_path, locked=[path.name for path in tmp_path.glob("a_locked*")])
    check(text := shown(good_night(), config))
    assert units(text) <= CAP and "step by step" not in text


NIGHTS = {"nothing": Night, "opened": lambda: Night().opened(), "baseline": lambda: Night().baseline(), "no keep": null_night,
          "keeps": good_night, "confirmed": confirmed_night, "max": maximised}  # fmt: skip


@pytest.mark.parametrize("night", NIGHTS.values(), ids=NIGHTS)
def test_every_night_gives_the_same_bytes_twice(night, config):
    def texts() -> tuple[str, ...]:
        history = fold(night())
        parts = (
            pull.body(history, [], config, LINKS),
            pull.summary(history, [], config, LINKS),
            pull.comment(history, config, LINKS, MARKER),
        )
        return (pull.title(history, config), *parts)

    first = texts()
    assert first == texts()
    for text in first[1:]:
        check(text, comments=int(text.startswith(MARKER)))


# Foreign text


@given(st.lists(st.sampled_from([*HOSTILE, *"`|\\<>&@#$*_~[]!:\n- ", "http", "abc1234"]), max_size=8).map("".join), st.integers(20, 160))
@settings(max_examples=100, deadline=None)
def test_a_cell_is_one_cell_and_inert(text, limit):
    shown = cell(text, limit)
    rows = table(("#", "Change", "Why"), [1], lambda _: ("1", shown, "end"), 5)
    page = check("\n".join(rows))
    assert [len(row) for row in page.rows] == [3, 3] and page.rows[1][2] == "end" and units(shown) <= 2 * limit


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_is_bounded_and_stays_one_cell(text):
    page = Page("\n".join(table(("#", "Change"), [1], lambda _: (cell(text, 40), "end"), 5)))
    assert [len(row) for row in page.rows] == [2, 2] and units(cell(text, 40)) <= 80


def test_every_other_field_of_a_ledger_may_be_hostile_too(config):
    nasty, events = "x`\n```\n</details> @octocat | <!-- https://evil.example", []
    for event in confirmed_night().events:
        if type(event) is Opened:
            event = replace(event, budget=nasty, base_branch=nasty, proposer=nasty, config=nasty, program=nasty, branch=nasty)
        elif type(event) is Measurement:
            event = replace(event, machine=nasty, corpus=nasty, isolation=nasty, metric_version=nasty, isolation_note=nasty)
        elif type(event) is Proposal:
            event = replace(event, source=nasty)
        events.append(replace(event, why=nasty) if hasattr(event, "why") else event)
    history = History.fold([*events, Rebased(events[-1].at + 1, BASE, nasty, tuple(sha(id + 500) for id in (3, 5)))])
    for text in (pull.body(history, [nasty] * 20, config, LINKS), pull.summary(history, [nasty], config, LINKS)):
        check(text)
    check(pull.comment(history, config, LINKS, MARKER), comments=1)


def test_a_sha_that_is_none_becomes_neither_a_link_nor_a_command(config):
    night = good_night()
    evil = "x) [y](https://evil.example"
    kept = [replace(e, sha=evil) if type(e) is Verdict and e.sha else e for e in night.events]
    text = pull.body(History.fold(kept), [], config, LINKS)
    check(text)
    assert "cherry-pick" not in text and "autoresearch compare" not in text


@pytest.mark.parametrize("metric", ['val"] --> 3', "a\n```\nb", "#1 @octocat [skip ci]", "\u202e" + "x" * 500])
def test_a_metrics_name_stays_inside_title_and_chart(metric, config):
    night = good_night()
    night.events[0] = replace(night.events[0], metric=metric)
    history = fold(night)
    chart = re.search(r"(?s)```mermaid\n(.*?)\n```", shown(history, config))[1].splitlines()
    assert len(chart) == 6 and all(re.fullmatch(r'    (title|[xy]-axis) "[\w.%/ -]*"( \S+ --> \S+)?', line) for line in chart[2:5])
    assert not re.search(r"[\n\"@#\[\]\u202e]", pull.title(history, config)) and word(metric) in shown(history, config)
