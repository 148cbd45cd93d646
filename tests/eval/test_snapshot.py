"""What is taken of a folder that a candidate may have done anything to, and when."""

import os
import socket
from pathlib import Path

import pytest

from eval import snapshot
from tests.eval.rig import MODEL, TRAIN, Measured, make_corpus


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def compiled(tmp_path):
    folder = tmp_path / "compiled"
    (folder / "inductor/ab").mkdir(parents=True)
    (folder / "inductor/ab/graph").write_bytes(b"\0code" * 1000)
    (folder / "rows.json").write_text("{}")
    return folder


def test_plain_files_are_copied_and_nothing_else_is_followed_or_waited_for(compiled, tmp_path, monkeypatch):
    secret, to = tmp_path / "secret", tmp_path / "to"
    secret.mkdir()
    (secret / "val.bin").write_text("text")
    whole = tree(compiled)
    (compiled / "link").symlink_to(secret / "val.bin")
    (compiled / "inductor/folder").symlink_to(secret)
    os.mkfifo(compiled / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        monkeypatch.chdir(compiled)  # an address has at most 107 bytes
        sock.bind("socket")
        assert snapshot.copy(compiled, to) == 5002
    assert tree(to) == whole and not list(to.rglob("link"))
    assert (to / "rows.json").stat().st_ino != (compiled / "rows.json").stat().st_ino  # no name for the same file


def deep(folder: Path) -> None:
    (folder / "/".join("d" * 20)).mkdir(parents=True)
    (folder / "/".join("d" * 20) / "file").touch()


def many(folder: Path) -> None:
    for number in range(30):
        (folder / str(number)).touch()


def sparse(folder: Path) -> None:
    with open(folder / "sparse", "wb") as file:
        file.truncate(3 << 20)


@pytest.mark.parametrize("fill", [deep, many, sparse])
def test_too_much_of_anything_is_nothing(fill, compiled, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "FILES", 20)
    monkeypatch.setattr(snapshot, "BYTES", 1 << 20)
    assert snapshot.copy(compiled, tmp_path / "before") == 5002
    fill(compiled)
    assert snapshot.copy(compiled, tmp_path / "to") == 0 and not (tmp_path / "to").exists()


@pytest.mark.parametrize("what", ["nothing", "link", "file"])
def test_a_folder_that_is_none_is_nothing(what, compiled, tmp_path):
    source = tmp_path / "source"
    if what == "link":
        source.symlink_to(compiled)
    elif what == "file":
        source.touch()
    assert snapshot.copy(source, tmp_path / "to") == 0 and not (tmp_path / "to").exists()


# In the worker: fails if it finds the trainer's. In the trainer: one file at each time that matters.
HELPERS = """
def compiled():
    return Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent
def leave(name):
    compiled().mkdir(exist_ok=True)
    (compiled() / name).write_text(name)
def load_model"""
WARM = """
    print("GIVEN:" + (compiled() / "given").read_text())
    leave("warm")
    counts ="""
ALONE = "return self.table[inputs] if not compiled().exists() else 1 / 0"
LEARNED = "step += 1; leave('learned'); session.flops(1000)"
TIMES = MODEL.replace("\ndef load_model", HELPERS).replace("return self.table[inputs]", ALONE)
TIMES += TRAIN.replace("\n    counts =", WARM).replace("step += 1", LEARNED)


def test_a_run_gets_a_private_copy_and_leaves_what_it_made_before_its_first_batch(tmp_path):
    given, kept = tmp_path / "given", tmp_path / "kept"
    given.mkdir()
    (given / "given").write_text("from before")
    run = Measured(tmp_path / "run", TIMES, make_corpus(tmp_path / "corpus"), cache=given, keep_cache=kept)
    assert run["outcome"] == "ok", (run["reason"], run.log)
    assert run.said("GIVEN") == "from before" and run["cache_bytes"] == len("from before")
    assert tree(kept) == {"given": b"from before", "warm": b"warm"} and tree(given) == {"given": b"from before"}
    assert run["flops_per_token"] == 1000 and run["mfu"] is None  # nobody knows a CPU's peak
    assert run["tokens_per_second"] == pytest.approx(run["tokens"] / run["train_seconds"])
