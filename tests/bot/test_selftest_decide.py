"""The planted controls: each edit is what it says, each applies whatever was kept, and a killed self-test goes on where it was."""

import ast
import importlib.util
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs
from rich.console import Console

from bot import edit
from bot.cli import cli
from bot.errors import UsageError
from bot.gitrepo import GitRepo
from bot.history import History
from bot.ledger import Ledger
from bot.proposers import Answer
from bot.records import Proposal
from bot.selftest import decide, planted
from bot.selftest.decide import Rate, Trial
from bot.selftest.planted import ENTRY, HANDICAPS, HARMS
from tests.bot.builders import Night
from tests.conftest import git, make_repo
from tests.targets import environment

TOP = Path(__file__).parents[2]
TEXT = (TOP / ENTRY).read_text()
START = planted.handicapped(TEXT)
EDITS = planted.edits(TEXT, 40, 12)
NULLS = [e for e in EDITS if e.truth == "null"]
WRONG = [*((name, wrong) for name, (wrong, _) in HANDICAPS.items()), *HARMS.items()]
SCORE = f"""
import os, random, re
text = open({ENTRY!r}).read()
wrong = sum(bool(re.search(rf"^{{name}} = [^#]*(?<![.0-9]){{re.escape(value)}}(?![.0-9])", text, re.M)) for name, value in {WRONG})
print("METRIC cost=", wrong + random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.01), sep="")
"""
CALL = f"""
import io, sys
from pathlib import Path
from bot.live import PlainObserver
from bot.selftest import decide
from bot.signals import Stop
folder = Path(sys.argv[1])
decide.prepare(folder, 3, 6, "5s")
settings = {{"command": ["python", "-c", {SCORE!r}], "metric": "cost", "budget": "5s", "sandbox": "none"}}
decide.run(folder, settings, PlainObserver(sys.stdout), Stop())
"""


@pytest.mark.parametrize("parity", [0, 1])
def test_every_patch_applies_on_whatever_was_kept_before(tmp_path, parity):
    kept = EDITS[parity::2]
    repo = GitRepo(make_repo(tmp_path / "repo", {ENTRY: planted.applied(START, kept)}))
    for one in EDITS[1 - parity :: 2]:
        assert repo.apply_patch("HEAD", planted.patch(START, one)) == {ENTRY: planted.applied(START, [*kept, one])}


def test_no_edit_touches_the_lines_of_another_nor_the_ones_beside_them():
    changes = sorted(((c, e) for e in EDITS for c in e.changes), key=lambda pair: pair[0].start)
    for (one, mine), (two, other) in zip(changes, changes[1:], strict=False):
        assert mine is other or two.start - one.stop >= planted.ROOM


def test_the_loop_refuses_none_of_them():
    everything = planted.applied(START, EDITS)
    assert edit.apply({ENTRY: START}, Answer("all", "replay:x", edits={ENTRY: everything}), lambda patch: {}) == {ENTRY: everything}


@pytest.mark.parametrize("one", [e for e in NULLS if e.exact], ids=lambda e: e.what)
def test_an_exact_null_edit_is_the_same_program(one):
    assert planted.applied(START, [one]) != START and normal(planted.applied(START, [one])) == normal(START)


