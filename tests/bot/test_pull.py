"""`bot.report.pull`: what the pull request claims, what it shows for it, and how a reader can check it."""

import re
import shlex
import subprocess
import sys

import pytest
from msgspec.structs import replace

from bot.commands import compare
from bot.history import History
from bot.records import HUMAN, Drift, Measurement, Opened, Proposal, Rebased
from bot.report import pull, pull_progress
from bot.report.pull_text import CAP, units
from bot.settings import Settings
from tests import render

from .builders import BASE, Night, good_night, null_night, sha
from .pulls import LINKS, MARKER, SHA, Page, check, fold, made, maximised, shown
from .test_report_decisions import confirmed_night


@pytest.fixture
def config(tmp_path) -> Settings:
    return made(tmp_path)


# The claim


def test_the_title_of_a_proved_night(config):
    assert pull.title(fold(confirmed_night()), config) == "autoresearch/demo: val_bpb 1.7758 -> 1.7329 (-0.0429 ± 0.0056, proved)"


def test_titles_say_when_nothing_is_proved(config):
    worse = Night().baseline()
    worse.kept(-0.02)
    worse.events = [e if getattr(e, "role", "") != "champion" or e.sha == BASE else replace(e, value=1.9) for e in worse.events]
    flat = Night(noise=0.02).baseline()
    flat.kept(-0.0001)
    words = [
        re.search(r"[(,:] ?([a-z ]+)(?:\)$| \(\d+ tried\)$)", pull.title(fold(n), config))[1]
        for n in (good_night(), flat, worse, null_night())
    ]
    assert [w.strip() for w in words] == ["not proved yet", "within the noise", "worse", "nothing kept"]


def test_a_title_is_one_line_of_120_characters_with_the_number_whole(tmp_path):
    config = made(tmp_path, name="n" * 100)
    title = pull.title(fold(confirmed_night()), config)
    assert (
        len(title) <= 120 and title.endswith("val_bpb 1.7758 -> 1.7329 (-0.0429 ± 0.0056, proved)") and title.startswith("autoresearch/nnn")
    )


def test_only_a_proved_gain_leaves_the_draft(config):
    nights = (confirmed_night, good_night, null_night, Night)
    assert [pull.proved(fold(night()), config) for night in nights] == [True, False, False, False]


def test_the_sealed_split_can_take_the_proof_back(config):
    night = confirmed_night()
    night.events = [
        replace(e, value=e.value + 0.2) if getattr(e, "split", "") == "sealed" and e.sha == night.champion else e for e in night.events
    ]
    history = fold(night)
    assert not pull.proved(history, config) and "not on the sealed split" in pull.title(history, config)
    assert "the sealed split does not show it" in shown(history, config)


def test_a_ledger_of_another_metric_claims_nothing(config):
    night = confirmed_night()
    night.events[0] = replace(night.events[0], metric="seconds")
    history = fold(night)
    assert not pull.proved(history, config) and "1.7329" not in pull.title(history, config)
    assert shown(history, config).startswith("**No number is claimed")


def test_the_first_table_has_both_splits_with_interval_seeds_and_evidence(config):
    rows = Page(shown(confirmed_night(), config)).rows[:7]
    assert rows[0] == ["", "validation", "sealed split"] and rows[4][1:] == ["3 v 3", "3 v 3"] and "read 6 times" in rows[6][2]
    assert [re.sub(r"\s", " ", text) for text in rows[3][1:]] == ["−0.0429 ± 0.0056", "−0.0415 ± 0.0058"] and rows[6][1].startswith(
        "proved"
    )


def test_the_noise_beside_the_claim_is_that_of_the_runs_it_rests_on(config):
    night = confirmed_night()
    drawn = iter([1.6, 1.5, 1.9, 1.4, 1.75, 1.6] * 2)
    night.events = [replace(e, value=next(drawn)) if getattr(e, "role", "") == "final" else e for e in night.events]
    assert Page(shown(night, config)).rows[5] == ["sd between seeds", "0.1275", "0.1275"]


def test_a_base_that_measures_what_it_did_not_measure_before_is_told(config):
    moved, steady = confirmed_night(), Night().baseline()
    steady.kept(-0.03)
    for index in range(3):
        steady.run(0, "final", 2 * index, BASE, steady.level + 0.03)
        steady.run(0, "final", 2 * index + 1, steady.champion)
    assert "During the search the same base measured 1.7318 on 5 seeds" in shown(moved, config)
    assert "During the search" not in shown(steady, config)


