"""`autoresearch import`: other tools' logs as history, each experiment once, nothing lost in silence."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.duplicates import fingerprint, moved
from bot.gitrepo import GitRepo
from bot.history import History
from bot.night import exclusive
from bot.records import Imported, Stopped
from bot.report import data, files, tsv
from bot.settings import Settings
from bot.starting import starting_point
from tests.bot import builders
from tests.bot.kept import Research
from tests.conftest import commit_all, git, make_repo

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
ROWS = [
    "aaaaaaa\t1.000000\t44.0\tkeep\tbaseline",
    "bbbbbbb\t0.993200\t44.2\tkeep\tincrease LR to 0.04",
    "ccccccc\t1.005000\t44.0\tdiscard\tswitch to GeLU",
    "ddddddd\t0.000000\t0.0\tcrash\tdouble the width",
    "eeeeeee\t0.990000\t44.0\tkeep\tdeeper",
]
CONFIG = {"type": "config", "name": "s", "metricName": "val_bpb", "metricUnit": "", "bestDirection": "lower"}


@pytest.fixture
def root(tmp_path) -> Path:
    made = make_repo(tmp_path / "repo", {"train.py": "LR = 0.02\n", "program.md": "Lower it.\n",
                                         "autoresearch.yml": "name: demo\neditable: [train.py]\n"})  # fmt: skip
    git(made, "config", "core.excludesFile", "")
    return made


def table(folder: Path, rows=ROWS, name: str = "results.tsv", header: str = HEADER) -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def lines(folder: Path, *objects, name: str = "autoresearch.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((o if isinstance(o, str) else json.dumps(o)) + "\n" for o in objects))
    return path


def run(number: int, metric, status: str = "discard", commit: str = "abc1234", **fields) -> dict:
    return {"run": number, "commit": commit, "metric": metric, "metrics": {}, "status": status, "description": f"idea {number}",
            "timestamp": 1_777_278_226_000, "confidence": None} | fields  # fmt: skip


def call(root: Path, *paths, code: int = 0):
    done = CliRunner().invoke(cli, ["-C", str(root), "import", *map(str, paths)])
    assert done.exit_code == code, done.output
    return done


def history(root: Path) -> History:
    return History.fold(files.ledger(Settings.load(root, environ={})).events())


def imported(root: Path) -> list[Imported]:
    return history(root).imported


# results.tsv


def test_every_row_becomes_one_experiment(root, tmp_path):
    call(root, table(tmp_path))
    assert [(e.source, e.key, e.hypothesis, e.status, e.value) for e in imported(root)] == [
        ("results.tsv", "aaaaaaa", "baseline", "baseline", 1.0),
        ("results.tsv", "bbbbbbb", "increase LR to 0.04", "keep", 0.9932),
        ("results.tsv", "ccccccc", "switch to GeLU", "discard", 1.005),
        ("results.tsv", "ddddddd", "double the width", "crash", None),
        ("results.tsv", "eeeeeee", "deeper", "keep", 0.99),
    ]


def test_deltas_are_against_the_best_before(root, tmp_path):
    call(root, table(tmp_path))
    assert [e.delta and round(e.delta, 6) for e in imported(root)] == [None, -0.0068, 0.0118, None, -0.0032]


def test_a_second_time_adds_nothing(root, tmp_path):
    path = table(tmp_path)
    call(root, path)
    before = files.ledger(Settings.load(root, environ={})).path.read_bytes()
    assert "0 experiments imported, 5 were there already" in call(root, path).output
    call(root, table(tmp_path, name="copy.tsv"))
    assert files.ledger(Settings.load(root, environ={})).path.read_bytes() == before


def test_a_file_that_grew_adds_what_is_new(root, tmp_path):
    call(root, table(tmp_path, ROWS[:3]))
    call(root, table(tmp_path))
    assert [e.key for e in imported(root)] == ["aaaaaaa", "bbbbbbb", "ccccccc", "ddddddd", "eeeeeee"]
    assert imported(root)[-1].delta == pytest.approx(-0.0032)


def test_equal_rows_of_one_file_all_count(root, tmp_path):
    rows = [*ROWS, ROWS[3], ROWS[3]]
    call(root, table(tmp_path, rows))
    call(root, table(tmp_path, rows))
    assert [e.key for e in imported(root)].count("ddddddd") == 3


def test_two_files_with_one_name_are_both_read(root, tmp_path):
    (tmp_path / "b").mkdir()
    call(root, table(tmp_path, ["-\t1.0\t1\tkeep\tone"]), table(tmp_path / "b", ["-\t0.9\t1\tkeep\tanother"]))
    assert [(e.key, e.hypothesis) for e in imported(root)] == [("line 2", "one"), ("line 2", "another")]


def test_our_own_table_keeps_its_failures_apart(root, tmp_path):
    night = builders.good_night()
    path = tmp_path / "ours.tsv"
    tsv.write(History.fold(night.events), path)
    call(root, path)
    assert "oom" in {e.status for e in imported(root)} and not any("(oom)" in e.hypothesis for e in imported(root))


def test_text_is_one_harmless_line(root, tmp_path):
    call(root, table(tmp_path, ["aaaaaaa\t1.0\t1\tkeep\tx \x1b[31m ::warning::y " + "z" * 900]))
    text = imported(root)[0].hypothesis
    assert "\x1b" not in text and " ::warning" not in text and len(text) == 500


def test_a_failure_has_no_value_whatever_is_written(root, tmp_path):
    call(root, table(tmp_path, ["aaaaaaa\t0.5\t1\tcrash\tx", "bbbbbbb\t1.0\t1\tkeep\ty"]))
    assert [(e.status, e.value) for e in imported(root)] == [("crash", None), ("baseline", 1.0)]


# Bad lines


def test_bad_lines_are_named_and_the_others_are_read(root, tmp_path):
    bad = ["fffffff\tgood\t1\tkeep\tx", "1111111\t0.98\t1\tperhaps\ty", "2222222\t0.9"]
    done = call(root, table(tmp_path, [*ROWS, *bad, "3333333\t0.98\t1\tKEEP\tz"]))
    for words in (
        "line 7: val_bpb is 'good', which is not a number",
        "line 8: status is 'perhaps'",
        "line 9: 2 columns, separated by tabs",
    ):
        assert words in done.stderr
    assert [e.key for e in imported(root)][5:] == ["3333333"]


def test_a_mended_line_is_imported_later(root, tmp_path):
    call(root, table(tmp_path, [*ROWS, "fffffff\tgood\t1\tkeep\tx"]))
    call(root, table(tmp_path, [*ROWS, "fffffff\t0.98\t1\tkeep\tx"]))
    assert len(imported(root)) == 6


@pytest.mark.parametrize(("text", "words"), [
    ("a\tb\n", "has no column commit"), (HEADER + "\n", "has no experiment"), ("{nonsense\n", "line 1: it is not JSON"),
    ("", "has no column"),
    (HEADER + "\naaaaaaa\tx\t1\tkeep\ty\n", "line 2: val_bpb is 'x'"), (json.dumps(CONFIG) + "\n", "has no experiment"),
])  # fmt: skip
def test_a_file_with_nothing_in_it_ends_with_code_2_and_its_reason(root, tmp_path, text, words):
    path = tmp_path / "x.tsv"
    path.write_text(text)
    done = call(root, path, code=2)
    assert words in done.stderr and not files.ledger(Settings.load(root, environ={})).path.exists()


def test_a_binary_file_is_named(root, tmp_path):
    (tmp_path / "x.tsv").write_bytes(b"\xff\xfe\x00")
    assert "x.tsv is not UTF-8" in call(root, tmp_path / "x.tsv", code=2).stderr


def test_one_good_file_is_enough(root, tmp_path):
    (tmp_path / "x.tsv").write_bytes(b"\xff\xfe\x00")
    done = call(root, tmp_path / "x.tsv", table(tmp_path))
    assert (
        "x.tsv is not UTF-8" in done.stderr
        and "results.tsv: 5 experiments imported (1 baseline, 2 keep, 1 discard, 1 crash)" in done.stdout
    )


def test_a_file_that_is_not_there_ends_with_code_2(root, tmp_path):
    call(root, tmp_path / "none.tsv", code=2)


# pi-autoresearch


def test_runs_of_pi_autoresearch(root, tmp_path):
    call(root, lines(tmp_path, CONFIG, run(1, 1.0, "keep"), run(2, 0.9, "keep", "abc9999"), run(3, 0.95), run(4, 0, "crash"),
                     run(5, 0.8, "checks_failed")))  # fmt: skip
    assert [(e.key, e.hypothesis, e.status, e.value, e.delta and round(e.delta, 6)) for e in imported(root)] == [
        ("abc1234", "idea 1", "baseline", 1.0, None),
        ("abc9999", "idea 2", "keep", 0.9, -0.1),
        ("line 4", "idea 3", "discard", 0.95, 0.05),
        ("line 5", "idea 4", "crash", None, None),
        ("line 6", "idea 5 (checks failed)", "crash", None, None),
    ]


def test_what_its_agent_learned_comes_along(root, tmp_path):
    call(root, lines(tmp_path, CONFIG, run(1, 1.0, asi={"hypothesis": "h", "learned": "wider is slower"})))
    assert imported(root)[0].hypothesis == "idea 1; learned: wider is slower"


def test_other_lines_of_it_are_no_experiments(root, tmp_path):
    done = call(root, lines(tmp_path, CONFIG, {"type": "hook", "stage": "after"}, run(1, 1.0, "keep"), ""))
    assert len(imported(root)) == 1 and not done.stderr


def test_a_new_segment_has_a_baseline_of_its_own(root, tmp_path):
    call(root, lines(tmp_path, CONFIG, run(1, 1.0, "keep"), CONFIG, run(2, 5.0, "keep"), run(3, 4.0, "keep")))
    assert [(e.status, e.delta) for e in imported(root)] == [("baseline", None), ("baseline", None), ("keep", -1.0)]


@pytest.mark.parametrize("other", [{"metricName": "total_ms"}, {"bestDirection": "higher"}])
def test_values_of_another_metric_are_left_out_and_it_is_said(root, tmp_path, other):
    done = call(root, lines(tmp_path, CONFIG | other, run(1, 1.0, "keep"), run(2, 0.5, "keep")))
    assert "is not what this research measures (val_bpb, min)" in done.stderr
    assert [(e.status, e.value, e.delta) for e in imported(root)] == [("keep", None, None)] * 2


def test_a_larger_metric_may_be_better(root, tmp_path):
    (root / "autoresearch.yml").write_text("name: demo\neditable: [train.py]\ncommand: python x.py\nmetric: speed\ndirection: max\n")
    config = CONFIG | {"metricName": "speed", "bestDirection": "higher"}
    call(root, lines(tmp_path, config, run(1, 1.0, "keep"), run(2, 3.0, "keep"), run(3, 2.0)))
    assert [e.delta for e in imported(root)] == [None, 2.0, -1.0]


@pytest.mark.parametrize(("line", "words"), [
    ('{"run":2,"metric":1', "line 3: it is not JSON"), ("[1]", "line 3: it is not a JSON object"),
    ({"run": 2, "status": "keep"}, "a run without metric"),
    (run(2, "fast"), "metric is 'fast'"), (run(2, True), "metric is 'True'"), (run(2, 1e200), "which no measurement is"),
    (run(2, 1.0, "hm"), "status is 'hm'"), (CONFIG | {"bestDirection": "up"}, "bestDirection is 'up'"),
    (run(2, float("nan")), "metric is nan"),
])  # fmt: skip
def test_its_bad_lines_are_named(root, tmp_path, line, words):
    done = call(root, lines(tmp_path, CONFIG, run(1, 1.0, "keep"), line, run(4, 0.9)))
    assert words in done.stderr and [e.hypothesis for e in imported(root)] == ["idea 1", "idea 4"]


# Commits


@pytest.fixture
def commits(root) -> list[str]:
    """Two experiments of another tool on a branch of this repository, and one that does not touch train.py."""
    git(root, "checkout", "-q", "-b", "upstream")
    made = []
    for path, text in (("train.py", "LR = 0.04\n"), ("train.py", "LR = 0.04\nDEPTH = 8\n"), ("notes.txt", "hello\n")):
        (root / path).write_text(text)
        made.append(commit_all(root, text))
    git(root, "checkout", "-q", "main")
    return made


def test_a_commit_that_is_here_says_what_was_changed(root, tmp_path, commits):
    done = call(root, table(tmp_path, [f"{sha[:7]}\t{1.0 - i / 10}\t1\tkeep\tx{i}" for i, sha in enumerate(commits)]))
    texts = [{"train.py": text} for text in ("LR = 0.02\n", "LR = 0.04\n", "LR = 0.04\nDEPTH = 8\n")]
    found = imported(root)
    assert [e.fingerprint for e in found] == [fingerprint(texts[1]), fingerprint(texts[2]), ""] and found[0].fingerprint
    assert [e.moved for e in found] == [moved(texts[0], texts[1]), moved(texts[1], texts[2]), {}] and found[0].moved == {"LR": (0.02, 0.04)}
    assert "2 of them with their change" in done.stdout


def test_a_commit_belongs_to_the_first_that_names_it(root, tmp_path, commits):
    sha = commits[0][:7]
    call(root, table(tmp_path, [f"{sha}\t1.0\t1\tkeep\tits own", f"{sha}\t1.1\t1\tdiscard\tmeasured on top of it"]))
    assert [bool(e.fingerprint) for e in imported(root)] == [True, False]


def test_pi_s_discards_name_their_champion_s_commit(root, tmp_path, commits):
    call(root, lines(tmp_path, CONFIG, run(1, 1.1, "discard", commits[0][:7]), run(2, 1.0, "keep", commits[0][:7])))
    assert [bool(e.fingerprint) for e in imported(root)] == [False, True]


def test_a_commit_that_is_no_program_is_imported_all_the_same(root, tmp_path):
    git(root, "checkout", "-q", "-b", "upstream")
    (root / "train.py").write_bytes(b"LR = (\xff\n")
    sha = commit_all(root)[:7]
    git(root, "checkout", "-q", "main")
    call(root, table(tmp_path, [f"{sha}\t0.0\t0\tcrash\tx"]))
    assert [(e.key, e.status) for e in imported(root)] == [(sha, "crash")]


@pytest.mark.parametrize("name", ["HEAD", "--all", "main", "0000000", "../x", "upstream", "a b"])
def test_what_is_no_commit_here_is_not_looked_up(root, tmp_path, commits, name):
    call(root, table(tmp_path, [f"{name}\t1.0\t1\tkeep\tx"]))
    assert imported(root)[0].fingerprint == "" and imported(root)[0].key == name


def test_thousands_of_commits_take_few_processes(root, tmp_path, commits, monkeypatch):
    calls, real = [], GitRepo._run
    monkeypatch.setattr(GitRepo, "_run", lambda self, *args, **options: calls.append(args) or real(self, *args, **options))
    monkeypatch.setattr("bot.ledger.os.fsync", lambda handle: None)
    call(root, table(tmp_path, [f"{i:07x}\t1.0\t1\tdiscard\tx{i}" for i in range(3000)]))
    assert len(imported(root)) == 3000 and len(calls) < 12


# Beside our own history


def test_a_ledger_of_another_research(root, tmp_path):
    other = Research.start(tmp_path / "other")
    other.keep("X = 7\n")
    other.discard("X = 8\n")
    call(root, other.ledger.path)
    assert [(e.source, e.hypothesis, e.status, e.delta) for e in imported(root)] == [
        ("local.jsonl", "X = 7", "keep", -0.1), ("local.jsonl", "X = 8", "discard", None)
    ]  # fmt: skip
    call(root, other.ledger.path)
    assert len(imported(root)) == 2


def test_our_own_ledger_is_refused(tmp_path):
    own = Research.start(tmp_path / "own")
    own.keep("X = 7\n")
    assert "this research's own ledger" in call(own.root, own.ledger.path, code=2).stderr
    assert not own.history.imported


def test_nothing_of_it_enters_our_numbers(tmp_path):
    own = Research.start(tmp_path / "own")
    own.keep("X = 7\n")
    own.discard("X = 8\n")
    own.record(Stopped, reason="done")
    before = own.history
    call(own.root, table(tmp_path))
    after = own.history
    same = [data.status(h, "stopped") | {"imported": None} for h in (before, after)]
    assert same[0] == same[1] and len(after.imported) == 5 and not after.oddities


def test_a_research_may_begin_with_it(root, tmp_path):
    call(root, table(tmp_path))
    settings = Settings.load(root, environ={})
    assert starting_point(GitRepo(root), settings, history(root)) == (git(root, "rev-parse", "HEAD"), "main")
    for words in (["status"], ["log"], ["report"]):
        done = CliRunner().invoke(cli, ["-C", str(root), *words])
        assert done.exit_code == 0, done.output
    assert "not begun" in CliRunner().invoke(cli, ["-C", str(root), "status"]).output


def test_status_shows_it_in_one_line(root, tmp_path):
    call(root, table(tmp_path))
    done = CliRunner().invoke(cli, ["-C", str(root), "status"])
    assert "5 experiments: results.tsv (1 baseline, 2 keep, 1 discard, 1 crash)" in done.output
    found = json.loads(CliRunner().invoke(cli, ["-C", str(root), "status", "--json"]).output)
    assert found["imported"] == {"results.tsv": {"baseline": 1, "keep": 2, "discard": 1, "crash": 1}}


def test_while_a_run_uses_the_state_folder_nothing_is_written(root, tmp_path):
    call(root, table(tmp_path, ROWS[:2]))
    with exclusive(root / ".autoresearch" / "lock"):
        assert "another run is using" in call(root, table(tmp_path), code=1).stderr
    assert len(imported(root)) == 2


def test_a_line_that_a_kill_tore_is_ended_first(root, tmp_path):
    call(root, table(tmp_path, ROWS[:2]))
    path = files.ledger(Settings.load(root, environ={})).path
    path.write_bytes(path.read_bytes() + b'{"event":"imp')
    call(root, table(tmp_path))
    assert len(imported(root)) == 5


def test_the_user_s_files_stay_as_they_were(root, tmp_path):
    before = git(root, "status", "--porcelain")
    call(root, table(tmp_path))
    assert git(root, "status", "--porcelain") == before == ""