def normal(text: str) -> str:
    """The program without what a null edit may differ in: docstrings, a renamed local, an unread constant, the order of constants."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
        if isinstance(node, ast.Name):
            node.id = node.id.removesuffix("_renamed")
    constants = {n.targets[0].id: ast.dump(n.value) for n in tree.body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)}
    others = [ast.dump(node) for node in tree.body if not isinstance(node, ast.Assign)]
    return json.dumps([others, {name: value for name, value in constants.items() if not name.startswith("SEED_")}], sort_keys=True)


@pytest.mark.parametrize("one", [e for e in NULLS if not e.exact], ids=lambda e: e.what)
def test_a_shuffled_null_edit_only_draws_other_numbers(one):
    kept = [line for line in planted.applied(START, [one]).splitlines() if not line.strip().startswith("torch.rand(")]
    assert ast.dump(ast.parse("\n".join(kept).replace(".neg_()", ""))) == ast.dump(ast.parse(START))


def trained(text: str, folder: Path, monkeypatch) -> tuple[list[float], dict]:
    """Losses of three small steps, and the initial weights."""
    import torch

    from eval import session

    for name, value in {"device": "cpu", "vocab_size": 64, "sequence_length": 32, "seed": 7}.items():
        monkeypatch.setattr(session, name, value)
    session.reseed()
    path = folder / f"{abs(hash(text))}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("planted_train", path)
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    model = train.GPT(train.make_config(), train.compute_dtype("cpu"))
    model.init_weights()
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizers, losses = train.make_optimizers(model), []
    for step in range(3):
        tokens = torch.randint(64, (4, 33), generator=torch.Generator().manual_seed(step))
        loss = model(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
        loss.backward()
        train.optimizer_step(optimizers, step / 3)
        losses.append(loss.item())
    return losses, weights


def test_all_exact_null_edits_together_give_the_same_numbers(tmp_path, monkeypatch):
    changed = planted.applied(START, [e for e in NULLS if e.exact])
    assert trained(changed, tmp_path, monkeypatch)[0] == trained(START, tmp_path, monkeypatch)[0]


def test_shuffled_null_edits_draw_other_weights_of_the_same_size(tmp_path, monkeypatch):
    changed = planted.applied(START, [e for e in NULLS if not e.exact])
    (_, ours), (_, usual) = trained(changed, tmp_path, monkeypatch), trained(START, tmp_path, monkeypatch)
    drawn = [name for name in usual if len(usual[name].unique()) > 1]
    assert len(drawn) >= 4
    for name in drawn:
        assert not ours[name].equal(usual[name]) and abs(ours[name].std() / usual[name].std() - 1) < 0.1


@pytest.mark.parametrize("one", [e for e in EDITS if e.truth != "null"], ids=lambda e: e.what)
def test_a_planted_effect_moves_its_constant_alone(one):
    before, after = ({n: c.text for n, c in planted.find_in(t).items()} for t in (START, planted.applied(START, [one])))
    assert {n for n in before if before[n] != after[n]} == {one.kind}
    good = (before[one.kind], after[one.kind]) == HANDICAPS.get(one.kind)
    bad = (before[one.kind], after[one.kind]) == (planted.find_in(TEXT)[one.kind].text, HARMS.get(one.kind))
    assert (one.truth == "good", one.truth == "bad") == (good, bad)


def test_half_of_the_planted_ones_are_good_and_half_of_the_nulls_exact():
    assert Counter(e.truth for e in EDITS) == {"null": 40, "good": 6, "bad": 6} and sum(e.exact for e in NULLS) == 20
    assert Counter(e.truth for e in planted.edits(TEXT, 3, 2)) == {"null": 3, "good": 1, "bad": 1}


def call(folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CALL, str(folder)], env=environment(), stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_killed_twice_it_goes_on_and_tells_good_from_bad(tmp_path):
    folder = tmp_path / "state"
    ledger = Ledger(folder / "repo/.autoresearch/ledger/selftest")
    for lines in (8, 20):
        process, deadline = call(folder), time.monotonic() + 60
        while not ledger.path.exists() or ledger.path.read_text().count("\n") < lines:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert call(folder).wait(timeout=120) == 0
    past, edits = History.fold(ledger.events()), decide.prepare(folder, 3, 6, "5s")
    assert max(Counter((m.id, m.role, m.index) for e in past.experiments.values() for m in e.measurements).values()) == 1
    found = decide.trials(past, edits)
    assert [t.what for t in found] == [e.what for e in edits] and [t.id for t in found] == [*range(1, 10)]
    assert {t.status for t in found if t.truth == "good"} == {"keep"} and {t.status for t in found if t.truth == "bad"} == {"discard"}
    assert {t.label for t in found if t.truth == "good"} == {"confirmed"} and decide.trusted(found)


def test_a_verdict_is_judged_by_its_truth():
    night = Night(noise=1e-5).baseline()
    night.kept(-0.02)
    night.screened(0.01)
    night.screened(-0.01)
    night.failed("crash")
    proposals = [event for event in night.events if isinstance(event, Proposal)]
    named = {p.id: structs.replace(p, source=f"replay:{number:03d}.patch") for number, p in enumerate(proposals)}
    events = [named[event.id] if isinstance(event, Proposal) else event for event in night.events]
    found = decide.trials(History.fold(events), [replace(NULLS[0], truth=t) for t in ("good", "bad", "null", "null", "null")])
    assert [(t.id, t.status, t.tested, t.better) for t in found] == [
        (1, "keep", True, True),
        (2, "discard", False, False),
        (3, "discard", False, True),
        (4, "crash", False, False),
        (0, "waiting", False, False),
    ]
    rates = decide.rates(found)
    assert rates["null"]["better in one run"] == Rate(1, 1), "a crash and an edit that was not tried yet were not decided"
    assert rates["good"]["kept"] == Rate(1, 1) and rates["bad"]["kept"] == Rate(0, 1)


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 40, 0.0, 0.0881), (1, 10, 0.0025, 0.4450), (6, 6, 0.5407, 1.0), (3, 6, 0.1181, 0.8819), (0, 0, 0.0, 1.0)],
)
def test_intervals_are_exact(count, of, low, high):
    assert Rate(count, of).interval == pytest.approx((low, high), abs=5e-5)  # tables of Clopper and Pearson


TRIALS = [
    Trial(1, "null", "draw", False, "numbers thrown away", "discard", True, True),
    Trial(2, "null", "comment", True, "a comment", "keep", True, True, -0.1, why="kept: -0.1", label="unproven"),
    Trial(3, "good", "DEPTH", False, "DEPTH 8 -> 4", "keep", True, True, -0.3, label="confirmed"),
    Trial(0, "bad", "WIDTH", False, "WIDTH 64 -> 512"),
]


def test_a_pipe_gets_plain_lines():
    stream = StringIO()
    decide.show(TRIALS, History.fold(Night().baseline().stopped().events), Console(file=stream, width=80))
    lines = [line.split("\t") for line in stream.getvalue().splitlines()]
    assert ["0002", "null", "a comment", "keep", "unproven", "kept: -0.1"] in lines
    assert ["null", "2", "2", "2", "1", "1.3 to 98.7 %", "0", "0.0 to 84.2 %"] in lines
    assert lines[-1][0].startswith("3 of 4 planted edits decided, then: stop_after 6m; 4 runs in")


def test_what_is_worse_or_nothing_and_kept_fails_the_test():
    assert decide.trusted(TRIALS)
    assert not decide.trusted([*TRIALS, replace(TRIALS[3], status="keep")])
    assert not decide.trusted([*TRIALS, replace(TRIALS[1], label="confirmed")])


def test_a_loop_that_could_not_tell_is_not_trusted():
    assert not decide.trusted([t if t.truth != "good" else replace(t, status="discard") for t in TRIALS])
    assert not decide.trusted([*TRIALS, *[replace(TRIALS[3], status="crash")] * len(TRIALS)])


def test_json_has_every_edit_and_every_interval():
    told = json.loads(decide.as_json(TRIALS, History(), "5s cpu"))
    assert told["ok"] and [t["truth"] for t in told["trials"]] == ["null", "null", "good", "bad"]
    assert told["rates"]["good"]["confirmed"] == {"count": 1, "of": 1, "low": pytest.approx(0.025), "high": 1.0}


def test_other_options_are_refused_and_fresh_begins_again(tmp_path):
    decide.prepare(tmp_path, 2, 2, "5s cpu")
    first = git(tmp_path / "repo", "rev-parse", "HEAD")
    with pytest.raises(UsageError, match="was begun with --nulls 2 --planted 2 --budget '5s cpu'"):
        decide.prepare(tmp_path, 3, 2, "5s cpu")
    decide.prepare(tmp_path, 2, 2, "5s cpu")
    assert git(tmp_path / "repo", "rev-parse", "HEAD") == first
    (tmp_path / "repo/.autoresearch").mkdir()
    decide.prepare(tmp_path, 3, 2, "5s cpu", fresh=True)
    assert not (tmp_path / "repo/.autoresearch").exists() and len(list((tmp_path / "patches").iterdir())) == 5


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds thesis.txt"):
        decide.prepare(tmp_path, 2, 2, "5s cpu", fresh=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["repo", "thesis.txt"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nulls", "3"], "--nulls is only for"),
        (["--decide", "--level", "none"], "--level is not for"),
        (["--decide", "--planted", "99"], "--planted 99: there are 12"),
        (["--decide", "--nulls", "999"], "has room for"),
        (["--decide", "--budget", "soon"], "budget"),
    ],
)
def test_bad_options_say_what_to_do(tmp_path, words, said):
    done = CliRunner().invoke(cli, ["selftest", *words, *(["--state", str(tmp_path / "s")] if "--decide" in words else [])])
    assert done.exit_code == 2 and said in done.output
