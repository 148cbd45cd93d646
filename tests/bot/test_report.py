"""`bot.report`: the same ledger gives the same bytes, whatever a candidate wrote, and only numbers that may be compared."""

import io
import json
import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.history import History
from bot.report import allocation, facts, markdown, plot, reproduce, tsv
from bot.report.text import Scale, block, dumps, duration, fence, md, plain, spark
from bot.settings import Settings
from bot.stats import Noise

from .builders import BASE, IDEAS, Night, good_night, long_night, null_night


def fold(night: Night) -> History:
    return History.fold(night.events)


NIGHTS = {"nothing": Night, "opened": lambda: Night().opened(), "baseline": lambda: Night().baseline(), "no keep": null_night,
          "keeps": good_night, "one seed": lambda: Night().baseline(seeds=1), "no noise": lambda: Night(noise=0.0).baseline()}  # fmt: skip


@pytest.mark.parametrize("night", NIGHTS.values(), ids=NIGHTS)
def test_every_view_of_every_night_is_deterministic(night, tmp_path):
    def views() -> list[bytes]:
        history = fold(night())
        plot.progress_png(history, tmp_path / "a.png")
        plot.progress_svg(history, tmp_path / "a.svg")
        files = [(tmp_path / name).read_bytes() for name in ("a.png", "a.svg")]
        return [markdown.render(history).encode(), tsv.render(history).encode(), *files]

    assert views() == views()


def test_headline_says_from_to_by_how_much_and_on_how_many_seeds():
    text = facts.headline(fold(good_night()))
    assert re.match(r"val_bpb 1\.73\d\d → 1\.68\d\d: 0\.0\d+ lower \(95 % interval .+ on 3 fresh seeds against 5 of the baseline", text)


def test_headline_of_a_night_without_keeps_is_honest():
    assert facts.headline(fold(null_night())).startswith("No change beat the noise: 7 tried, none kept")


def test_headline_rests_on_the_remeasurement_not_on_the_winning_runs():
    night = Night().baseline()
    night.kept(effect=-0.02)
    for index in range(4, 40):
        night.run(1, "champion", index, night.champion, level=1.7312)
    found = facts.change(fold(night))
    assert found.fresh and abs(found.delta) < 0.005


def test_a_keep_not_yet_measured_again_says_so():
    night = Night().baseline()
    night.kept()
    night.events = [e for e in night.events if not (getattr(e, "role", "") == "champion" and e.sha == night.champion)]
    assert "that selected it" in facts.headline(fold(night))


def test_a_gain_inside_the_noise_is_called_that():
    night = Night(noise=0.02).baseline()
    night.kept(effect=-0.0001)
    assert "Not distinguishable from noise yet" in facts.headline(fold(night))


def test_no_number_is_claimed_across_contexts():
    night = Night().baseline()
    night.context = "another machine"
    night.opened()
    night.kept()
    night.events = [e for e in night.events if not (getattr(e, "role", "") == "champion" and e.sha == BASE)]
    assert facts.change(fold(night)) is None


def test_maximised_metrics_read_higher():
    night = Night(direction="max", metric="tokens_per_s", level=21000, noise=100).baseline()
    night.kept(effect=2000)
    assert " higher (95 %" in facts.headline(fold(night))


def test_interval_is_welchs():
    low, high = facts.interval([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0, 9.0], Noise())
    assert (low, high) == pytest.approx((-1.2573, 5.4573), abs=1e-4)  # scipy: ttest_ind(equal_var=False).confidence_interval()


def test_interval_knows_the_noise_of_other_runs():
    noise = Noise((20 * 0.01**2, 20), (20 * 0.01**2, 20))
    low, high = facts.interval([1.0, 1.01], [1.1], noise)
    assert high - low == pytest.approx(2 * 2.0 * 0.01 * math.sqrt(1 + 1 / 2), rel=0.02)  # t of about 60 degrees of freedom


def test_time_adds_up_to_the_wall_clock():
    night = good_night()
    spent = allocation.spent(fold(night))
    assert spent.total == pytest.approx(night.events[-1].at - night.events[0].at)


def test_every_keep_shows_its_remeasurement():
    text = markdown.render(fold(good_night()))
    rows = [line for line in text.splitlines() if re.match(r"\| 00(03|06|11) \|.*\+1 −1", line)]
    assert len(rows) == 3 and all(re.search(r"1\.\d{4} \(\d\)", row) for row in rows)


def test_report_lists_what_was_recovered():
    assert "line 7 is torn" in markdown.render(fold(good_night()), problems=["local.jsonl line 7 is torn by a kill"])


def test_command_targets_are_told_what_is_weaker():
    night = Night(metric="seconds")
    night.opened()
    night.run(0, "baseline", 0, BASE)
    weak = [m if not hasattr(m, "metric_version") else type(m)(**{**{f: getattr(m, f) for f in m.__struct_fields__}, "metric_version": ""})
            for m in night.events]  # fmt: skip
    text = markdown.render(History.fold(weak))
    assert "What is weaker here" in text and "never from a candidate" not in text
    assert "What is weaker here" not in markdown.render(fold(good_night()))


def test_the_command_to_reproduce_has_no_auto_left(tmp_path):
    (tmp_path / "train.py").write_text("X = 1\n")
    (tmp_path / "program.md").write_text("brief\n")
    settings = Settings.build(tmp_path, {"editable": ["train.py"], "sandbox": "none"})
    text = reproduce.section(fold(good_night()), settings)
    assert "embedded 2048" in text and "--budget '5s cpu' --sequence-length 256" in text and "auto" not in text


