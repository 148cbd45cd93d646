"""Honest models, however odd, pass the referee and are measured right. By default a handful; with -m slow the whole zoo.

    python -m pytest tests/zoo -m slow
"""

import ast

import pytest

from tests.eval import rig
from tests.zoo import COMPILES, MODELS, source
from tests.zoo.runs import EVAL_TOKENS, ask, train

FEW = ["fft_convolution", "bfloat16", "plain_function"]  # rounding, dtype, no module: each the only one of its kind
PRECISION = 1e-4  # bits per byte
REPEATS, SCORINGS = 10, 200


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return rig.make_corpus(tmp_path_factory.mktemp("corpus") / "tiny")


@pytest.fixture(scope="module")
def few(tmp_path_factory, corpus):
    return list(train(FEW, tmp_path_factory.mktemp("few"), corpus))


@pytest.fixture(scope="module")
def everyone(tmp_path_factory, corpus):
    return list(train(MODELS, tmp_path_factory.mktemp("zoo"), corpus))


def agrees_with_reference(runs, corpus):
    reference = ask("reference", corpus, str(EVAL_TOKENS), *(run.folder for run in runs))
    return {run.name: (run.result["val_bpb"], reference[run.name]) for run in runs}


def refused(runs):
    return {run.name: (run.result["outcome"], run.result["reason"]) for run in runs if run.result["outcome"] != "ok"}


def wrong(pairs):
    return {name: pair for name, pair in pairs.items() if abs(pair[0] - pair[1]) > PRECISION}


def test_the_zoo_is_large_enough():
    assert len(MODELS) >= 20


@pytest.mark.parametrize("name", MODELS)
def test_a_source_is_one_complete_file(name):
    tree = ast.parse(source(name))
    imported = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "tests" not in imported
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)].count("load_model") == 1


def test_a_handful_passes(few):
    assert not refused(few)


def test_a_handful_is_measured_right(few, corpus):
    assert not wrong(agrees_with_reference(few, corpus))


def test_a_heavy_dose_does_not_refuse_rounding(few, corpus):
    """Of these, fft_convolution answers a probe with other last bits than the row itself."""
    found = ask("alarms", corpus, "2", *(run.folder for run in few))
    assert not {name: one["alarms"] for name, one in found.items() if one["alarms"]}
    assert not found["fft_convolution"]["exact"]  # else the test shows nothing


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_model_passes(everyone):
    assert not refused(everyone)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_model_is_measured_right(everyone, corpus):
    assert not wrong(agrees_with_reference(everyone, corpus))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_false_alarm_in_200_scorings(everyone, corpus):
    runs = [run for run in everyone if run.name != COMPILES]
    found = ask("alarms", corpus, str(REPEATS), *(run.folder for run in runs))
    assert sum(one["scorings"] for one in found.values()) >= SCORINGS
    assert not {name: one["alarms"] for name, one in found.items() if one["alarms"]}
