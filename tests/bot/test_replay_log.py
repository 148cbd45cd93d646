"""`replay`: a results.tsv or a ledger through other rules, without a single invented number."""

import json

import pytest
from click.testing import CliRunner

from bot import logs, replay
from bot.cli import cli
from bot.errors import UsageError
from bot.ledger import Ledger
from bot.loop import run_loop
from tests.bot import builders, nights
from tests.targets import patch

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
ROWS = [
    "aaaaaaa\t1.000000\t44.0\tkeep\tbaseline",
    "bbbbbbb\t0.999800\t44.2\tkeep\ta little",
    "ccccccc\t1.010000\t44.0\tdiscard\tworse",
    "ddddddd\t0.000000\t0.0\tdiscard\tdoubled the width",
    "eeeeeee\t0.990000\t44.1\tkeep\ta lot",
    "fffffff\tnan\tnan\tdiscard\tout of memory",
    "1111111\t0.998000\t44.0\tdiscard\ttab\tin it",
]


def table(path, rows=ROWS, header=HEADER):
    path.write_text(header + "".join(row + "\n" for row in rows))
    return path


def results(path, *rules, sigma=None) -> dict[str, replay.Result]:
    return {r.rule: r for r in replay.replay(logs.read(path), rules, sigma)}


def kept(result) -> list[str]:
    return [k.change.name for k in result.kept]


@pytest.fixture
def tsv(tmp_path):
    return table(tmp_path / "results.tsv")


def test_a_failure_is_no_score(tsv):
    log = logs.read(tsv)
    assert log.base == (1.0,) and [c.name for c in log.changes] == ["bbbbbbb", "ccccccc", "eeeeeee", "1111111"] and log.failed == 2


def test_keep_if_lower_keeps_every_new_low(tsv):
    found = results(tsv)["keep-if-lower"]
    assert kept(found) == ["bbbbbbb", "eeeeeee"] and found.claimed == pytest.approx(0.01)


def test_best_over_mad_wants_twice_the_spread(tmp_path):
    rows = [f"{name}\t{value}\t1\tdiscard\tx" for name, value in (("base", 1.0), ("worse", 1.01), ("little", 0.995), ("lot", 0.5))]
    assert kept(results(table(tmp_path / "r.tsv", rows))["best-over-mad"]) == ["lot"]


def test_what_the_log_kept_stands_beside_it(tsv):
    assert kept(results(tsv)[replay.LOGGED]) == ["bbbbbbb", "eeeeeee"]


def test_keeps_within_the_noise_are_counted(tsv):
    """0.0002 is less than 1.645 * sqrt(2) * 0.0005, 0.0098 is not."""
    assert results(tsv, sigma=0.0005)["keep-if-lower"].within == 1


def test_without_sigma_the_noise_is_unknown(tsv):
    assert results(tsv)["keep-if-lower"].within is None


def test_the_expected_null_keeps_are_those_of_a_record(tsv):
    assert "1.3 of them on average (1/2 + 1/3 + ... + 1/5)" in results(tsv)["keep-if-lower"].notes[0]


def test_bootstrap_keeps_nothing_on_one_run(tsv):
    found = results(tsv)["bootstrap"]
    assert not found.kept and [c.name for c in found.discarded] == ["ccccccc"] and len(found.open) == 3
    assert any("needs 3 runs of the base, the log has 1" in note for note in found.notes)


def test_ours_screens_one_run_and_keeps_nothing(tsv):
    """Against what the log had kept by then: the last row is behind 0.99."""
    found = results(tsv, sigma=0.0005)["ours"]
    assert not found.kept and [c.name for c in found.open] == ["eeeeeee"] and "needs fresh runs" in found.notes[0]


def test_a_larger_sigma_screens_more_out(tsv):
    assert not results(tsv, sigma=0.05)["ours"].open


def test_ours_by_name_needs_sigma_and_says_how_to_get_it(tsv):
    with pytest.raises(UsageError, match="--sigma: .* run one commit on at least 4 seeds"):
        results(tsv, "ours")


def test_ours_unasked_says_so_and_decides_nothing(tsv):
    found = results(tsv)["ours"]
    assert not found.kept and not found.discarded and found.notes == [replay.NO_SIGMA]


def test_a_commit_that_ran_often_gives_the_noise(tmp_path):
    rows = [f"aaaaaaa\t{v}\t44.0\tkeep\tbaseline" for v in ("1.001", "0.999", "1.000")]
    log = logs.read(table(tmp_path / "r.tsv", [*rows, *ROWS[2:]]))
    assert log.base == (1.001, 0.999, 1.0) and log.noise == (pytest.approx(2e-6), 2)
    assert "noise from 3 rows of 1 commits" in log.notes[0]


def test_bootstrap_decides_where_the_log_repeats(tmp_path):
    rows = [
        f"{name}\t{v}\t44.0\tkeep\tx" for name, level in (("aaaaaaa", 1.0), ("bbbbbbb", 0.9)) for v in (level, level + 0.01, level - 0.01)
    ]
    found = results(table(tmp_path / "r.tsv", rows), "bootstrap")["bootstrap"]
    assert kept(found) == ["bbbbbbb"] and found.claimed == pytest.approx(0.1)


def test_bootstrap_does_not_decide_against_one_run_of_the_base(tmp_path):
    rows = [ROWS[0], *(f"bbbbbbb\t{v}\t44.0\tkeep\tx" for v in (0.9, 0.91, 0.89))]
    assert not results(table(tmp_path / "r.tsv", rows), "bootstrap")["bootstrap"].kept


