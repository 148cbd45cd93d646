"""Kept checkpoints: moved in whole, listed by commit and seed, gone when nobody needs them."""

import os

import pytest

from bot.checkpoints import Checkpoints

SHA, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "state/checkpoints")


def finished(folder, text="weights"):
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(text)
    return folder


def test_before_the_first_there_is_none(checkpoints):
    assert checkpoints.kept() == set()


def test_one_that_is_taken_is_listed_and_found(checkpoints, tmp_path):
    checkpoints.take(finished(tmp_path / "scratch"), SHA, 17)
    assert checkpoints.kept() == {(SHA, 17)} and (checkpoints.path(SHA, 17) / "model.safetensors").read_text() == "weights"
    assert not (tmp_path / "scratch").exists()


def test_the_same_run_again_replaces_all_of_it(checkpoints, tmp_path):
    first = finished(tmp_path / "one")
    (first / "leftover").write_text("")
    checkpoints.take(first, SHA, 17)
    checkpoints.take(finished(tmp_path / "two", "newer"), SHA, 17)
    assert [path.name for path in checkpoints.path(SHA, 17).iterdir()] == ["model.safetensors"]
    assert (checkpoints.path(SHA, 17) / "model.safetensors").read_text() == "newer"


def test_it_moves_in_one_step_and_is_never_copied(checkpoints, tmp_path):
    folder = finished(tmp_path / "scratch")
    before = os.stat(folder).st_ino, os.stat(folder / "model.safetensors").st_ino
    checkpoints.take(folder, SHA, 17)
    kept = checkpoints.path(SHA, 17)
    assert (os.stat(kept).st_ino, os.stat(kept / "model.safetensors").st_ino) == before


def test_one_that_is_dropped_is_gone_and_may_be_gone_already(checkpoints, tmp_path):
    checkpoints.take(finished(tmp_path / "one"), SHA, 1)
    checkpoints.take(finished(tmp_path / "two"), SHA, 2)
    checkpoints.drop(SHA, 1)
    checkpoints.drop(SHA, 1)
    assert checkpoints.kept() == {(SHA, 2)}


def test_those_that_nobody_wants_are_deleted(checkpoints, tmp_path):
    for i, sha in enumerate((SHA, SHA, OTHER)):
        checkpoints.take(finished(tmp_path / str(i)), sha, i)
    checkpoints.keep_only({(SHA, 0), (OTHER, 1)})
    assert checkpoints.kept() == {(SHA, 0)} and not checkpoints.path(OTHER, 2).exists()


@pytest.mark.parametrize("name", ["my-copy", f"{SHA}-", f".{SHA}-1", "notes", f"{SHA}-1.5", f"{SHA}-1-old", f"{SHA}-²"])
def test_what_somebody_else_put_there_is_none_of_ours(checkpoints, tmp_path, name):
    checkpoints.take(finished(tmp_path / "one"), SHA, 1)
    finished(checkpoints.folder / name)
    assert checkpoints.kept() == {(SHA, 1)}
    checkpoints.keep_only(set())
    assert (checkpoints.folder / name).exists() and checkpoints.kept() == set()