def test_without_a_final_comparison_it_says_what_the_numbers_are_of(config):
    text = shown(good_night(), config)
    assert (
        text.startswith("**Not proved yet: val_bpb is 0.0")
        and "The final comparison has not run yet; the numbers below are of runs on fresh seeds" in text
    )


def test_runs_without_a_sandbox_are_warned_of(config):
    night = Night().baseline()
    night.failed(isolation="none")
    assert "> [!WARNING]" in shown(night, config) and "> [!WARNING]" not in shown(good_night(), config)


def test_a_gain_that_looking_ahead_could_explain_is_warned_of(config):
    night = good_night()
    night.events = [replace(e, leak_bound=0.5) if getattr(e, "dose", "") == "heavy" and e.id == 6 else e for e in night.events]
    text = shown(night, config)
    assert "**The gain of 0006 is not larger than what looking ahead" in text and "0.500000 bpb, **not less than its gain**" in text


# The kept changes


def test_every_change_in_it_has_worth_evidence_lines_memory_and_commit(config):
    text = shown(confirmed_night(), config)
    rows = {row[0][:4]: [re.sub(r"\s", " ", text) for text in row] for row in Page(text).rows if len(row) == 6}
    assert re.match(r"−0\.0\d+ ± 0\.0\d+ confirmed", rows["0003"][1]) and rows["0003"][3:5] == ["+1 −1", "1.31 GB (0 %)"]
    assert f"https://github.com/acme/chat/commit/{sha(503)}" in Page(text).links and "without it, p =" in rows["0005"][2]


def test_what_was_taken_out_again_is_not_listed_as_in_it(config):
    first, rest = shown(confirmed_night(), config).split("### What was tried", 1)
    assert "**0009**" not in first and re.search(r"Kept, then taken out again: 1</summary>[^<]*\| 0009 \|", rest)


def test_a_column_of_memory_needs_memory(config):
    night = good_night()
    night.events = [replace(e, peak_memory=0) if type(e) is Measurement else e for e in night.events]
    assert "Memory |" not in shown(night, config) and "Memory |" in shown(good_night(), config)


def test_a_humans_commit_is_called_one(config):
    night = good_night()
    night.events = [replace(e, source=HUMAN, given=True) if type(e) is Proposal and e.id == 3 else e for e in night.events]
    assert re.search(r"\*\*0003\*\* [^|]*\*\(a human's commit\)\*", shown(night, config))


def test_what_others_did_to_the_base_is_told(config):
    night = good_night()
    night.events.append(Rebased(night.at + 1, sha(900), "main moved from 1234567 to 89abcde", tuple(sha(id + 500) for id in (3, 6, 11))))
    assert "main moved from" in shown(night, config)


# How it went


def test_nothing_is_compared_across_a_drift(config):
    text = shown(confirmed_night(), config)
    rows = {row[0]: row[2] for row in Page(text.split("### How it went")[1].split("### ")[0]).rows}
    assert rows["0009"] == "−0.0477" and rows["0011, the machine drifted"] == rows["0012, a part taken out"] == "not comparable"
    assert "levels of before and after say nothing of each other" in text


@pytest.mark.parametrize("count", [1, 2, 49, 700])
def test_the_chart_has_at_most_50_points_from_first_to_last(count):
    line = [(0.0, 2.0), (1.0, 1.5), (count - 0.5, 1.0)] if count > 1 else [(0.0, 2.0), (1.0, 1.0)]
    points = pull_progress.sampled(line, count)
    assert len(points) == min(count, 47) + 1 and (points[0], points[-1]) == (2.0, 1.0)


def test_the_charts_numbers_are_plain_decimals(config):
    night = Night(level=0.0000123, noise=0.0000001).baseline()
    night.kept(-0.000005)
    chart = re.search(r"(?s)```mermaid\n(.*?)\n```", shown(night, config))[1]
    low, high = re.search(r'y-axis "val_bpb" (\S+) --> (\S+)', chart).groups()
    assert float(low) < float(high) and "e-" not in chart.split("x-axis")[1].replace("experiment", "")


def test_sparkline_and_table_need_no_picture(config):
    bare = pull.Links("https://github.com", "acme/chat", "autoresearch/demo")
    text = shown(good_night(), config, bare)
    assert (
        "![" not in text
        and re.search(r"`1\.7\d+ [▁▂▃▄▅▆▇█]+ 1\.6\d+` over 12 experiments", text)
        and "| 0011 |" in text
        and "```mermaid" in text
    )
    assert "progress.png" not in text and "actions/runs" not in text


