"""Parts of a CPU: how they are written, who runs where, and when measuring on them at once pays."""

import io
import os
import subprocess
import sys

import pytest

from bot import cores, devices, split
from bot.errors import UsageError
from bot.gitrepo import GitRepo
from bot.history import History
from bot.live import PlainObserver
from bot.records import Measurement, Opened
from bot.report import reproduce
from bot.settings import Settings
from bot.signals import Stop
from bot.split import Turn
from tests.bot.nights import CONFIG
from tests.bot.test_scouts import history, target
from tests.conftest import commit_all, make_repo
from tests.eval.rig import BIGRAM
from tests.targets import CONFIG as COMMAND
from tests.targets import autoresearch
from tests.test_kill_real import texts

MINE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
several = pytest.mark.skipif(len(MINE) < 2, reason="needs two cores that a process may choose")


@pytest.mark.parametrize(
    ("part", "found", "again"),
    [
        ("cpu:3", (3,), "cpu:3"),
        ("cpu:0-3+8-9", (0, 1, 2, 3, 8, 9), "cpu:0-3+8-9"),
        ("cpu:9+2+1+3-4", (1, 2, 3, 4, 9), "cpu:1-4+9"),
    ],
)
def test_parts_are_written_as_lists_of_cores(part, found, again):
    assert cores.cores_of(part) == found and cores.named(found) == again


@pytest.mark.parametrize("part", ["cpu:", "cpu:a", "cpu:3-1", "cpu:0-99999999", "cpu:0,1", "cpu:-1", "cpu:1+", "cpu"])
def test_what_is_no_part_says_how_to_write_one(part):
    with pytest.raises(ValueError, match="write (its cores|it) like cpu:0-3"):
        cores.cores_of(part)


@pytest.mark.parametrize(
    ("written", "device", "said"),
    [
        ("[cpu:0-1, cpu:1-2]", "cpu", "core 1 is in two parts"),
        ("[cpu:0, cpu:0]", "cpu", "named twice"),
        ("[cpu:0, 1]", "auto", "two kinds of machine"),
        ("[auto, cpu:0]", "auto", "'auto' is no device"),
        ("[cpu:0, cpu:1]", "cuda", "these are parts of a CPU, and `device` is cuda"),
        ("[cpu:0, cpu:x]", "cpu", "'cpu:x' is no part of a CPU"),
    ],
)
def test_devices_that_cannot_be_are_bad_usage(tmp_path, written, device, said):
    root = target(tmp_path, [], CONFIG + f"devices: {written}\n")
    with pytest.raises(UsageError, match=f"devices: .*{said}"):
        Settings.load(root, overrides={"device": device}, environ={})


def test_parts_and_auto_are_read(tmp_path):
    root = target(tmp_path, [], CONFIG + "devices: [cpu:0-1, cpu:2+3]\n")
    assert Settings.load(root, environ={}).devices == ("cpu:0-1", "cpu:2+3")
    assert Settings.load(root, environ={"AUTORESEARCH_DEVICES": "auto"}).devices == split.AUTO


def test_parts_need_a_cpu(tmp_path):
    settings = Settings.load(target(tmp_path, [], CONFIG + "devices: cpu:0,cpu:1\n"), environ={})
    with pytest.raises(UsageError, match="parts of a CPU, and `device` is mps"):
        devices.usable(settings.resolved("mps"))
    devices.usable(settings.resolved("cpu"))


def test_physical_cores_stay_together(monkeypatch, tmp_path):
    """Eight threads of four cores, numbered as Linux likes to: 0 and 4 are one core."""
    monkeypatch.setattr(cores, "SIBLINGS", str(tmp_path / "{}"))
    for core in range(8):
        (tmp_path / str(core)).write_text(f"{core % 4},{core % 4 + 4}\n")
    assert cores.divided(range(8), 2) == ["cpu:0-1+4-5", "cpu:2-3+6-7"]
    assert cores.divided(range(8), 4) == ["cpu:0+4", "cpu:1+5", "cpu:2+6", "cpu:3+7"]
    assert cores.divided([0, 1, 2], 2) == ["cpu:0", "cpu:1"], "all of one size"