NASTY = "<img src=x onerror=1> @octocat ![p](http://evil) | `a` $x$ #12 http://evil \n::error::x **b** ``` \x1b[31m \u202e </details>"


def test_candidate_text_is_inert_in_markdown():
    night = Night().baseline()
    night.kept(hypothesis=NASTY)
    night.screened(hypothesis=NASTY)
    night.failed(hypothesis=NASTY, reason=NASTY, log_tail="ok\n" + NASTY)
    outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", markdown.render(fold(night)))
    assert not re.search(r"<img|@octocat|!\[p\]|http://evil|(?<!&)#12|\x1b|\u202e|[^\\]`a", outside)


@given(st.text())
def test_any_text_stays_one_table_cell(text):
    shown = md(text)
    assert not re.search(r"(?<!\\)(\\\\)*\||[\n\r<>]", shown)


@given(st.text())
def test_plain_text_begins_no_ci_command(text):
    assert not plain("::" + text).startswith("::") and "##[" not in plain(text) and "\n" not in plain(text)


CI_COMMANDS = st.lists(st.sampled_from(["::", "##[", "set-env", " ", "\n", "\r", "\x1b", "\u200b", "#", "["]), max_size=12).map("".join)


@given(CI_COMMANDS)
def test_no_line_of_a_log_is_a_ci_command(text):
    """`::command::` begins a line, after white space at most; `##[command]` may stand anywhere in one."""
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in block(text))


@given(CI_COMMANDS)
def test_json_says_the_same_without_a_ci_command(text):
    printed = dumps([{text: text}])
    assert json.loads(printed) == [{text: text}] and "##[" not in printed
    assert not any(line.lstrip().startswith("::") for line in printed.splitlines())


@given(st.text(alphabet="`a\n "))
def test_a_fence_holds_what_is_in_it(text):
    first, *middle, last = fence(text).split("\n")
    assert first.removesuffix("text") == last and all(last not in line for line in middle)


@given(st.text())
def test_views_can_be_encoded(text):
    "".join([plain(text), md(text), *block(text)]).encode()


def test_tsv_has_upstreams_header_and_five_columns():
    lines = tsv.render(fold(good_night())).splitlines()
    assert lines[0] == "commit\tval_bpb\tmemory_gb\tstatus\tdescription" and {line.count("\t") for line in lines} == {4}


def test_tsv_knows_upstreams_three_statuses_only():
    rows = [line.split("\t") for line in tsv.render(fold(good_night())).splitlines()[1:]]
    assert {r[3] for r in rows} == {"keep", "discard", "crash"} and all(len(r[0]) == 7 for r in rows)


def test_tsv_never_shows_a_failure_as_a_score():
    rows = [line.split("\t") for line in tsv.render(fold(good_night())).splitlines()[1:]]
    assert all(math.isnan(float(r[1])) for r in rows if r[3] == "crash") and all(float(r[1]) > 1 for r in rows if r[3] != "crash")


def test_tsv_descriptions_have_no_tabs():
    night = Night().baseline()
    night.screened(hypothesis="a\tb\nc")
    assert tsv.render(fold(night)).splitlines()[-1].endswith("\ta b c")


def test_png_is_readable_at_800_pixels_on_any_background(tmp_path):
    plot.progress_png(fold(good_night()), tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as image:
        assert image.width == 1600 and image.convert("RGBA").getpixel((2, 2)) == (255, 255, 255, 255)


def test_svg_is_xml_without_a_date(tmp_path):
    plot.progress_svg(fold(good_night()), tmp_path / "p.svg")
    text = (tmp_path / "p.svg").read_text()
    ElementTree.parse(io.StringIO(text))
    assert "dc:date" not in text


def test_an_outlier_does_not_flatten_the_picture():
    night = good_night()
    night.screened(effect=50.0)
    history = fold(night)
    points = plot.collect(history)
    low, high = plot.limits(history, points, facts.baseline(history))
    assert high - low < 1 and all(low < value < high for _, value, _ in points.keeps)


def test_the_picture_never_mixes_contexts():
    night = Night().baseline()
    night.context = "elsewhere"
    night.screened(effect=5.0)
    assert plot.collect(fold(night)).screened == []


def test_long_hypotheses_are_shortened_in_the_picture():
    history = fold(long_night(60))
    assert max(len(plot._short(e)) for e in history.keeps) <= 30 < max(map(len, IDEAS))


@pytest.mark.parametrize(("value", "shown"), [(1.73124, "1.7312"), (0.98604, "0.9860"), (21000.4, "21,000"), (0.00123456, "0.0012346")])
def test_numbers_get_the_decimals_they_deserve(value, shown):
    assert Scale(value).value(value) == shown


def test_missing_values_are_no_zeros():
    assert Scale(None).value(None) == "–"


@pytest.mark.parametrize(("seconds", "shown"), [(4.25, "4.2 s"), (75, "1 min 15 s"), (7260, "2 h 01 min"), (259200, "3 d 00 h")])
def test_durations(seconds, shown):
    assert duration(seconds) == shown


def test_sparkline_is_no_wider_than_asked():
    assert len(spark([math.nan, *range(1000)], 20)) == 20
