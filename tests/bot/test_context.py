"""What may be compared: every part of the context counts."""

from pathlib import Path

import pytest

from bot.context import Context, digest

PARTS = {"metric_version": "v", "corpus": "c", "budget": "5s cpu", "machine": {"fingerprint": "m"}}


def recorded(**changed) -> dict:
    key = digest("v", "c", "5s cpu", "m", "train.py")
    context = Context(key, "", "", Path(), "m", files=changed.pop("files", "train.py"))
    return context.record({"outcome": "ok", "val_bpb": 1.5, **PARTS, **changed})


def test_a_result_of_this_context_is_taken():
    assert recorded()["value"] == 1.5


OTHERS = [{"metric_version": "w"}, {"corpus": "d"}, {"budget": "6s cpu"}, {"machine": {}}, {"files": "b.py"}]


@pytest.mark.parametrize("changed", OTHERS, ids=str)
def test_a_result_of_another_context_is_invalid_and_has_no_value(changed):
    found = recorded(**changed)
    assert (found["outcome"], found["value"]) == ("invalid", None)