@several
def test_a_night_has_its_own_part_alone_until_it_ends(tmp_path):
    settings = Settings.load(target(tmp_path, [], CONFIG + f"devices: [cpu:{MINE[1]}, cpu:{MINE[0]}]\n"), environ={})
    with devices.own(settings, {}):
        code = "import os; print(os.sched_getaffinity(0))"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == f"{{{MINE[1]}}}\n"
    assert sorted(os.sched_getaffinity(0)) == MINE


def test_cores_that_are_not_ours_are_bad_usage(tmp_path):
    root = target(tmp_path, [], CONFIG)
    assert "devices: core 4000 of cpu:4000 is not for this process" in autoresearch(root, "run", "--devices", "cpu:4000", code=2)
    assert not (root / ".autoresearch").exists()


def test_nothing_is_tried_before_the_checks(tmp_path):
    """Here: of a file with changes that nobody committed."""
    root = make_repo(tmp_path / "repo", {"train.py": BIGRAM, "autoresearch.yml": "name: demo\neditable: [train.py]\ndevices: auto\n"})
    (root / "train.py").write_text(BIGRAM + "x = 1\n")
    out = autoresearch(root, "run", "--device", "cpu", code=2)
    assert "train.py has uncommitted changes" in out and "trying" not in out


def test_gpus_of_auto_are_those_that_cuda_may_see():
    assert split.every_gpu({"CUDA_VISIBLE_DEVICES": "3, GPU-ab"}) == ["3", "GPU-ab"]
    assert split.every_gpu({"CUDA_VISIBLE_DEVICES": ""}) == []
    assert split.every_gpu({"CUDA_VISIBLE_DEVICES": "1,1,0,-1,2"}) == ["1", "0"], "CUDA reads up to the first that is none"