def test_the_picture_is_named_by_the_ledgers_commit(config):
    url = f"https://github.com/acme/chat/blob/{SHA}/demo/progress.png"
    page = Page(shown(good_night(), config))
    assert page.images == [f"{url}?raw=true"] and page.links.count(url) == 2


# Cost, checking, taking


def test_the_cost_of_a_gpu_night_is_in_gpu_hours(config):
    night = good_night()
    long = [
        replace(e, seconds=360.0) if type(e) is Measurement else replace(e, budget="5m") if type(e) is Opened else e for e in night.events
    ]
    runs = sum(type(e) is Measurement for e in long)
    assert f"**{runs / 10:.1f} GPU hours** in {runs} runs" in pull.body(History.fold(long), [], config, LINKS)


def test_proposers_without_a_model_cost_nothing_and_others_are_not_said_to(config):
    night = good_night()
    paid = [replace(e, source="llm:some-model") if type(e) is Proposal else e for e in night.events]
    assert "no language model was asked" in shown(night, config)
    assert "What llm cost is not in the ledger" in pull.body(History.fold(paid), [], config, LINKS)


def test_a_command_target_reads_higher_and_says_what_is_weaker(tmp_path):
    config = made(tmp_path, command="python bench.py", metric="tokens_per_s", direction="max")
    events = [replace(e, metric_version="", corpus="") if type(e) is Measurement else e for e in maximised().events]
    text = pull.body(History.fold(events), [], config, LINKS)
    check(text)
    assert (
        re.match(r"\*\*Not proved yet: tokens_per_s is [\d,]+ higher", text)
        and "higher is better" in text
        and "What is weaker here" in text
    )
    assert re.match(r"autoresearch/demo: tokens_per_s 2\d,\d{3} -> 2\d,\d{3} \(\+", pull.title(History.fold(events), config))


def test_one_command_measures_the_claim_again(config):
    history = fold(confirmed_night())
    line = re.search(r"(?m)^autoresearch compare .*$", shown(history, config))[0]
    context = compare.command.make_context("compare", shlex.split(line)[2:])
    assert (context.params["a"], context.params["b"]) == (BASE[:12], history.champion_sha[:12]) and context.params["budget"] == "5s cpu"


def test_one_change_can_be_taken_alone(config):
    text = shown(confirmed_night(), config)
    assert f"git cherry-pick {sha(503)[:12]}  # 0003, the largest gain" in text


def test_what_the_ledger_had_to_recover_from_is_told_and_bounded(config):
    text = pull.body(fold(good_night()), [f"line {i} is torn" for i in range(40)], config, LINKS)
    assert "line 39 is torn" in text and "line 30 is" not in text and "35 earlier ones" in text


def test_drifts_are_bounded_too(config):
    night = good_night()
    night.events += [Drift(night.at + i, since=night.at, why=f"drift {i:03d}") for i in range(400)]
    text = shown(night, config)
    assert "drift 399" in text and "drift 390" not in text and units(text) < CAP


# The comment of a night


def test_the_comment_tells_the_newest_night_only(config):
    night = good_night()
    night.at += 80_000
    night.opened()
    night.kept(-0.02, hypothesis="a new idea")
    text = pull.comment(fold(night.stopped()), config, LINKS, MARKER)
    assert "1 tried, 1 kept" in text and "a new idea" in text and "**0003**" not in text


def test_the_summary_names_the_pull_request(config):
    text = pull.summary(fold(confirmed_night()), [], config, LINKS)
    assert text.startswith("## autoresearch/demo: val\\_bpb 1.7758") or text.startswith("## autoresearch/demo: val_bpb 1.7758")
    assert "[#12](https://github.com/acme/chat/pull/12)" in text


# For people, and for the hosted job


def test_the_page_of_a_body_has_its_tables_and_a_coloured_warning(config):
    night = Night().baseline()
    night.failed(isolation="none")
    html = render.page(shown(night, config), "title <b>")
    assert "<table>" in html and 'class="alert"' in html and "[!WARNING]" not in html and "title &lt;b&gt;" in html


@pytest.mark.skipif(not render.browser(), reason="no Chromium: pictures of the pull request are not checked")
def test_pictures_have_the_width_that_was_asked_for(config, tmp_path):
    source = tmp_path / "body.html"
    source.write_text(render.page(shown(good_night(), config)), encoding="utf-8")
    render.screenshot(source, tmp_path / "phone.png", render.PHONE)
    width, height = render.size(tmp_path / "phone.png")
    assert width == 2 * render.PHONE and height > 3 * width


def test_the_text_needs_neither_torch_nor_a_plot():
    code = "import sys, bot.report.pull; sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib', 'rich', 'github')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
