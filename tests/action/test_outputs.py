"""Outputs, summary and log: no value can forge another, no line is a command, no size is exceeded."""

import io
import re

import pytest

from bot.action import summary
from bot.action.facts import spent
from bot.action.log import Log
from bot.action.outputs import LIMIT, NAMES, Outputs
from bot.history import History
from bot.records import Call, Opened
from tests.action.executor import Job, _Use, read_outputs

EVIL = [
    "a\nstatus=improved", "x\r\nkept=99", "a\nend-0\nstatus<<x\nimproved\nx", "\x00\x1b]0;title\x07", "::set-output name=status::improved",
    "##[error]x", "\u2028status=improved", "x" * 2_000_000, "branch<<end\nmain\nend",
]  # fmt: skip


@pytest.mark.parametrize("value", EVIL, ids=range(len(EVIL)))
def test_an_evil_value_forges_no_output_and_stays_one_short_line(tmp_path, value):
    outputs = Outputs(tmp_path / "output")
    outputs.set(branch=value)
    outputs.write()
    found = read_outputs((tmp_path / "output").read_text())
    assert set(found) == set(NAMES) and found["status"] == "failed" and found["kept"] == ""
    assert len(found["branch"]) <= LIMIT and "\n" not in found["branch"] and "\r" not in found["branch"]
    assert not found["branch"].startswith("::") and "##[" not in found["branch"]


def test_the_words_around_values_are_new_each_time(tmp_path):
    words = []
    for _ in range(2):
        outputs = Outputs(tmp_path / "output")
        outputs.write()
        words += re.findall(r"<<(.+)", (tmp_path / "output").read_text())
        (tmp_path / "output").unlink()
    assert len(set(words)) == len(words) == 2 * len(NAMES)


def test_only_declared_outputs_and_statuses_can_be_set(tmp_path):
    outputs = Outputs(None)
    with pytest.raises(KeyError):
        outputs.set(cost="1")
    with pytest.raises(ValueError):
        outputs.set(status="fine")
    outputs.set(pr_number=None, head_sha="abc")
    assert outputs["pr-number"] == "" and outputs["head-sha"] == "abc"


def test_a_summary_too_large_is_cut_with_everything_closed(tmp_path):
    rows = "".join(f"| {i} | {'é' * 50} |\n" for i in range(4000))
    text = f"# Night\n\n<details>\n<summary>All</summary>\n\n```text\n{rows}```\n\n</details>\n" + "after\n" * 200_000
    inside = f"<details>\n<summary>All</summary>\n\n````text\n```\n{rows * 8}"
    for given in (text, inside):
        path = tmp_path / "summary"
        summary.write(given, path)
        shown = path.read_text()
        assert len(path.read_bytes()) < 1 << 20 and shown.rstrip().endswith(summary.CUT)
        assert shown.count("<details>") == shown.count("</details>")
        assert [line for line in shown.splitlines() if line.startswith("```")].count("````") == (given is inside)
        path.unlink()


def test_a_summary_that_fits_is_left_as_it_is_and_two_share_the_limit(tmp_path):
    path = tmp_path / "summary"
    summary.write("# One\n", path)
    summary.write("x" * 100 + "\n" + ("y" * 1000 + "\n") * 1100, path)
    assert path.read_text().startswith("# One\n") and len(path.read_bytes()) < 1 << 20


def obeyed(text: str) -> _Use:
    """The runner's side of a log."""
    use = object.__new__(_Use)
    use.raw, use.masks, use.stopped, use.annotations, use.commands = "", set(), "", [], []
    for line in text.splitlines():
        use.obey(line)
    return use


def test_between_the_marks_no_line_is_obeyed_but_our_own(tmp_path):
    stream = io.StringIO()
    log = Log(stream)
    with log.inert():
        print("::error::from a candidate", file=stream)
        print("  ::add-mask::a", file=stream)
        log.mask("secret\nof two lines")
        print("::warning::from a candidate", file=stream)
        log.error("100% wrong\n::error::second line")
    print("::notice::after", file=stream)
    runner = obeyed(stream.getvalue())
    assert runner.masks == {"secret", "of two lines"}
    assert runner.annotations == [("error", "100% wrong\n::error::second line"), ("notice", "after")]


def test_the_word_that_ends_the_silence_is_new_each_time():
    stream = io.StringIO()
    log = Log(stream)
    for _ in range(2):
        with log.inert():
            log.mask("x")
    words = re.findall(r"::stop-commands::(\w+)", stream.getvalue())
    assert len(set(words)) == len(words) == 4 and all(len(word) == 32 for word in words)


def test_the_runner_of_the_tests_rejects_what_the_real_one_rejects(tmp_path):
    for text in ("no value\n", "a<<END\nnever ended\n"):
        with pytest.raises(AssertionError):
            read_outputs(text)
    assert Job(tmp_path, tmp_path, tmp_path).action.joinpath("action.yml").exists()


def test_the_cost_is_the_newest_runs_as_far_as_its_prices_are_known():
    opened = [Opened(at, "autoresearch/demo", "5" * 40, "main", "val_bpb", "min", "5m", "c", "llm") for at in (1.0, 5.0)]
    calls = [Call(at, 1, "a-model", dollars=dollars) for at, dollars in ((2.0, 7.0), (6.0, 0.25), (7.0, 0.5), (8.0, None))]
    assert spent(History.fold([opened[0], calls[0], opened[1], *calls[1:]])) == "0.7500"
    assert spent(History.fold([opened[1], calls[3]])) == spent(History.fold([])) == ""
