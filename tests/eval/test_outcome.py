"""From exit status and log to an outcome and a sentence."""

import pytest

from eval.outcome import last_exception, of_exit

TRACE = ["Traceback (most recent call last):", '  File "train.py", line 3, in <module>', "    f()"]


@pytest.mark.parametrize(
    "code, log, outcome",
    [
        (1, [*TRACE, "ValueError: bad shape"], "crash"),
        (1, [*TRACE, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"], "oom"),
        (1, [*TRACE, "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"], "oom"),
        (1, [*TRACE, "MemoryError"], "oom"),
        (1, [*TRACE, "OSError: [Errno 28] No space left on device"], "invalid"),
        (-11, ["Segmentation fault"], "crash"),
        (-9, ["fine so far"], "invalid"),
        (-15, ["fine so far"], "invalid"),
        (3, [], "crash"),
    ],
)
def test_outcome(code, log, outcome):
    assert of_exit(code, log, oom_before=10**9, where="training").outcome == outcome


def test_sigkill_with_the_oom_killer_active_is_oom():
    assert of_exit(-9, [], oom_before=-1, where="training").outcome == "oom"


def test_reason_is_the_last_exception():
    log = [*TRACE, "ValueError: first", "", *TRACE, "my.module.Special: the cause", "  a note below it"]
    assert last_exception(log) == "my.module.Special: the cause"


def test_reason_is_never_empty():
    assert of_exit(3, [], 0, "training").reason == "exit code 3 while training, without a word"
