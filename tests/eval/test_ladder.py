"""How many rows fit: on a device that torch does not have here, whose memory is a number."""

import json

import pytest
import torch

from eval import ladder, session

SHAPE = {"files": "a", "length": 256, "vocab": 2048}


class Device:
    """`step` runs out of memory above `room` rows, in the way that `error` makes."""

    def __init__(self, room: int, error=lambda: torch.OutOfMemoryError("CUDA out of memory")):
        self.room, self.error, self.tried = room, error, []

    def step(self, rows: int) -> None:
        self.tried.append(rows)
        if rows > self.room:
            raise self.error()


def wrapped() -> Exception:
    error = RuntimeError("backend 'inductor' raised")
    error.__cause__ = torch.OutOfMemoryError("CUDA out of memory")
    return error


@pytest.mark.parametrize(
    ("largest", "room", "tried"),
    [(128, 999, [128]), (128, 40, [128, 64, 32]), (100, 12, [100, 50, 25, 12]), (4, 1, [4, 2, 1]), (1, 1, [1])],
)
def test_halves_until_it_fits(largest, room, tried):
    device = Device(room)
    assert ladder.fit(largest, device.step, "xpu", None, SHAPE) == tried[-1] and device.tried == tried


@pytest.mark.parametrize("error", [
    lambda: torch.OutOfMemoryError("Tried to allocate 2 GiB"), lambda: RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), wrapped,
])  # fmt: skip
def test_every_way_to_say_it(error):
    assert ladder.fit(8, Device(2, error).step, "xpu", None, SHAPE) == 2


@pytest.mark.parametrize("error", [ValueError("out of memory"), RuntimeError("shapes do not fit"), KeyboardInterrupt()])
def test_what_is_no_lack_of_memory_is_raised_at_once(error):
    device = Device(0, lambda: error)
    with pytest.raises(type(error)):
        ladder.fit(8, device.step, "xpu", None, SHAPE)
    assert device.tried == [8]


def test_one_row_that_does_not_fit_is_out_of_memory():
    with pytest.raises(torch.OutOfMemoryError):
        ladder.fit(4, Device(0).step, "xpu", None, SHAPE)


def test_tensors_of_a_try_are_gone_before_the_next():
    class Tensor:
        alive = 0

        def __init__(self):
            Tensor.alive += 1

        def __del__(self):
            Tensor.alive -= 1

    def step(rows):
        assert Tensor.alive == 0
        held = Tensor()
        if rows > 2:
            raise torch.OutOfMemoryError(f"{held}")

    assert ladder.fit(8, step, "xpu", None, SHAPE) == 2


@pytest.mark.parametrize(
    ("files", "length", "room", "tried"),
    [
        ("a", 256, 40, [32]),  # the same: known
        ("a", 256, 20, [32, 16]),  # and wrong, perhaps beside somebody
        ("b", 256, 40, [64, 32]),  # others: one above is tried, so that a change that saves memory gets it
        ("b", 256, 20, [64, 32, 16]),
        ("b", 256, 70, [64, 128, 64]),
        ("b", 256, 999, [64, 128]),
        ("a", 512, 40, [128, 64, 32]),  # another shape says nothing
    ],
)
def test_what_was_found_before_saves_the_climb_and_never_changes_the_answer(files, length, room, tried, tmp_path):
    ladder.fit(128, Device(40).step, "xpu", tmp_path / "cache", SHAPE)
    device = Device(room)
    found = ladder.fit(128, device.step, "xpu", tmp_path / "cache", SHAPE | {"files": files, "length": length})
    assert (found, device.tried) == (tried[-1], tried)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"rows": "32"}', '{"rows": true}', '{"rows": 33}', '{"rows": 1e999}', "[" * 4000])
def test_nonsense_is_no_memory(text, tmp_path):
    (tmp_path / ladder.REMEMBERED).write_text(text)
    device = Device(40)
    assert ladder.fit(128, device.step, "xpu", tmp_path, SHAPE) == 32 and device.tried[0] == 128
    assert json.loads((tmp_path / ladder.REMEMBERED).read_text())["rows"] == 32


def test_on_a_cpu_it_is_one_step_and_works_without_a_referee(monkeypatch):
    monkeypatch.setattr(session, "device", "cpu")
    device = Device(999)
    assert session.micro_batch(96, device.step) == 96 and device.tried == [96]


@pytest.mark.parametrize("largest", [0, -1, 2.0, "8", True])
def test_nonsense_is_refused(largest):
    with pytest.raises(ValueError, match="whole number"):
        session.micro_batch(largest, lambda rows: None)
