"""Progress lines are shown and decide nothing: what is not one is passed over."""

import os
from types import SimpleNamespace

import pytest

from bot.runner import Progress


@pytest.mark.parametrize("line", [b"not json", b"[1]", b"{}", b"3", b"\xff"])
def test_a_stray_line_on_the_referees_stdout_is_ignored(line):
    seen: list = []
    read_end, write_end = os.pipe()
    with open(read_end, "rb", buffering=0) as pipe, open(write_end, "wb", buffering=0) as out:
        show = Progress(SimpleNamespace(stdout=pipe), SimpleNamespace(progress=lambda *what: seen.append(what)))
        out.write(line + b"\n")
        show()
        out.write(b'{"phase": "train", "progress": 0.5, "loss": 2.0}\n')
        show()
    assert seen == [("train", 0.5, 2.0)]
