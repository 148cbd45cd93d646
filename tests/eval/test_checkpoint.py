"""What counts as a checkpoint: plain files, a size limit, an intact header."""

import json
import os
import struct
from pathlib import Path

import pytest

from eval.checkpoint import SIZE_LIMIT, allocated, clear, inspect
from eval.errors import Failed


def write(folder: Path, header: dict | bytes, data: bytes) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    (folder / "config.json").write_text("{}")
    return folder


def tensor(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def failure(folder: Path) -> Failed:
    with pytest.raises(Failed) as caught:
        inspect(folder)
    return caught.value


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path, {"a": tensor([2, 3], 0, 24), "b": tensor([], 24, 28), "__metadata__": {"x": "y"}}, bytes(28))


def test_parameters_are_counted_from_the_header(good):
    assert inspect(good)[2] == 7


def test_agrees_with_the_library(tmp_path):
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    safetensors.save_file({"w": torch.zeros(5, 7, dtype=torch.bfloat16), "e": torch.zeros(0)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    assert inspect(tmp_path)[2] == 35


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_missing_file_is_a_crash_that_names_it(good, name):
    (good / name).unlink()
    failed = failure(good)
    assert failed.outcome == "crash" and name in failed.reason


def test_sparse_giant_is_a_violation(good):
    with open(good / "model.safetensors", "r+b") as file:
        file.truncate(SIZE_LIMIT + 1)
    failed = failure(good)
    assert failed.outcome == "violation" and "over the limit" in failed.reason


def test_symbolic_link_is_a_violation(good):
    os.rename(good / "config.json", good / "elsewhere")
    os.symlink(good / "elsewhere", good / "config.json")
    failed = failure(good)
    assert failed.outcome == "violation" and "symbolic link" in failed.reason


def test_hard_link_is_a_violation(good):
    os.link(good / "config.json", good / "copy.json")
    assert failure(good).outcome == "violation"


def test_fifo_is_a_violation(good):
    os.mkfifo(good / "pipe.json")
    assert failure(good).outcome == "violation"


def test_pickle_is_left_behind(good):
    (good / "state.pt").write_bytes(b"payload")
    assert [path.name for path in inspect(good)[0]] == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    "header, data",
    [
        (b"", b""),
        (b"not json", b""),
        (b"[1]", b""),
        ({"a": tensor([2], 0, 8)}, bytes(4)),  # cut off
        ({"a": tensor([1 << 40], 0, 4)}, bytes(4)),  # more elements than bytes
        ({"a": tensor([1], 8, 4)}, bytes(8)),
        ({"a": {"shape": [1]}}, bytes(4)),
        ({"a": tensor([float("nan")], 0, 4)}, bytes(4)),
        ({"a": tensor([-1], 0, 4)}, bytes(4)),
        (b'{"a": ' + b"[" * 50_000, b""),
    ],
)
def test_damaged_header_is_a_crash(tmp_path, header, data):
    failed = failure(write(tmp_path, header, data))
    assert failed.outcome == "crash" and "damaged" in failed.reason


def test_absurd_header_length_is_a_crash(tmp_path):
    write(tmp_path, b"{}", b"")
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    assert failure(tmp_path).outcome == "crash"


def test_clear_removes_what_warm_up_saved(good):
    clear(good)
    assert list(good.iterdir()) == []


@pytest.mark.parametrize("use", [clear, inspect])
def test_a_link_in_place_of_the_folder_is_not_followed(good, tmp_path_factory, use):
    link = tmp_path_factory.mktemp("run") / "output"
    link.symlink_to(good)
    with pytest.raises(Failed) as caught:
        use(link)
    assert caught.value.outcome == "violation" and len(list(good.iterdir())) == 2


@pytest.mark.parametrize("use", [clear, inspect])
def test_a_removed_folder_is_a_crash(tmp_path, use):
    with pytest.raises(Failed) as caught:
        use(tmp_path / "gone")
    assert caught.value.outcome == "crash"


def test_only_what_is_handed_on_counts_as_saved(good):
    before = allocated(good)
    (good / "ballast").write_bytes(bytes(1 << 20))
    assert 0 < allocated(good) == before