def test_rows_without_a_commit_are_not_one_commit(tmp_path):
    rows = [ROWS[0], "-\t0.99\t1\tdiscard\tone", "-\t0.98\t1\tdiscard\tother"]
    log = logs.read(table(tmp_path / "r.tsv", rows))
    assert len(log.changes) == 2 and log.noise == (0.0, 0)


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        (ROWS, "sha\tscore\n", "has no column commit"),
        ([*ROWS, "2222222\tgood\t1\tkeep\tx"], HEADER, "line 9: val_bpb is 'good'"),
        ([*ROWS, "2222222\t1.0"], HEADER, "line 9: 2 columns, separated by tabs, and none for status"),
        ([*ROWS, "2222222\t1e200\t1\tkeep\tx"], HEADER, "line 9: val_bpb is 1e.200, which no measurement is"),
        ([ROWS[3]], HEADER, "no row with a value"),
        ([], "", "has no column commit"),
    ],
)
def test_a_file_that_is_no_log_is_refused_with_its_place(tmp_path, rows, header, words):
    with pytest.raises(UsageError, match=words):
        logs.read(table(tmp_path / "r.tsv", rows, header))


def test_three_columns_are_enough(tmp_path):
    log = logs.read(table(tmp_path / "r.tsv", ["a\t1.0\tkeep", "b\t0.9\tkeep"], "commit\tval_bpb\tstatus\n"))
    assert log.base == (1.0,) and log.changes[0].values == (0.9,)


@pytest.mark.parametrize(("sigma", "words"), [("nan", "nan is not a number"), ("inf", "is not in the range"), ("0", "is not in the range")])
def test_a_sigma_that_is_none_is_refused(tsv, sigma, words):
    found = CliRunner().invoke(cli, ["replay", str(tsv), "--sigma", sigma])
    assert found.exit_code == 2 and words in found.output


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "r.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        logs.read(tmp_path / "r.tsv")


def test_a_folder_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(UsageError, match="has none; name the file itself"):
        logs.read(tmp_path)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A real night: a gain, a loss, and one that needs fresh runs to be told from the noise."""
    moves = [patch("5.0", "4.0", "a gain"), patch("4.0", "9.0", "a loss"), patch("4.0", "4.0 ", "nothing")]

    def answer(asked) -> dict:
        return {"value": 1.0395} if (asked["id"], asked["role"]) == (3, "screen") else {}

    night, _ = nights.make_night(tmp_path_factory.mktemp("night") / "repo", moves, answer)
    run_loop(night)
    return night


def test_ours_decides_a_ledger_as_the_night_did(ledger):
    found = results(ledger.ledger.folder)["ours"]
    recorded = [f"{e.id:04d}" for e in ledger.history.keeps]
    assert kept(found) == recorded == ["0001"] and not found.open
    assert found.claimed == pytest.approx(-ledger.history.keeps[0].verdict.delta)


def test_keep_if_lower_sees_the_first_run_of_each(ledger):
    found = results(ledger.ledger.path)["keep-if-lower"]
    assert kept(found) == ["0001", "0003"] and found.claimed == pytest.approx(ledger.history.reference_runs[0].value - 1.0395)


@pytest.mark.parametrize("rule", ["bootstrap", "ours"])
def test_what_the_runs_do_not_decide_is_flagged(tmp_path, ledger, rule):
    """The same night, cut off before the fresh runs of the gain."""
    short = Ledger(tmp_path)
    for event in ledger.ledger.events():
        if getattr(event, "role", "") == "confirm":
            break
        short.append(event)
    found = results(tmp_path)[rule]
    assert [c.name for c in found.open] == ["0001"] and not found.kept and "ran out of runs" in found.notes[0]


def test_more_is_better_is_turned_around(tmp_path):
    made = builders.Night(direction="max", metric="speed").baseline()
    made.screened(+0.5)
    made.screened(-0.5)
    folder = Ledger(tmp_path)
    for event in made.events:
        folder.append(event)
    found = results(tmp_path)["keep-if-lower"]
    assert kept(found) == ["0001"] and found.claimed == pytest.approx(0.5, abs=0.02)


def test_experiments_of_another_machine_are_left_out(tmp_path):
    made = builders.Night().baseline()
    made.screened(-0.5)
    made.context = "elsewhere"
    made.baseline()
    made.screened(-0.4)
    folder = Ledger(tmp_path)
    for event in made.events:
        folder.append(event)
    log = logs.read(tmp_path)
    assert [c.name for c in log.changes] == [
        "0002"
    ] and "left out, since they were measured under another budget, metric or machine: 1" in log.notes


def call(*words) -> str:
    done = CliRunner().invoke(cli, ["replay", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_page_names_every_rule_and_its_keeps(tsv):
    shown = call(tsv, "--sigma", "0.0005")
    assert all(name in shown for name in ("keep-if-lower", "bootstrap", "best-over-mad", "ours")) and "within the noise  a little" in shown


def test_json_has_its_keys(tsv):
    found = json.loads(call(tsv, "--json", "--rule", "keep-if-lower"))
    assert [r["rule"] for r in found["rules"]] == ["keep-if-lower"] and found["noise"] is None
    assert set(found["rules"][0]) == {"rule", "claimed", "within_noise", "notes", "kept", "discarded", "out_of_runs"}


def test_an_unknown_rule_ends_with_code_2(tsv):
    assert CliRunner().invoke(cli, ["replay", str(tsv), "--rule", "luck"]).exit_code == 2