def test_gpus_of_auto_are_else_all(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\n[ "$*" = "--query-gpu=index --format=csv,noheader,nounits" ] && printf "0\\n1\\n"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert split.every_gpu({}) == ["0", "1"]


def test_auto_divides_no_cpu_for_a_command(tmp_path):
    root = target(tmp_path, [], COMMAND)
    assert "`auto` divides no CPU for a command" in autoresearch(root, "run", "--devices", "auto", "--max-experiments", "1")


# When it pays


def turns(steps: list[int], seconds: float) -> list[Turn]:
    return [Turn(tuple(steps), seconds)] * split.ROUNDS


@pytest.mark.parametrize(
    ("before", "lone", "both", "seconds", "said"),
    [
        (100, 100, 98, 15.0, None),
        (100, 100, 98, 24.0, "1.22 times the steps in an hour, in a run -2.0% of them, -2.0% for its neighbours, less than 1.25 times"),
        (100, 88, 88, 13.0, "a run may lose 10% at most"),
        (95, 88, 88, 13.0, "a run may lose 10% at most"),  # of what it had on all cores, not of half of them
        (100, 100, 94, 15.0, "runs beside others are not like runs without"),
        (100, 92, 98, 15.0, "runs beside others are not like runs without"),
    ],
)
def test_it_pays_with_more_steps_an_hour_and_runs_that_are_alike(before, lone, both, seconds, said):
    pays, why = split.verdict(turns([before], 15.0), turns([lone], 15.0), turns([both, both], seconds), whole=100)
    assert pays is (said is None) and (said or "") in why


@pytest.mark.parametrize(("limit", "count"), [(1, 0), (2, 2), (4, 4), (64, 8)])
def test_parts_are_halved_while_it_pays_and_up_to_eight(limit, count):
    """A machine on which up to `limit` measurements do not slow each other down."""
    asked = []

    def turn(where):
        asked.append(where)
        return Turn((100,) * len(where), 10.0 * max(1.0, len(where) / limit))

    parts, why = split.halved(range(16), turn)
    assert len(parts) == count and len({core for part in parts for core in cores.cores_of(part)}) == (16 if count else 0)
    assert why.startswith(f"{', '.join(parts)} measure at once: 2 at once" if count else "one measurement at a time: 2 at once make 1.00")
    assert asked[:3] == [["cpu:0-15"], ["cpu:0-7"], ["cpu:0-7", "cpu:8-15"]], "they take turns"


def test_what_a_run_may_lose_does_not_grow_with_every_halving():
    """Each time 6 % of the steps that were left."""

    def turn(where):
        return Turn((round(1000 * 0.94 ** (16 // len(cores.cores_of(where[0]))).bit_length()),) * len(where), 10.0)

    assert len(split.halved(range(16), turn)[0]) == 2


@several
def test_a_number_is_measured_again_on_as_many_cores(tmp_path):
    root = target(tmp_path, [], COMMAND + f"devices: [cpu:{MINE[1]}]\n")
    autoresearch(root, "run")
    again = reproduce.section(history(root, 0), Settings.load(root, environ={}))
    assert f" taskset --cpu-list {MINE[1]} python score.py)" in again


def test_a_part_of_a_foreign_record_is_no_command():
    opened = Opened(0.0, "autoresearch/x", "base", "main", "m", "min", "5s", "c", "constants", machine={"part": "cpu:0; rm -rf ~"})
    found = History.fold([opened, Measurement(1.0, 0, "baseline", 0, "base", 1, "ok", "c", 1.0)])
    assert reproduce.pinned(found) == ""


@several
@pytest.mark.slow
def test_a_trial_is_made_once_for_the_same_files(tmp_path, monkeypatch):
    config = "name: demo\neditable: [train.py]\ncorpus: path:texts\nvocab_size: 512\nsequence_length: 32\neval_tokens: 2048\nbudget: 1s\n"
    root = make_repo(tmp_path / "repo", {"train.py": BIGRAM, "autoresearch.yml": config + "device: cpu\ndevices: auto\n", **texts()})
    settings, state = Settings.load(root, environ={}), tmp_path / "state"
    state.mkdir()

    def found(base: str = "HEAD", trial: bool = True) -> tuple[tuple[str, ...], str]:
        stream, repo = io.StringIO(), GitRepo(root)
        where = split.resolved(settings, repo, repo.resolve(base), state, PlainObserver(stream), Stop(), trial).devices
        return where, stream.getvalue()

    monkeypatch.setattr(split, "ROUNDS", 1)
    for limit in ("GAIN", "SHRINK"):  # what this machine makes of it is not the question
        monkeypatch.setattr(split, limit, 0.0)
    monkeypatch.setattr(split, "NEIGHBOUR", 99.0)
    monkeypatch.setattr(split, "MOST", 2)
    parts, said = found()
    assert len(parts) == 2 and "trying whether" in said and f"{parts[0]}, {parts[1]} measure at once: 2 at once make " in said
    assert sorted(os.sched_getaffinity(0)) == MINE and not list((state / "scratch").iterdir())
    again, said = found()
    assert again == parts and "trying" not in said and "measure at once" in said
    assert found(trial=False)[0] == parts
    (root / "train.py").write_text(BIGRAM.replace("session.report(", "raise ValueError('so slow')\n        session.report("))
    commit_all(root)
    assert found(trial=False) == ((), ""), "other files, and nobody asked for a trial"
    none, said = found()
    assert none == () and "one measurement at a time: a trial run ended as crash" in said
    assert "trying whether" in found()[1], "a failure may pass; it is not remembered"
    assert "trying" not in found("HEAD~1")[1], "what was found for other files is"


@several
@pytest.mark.slow
def test_two_parts_measure_at_once_each_on_its_own_cores(tmp_path):
    score = """import os, time
from params import X, Y
time.sleep(0.3)
print(f"METRIC cost={(X - 2.0) ** 2 + (Y - 3.0) ** 2 + float(os.environ['AUTORESEARCH_SEED']) % 7 * 1e-3}")
print(f"METRIC core={min(os.sched_getaffinity(0))}")
print(f"METRIC many={len(os.sched_getaffinity(0))}")
print(f"METRIC at={time.time()}")
"""
    first, second = f"cpu:{MINE[0]}", f"cpu:{MINE[1]}"
    root = target(tmp_path, [], COMMAND + f"devices: [{first}, {second}]\n", score)
    assert f"1 scout on {second}; this is the lead, on {first}" in autoresearch(root, "run")
    lead, scout = ([m for e in history(root, number).experiments.values() for m in e.measurements] for number in (0, 1))
    assert [m.metrics["core"] for m in lead] == [MINE[0]] * len(lead) and {m.metrics["many"] for m in lead + scout} == {1.0}
    assert scout and {m.metrics["core"] for m in scout} == {MINE[1]}
    last = max(m.metrics["at"] for m in lead)
    assert min(m.metrics["at"] for m in scout) < last, "and not after the other"
    assert lead[0].context == scout[0].context
