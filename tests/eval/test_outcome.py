"""From exit status and log to an outcome and a sentence."""

import errno
import os
from pathlib import Path

import pytest

from eval import outcome
from eval.outcome import disk_full, feedback, last_exception, of_exit, presentable, shortened

TRACE = ["Traceback (most recent call last):", '  File "train.py", line 3, in <module>', "    f()"]


@pytest.mark.parametrize(
    "code, log, outcome",
    [
        (1, [*TRACE, "ValueError: bad shape"], "crash"),
        (1, [*TRACE, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"], "oom"),
        (1, [*TRACE, "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"], "oom"),
        (1, [*TRACE, "MemoryError"], "oom"),
        (1, [*TRACE, "OSError: [Errno 28] No space left on device"], "crash"),  # so it says
        (-11, ["Segmentation fault"], "crash"),
        (-9, ["fine so far"], "invalid"),
        (-15, ["fine so far"], "invalid"),
        (3, [], "crash"),
    ],
)
def test_outcome(code, log, outcome):
    assert of_exit(code, log, oom_before=10**9, where="training").outcome == outcome


FULL = [*TRACE, "OSError: [Errno 28] No space left on device"]


def test_a_full_disk_is_invalid(monkeypatch, tmp_path):
    monkeypatch.setattr(outcome, "NEARLY_FULL", 1 << 60)  # no disk has that much room
    assert of_exit(1, FULL, 0, "training", scratch=tmp_path).outcome == "invalid"


def test_a_candidate_cannot_print_itself_into_invalid(tmp_path):
    assert of_exit(1, FULL, 0, "training", scratch=tmp_path).outcome == "crash"


def test_a_full_disk_excuses_only_what_complains_of_it(monkeypatch, tmp_path):
    monkeypatch.setattr(outcome, "NEARLY_FULL", 1 << 60)
    assert of_exit(1, [*TRACE, "ValueError: bad shape"], 0, "training", scratch=tmp_path).outcome == "crash"


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)])
def test_a_quota_shows_when_room_is_asked_for(monkeypatch, tmp_path, number, full):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    assert disk_full(tmp_path) is full


def test_asking_for_room_leaves_nothing_behind(tmp_path):
    assert not disk_full(tmp_path) and not list(tmp_path.iterdir())


def test_a_folder_that_is_gone_is_not_full(tmp_path):
    assert not disk_full(tmp_path / "gone")


def test_who_saw_text_cannot_tell_it_to_the_next_proposal():
    known, own = (of_exit(1, [*TRACE, line], 0, "scoring", saw_text=True) for line in ("ValueError: secret words", "my.SecretError: x"))
    assert known.reason == "ValueError" and own.reason == "exit code 1 while scoring, without a word"


def test_who_saw_text_and_raised_nothing_is_described_by_its_exit():
    assert of_exit(3, ["the next words are secret"], 0, "computing logits", saw_text=True).reason.startswith("exit code 3")


def test_a_reason_is_no_workflow_command():
    assert presentable("::error::x ##[error]y\n") == ": :error::x ## [error]y?"


# ---- what the next proposal sees

LOG = "Traceback (most recent call last):\n  File \"/home/me too/s/0003-screen-0/candidate/train/train.py\", line 3, in f\nValueError: bad"


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ({"outcome": "ok", "reason": ""}, ""),
        ({"outcome": "invalid", "reason": "a foreign process on the GPU", "log_tail": LOG}, ""),
        ({"outcome": "timeout", "reason": "no complete checkpoint within 1 s", "log_tail": LOG}, "no complete checkpoint within 1 s"),
        ({"outcome": "oom", "reason": "out of memory", "peak_memory": 3 << 29}, "out of memory\nIts peak was 1.50 GiB."),
        ({"outcome": "oom", "reason": "out of memory"}, "out of memory"),
        ({"outcome": "violation", "reason": "it looks ahead", "explanation": "Mask the future."}, "it looks ahead\nMask the future."),
        ({"outcome": "violation", "reason": "it looks ahead", "reproduction": {"text": [1, 2]}, "log_tail": LOG}, "it looks ahead"),
        ({"outcome": "crash", "reason": "ValueError: bad"}, "ValueError: bad"),
    ],
)
def test_feedback(result, shown):
    assert feedback(result) == shown


def test_feedback_on_a_crash_ends_with_the_log():
    shown = feedback({"outcome": "crash", "reason": "ValueError: bad", "log_tail": LOG})
    assert shown.endswith('\n  File "train/train.py", line 3, in f\nValueError: bad')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('File "/x/run-ab12_x/referee/0123456789abcdef/eval/session.py", line 3', 'File "eval/session.py", line 3'),
        ("open /tmp/s/run-abc/trainer/work/x.bin failed", "open trainer/work/x.bin failed"),
        ('File "/opt/v/lib/python3.11/site-packages/torch/nn.py"', 'File "site-packages/torch/nn.py"'),
        ("/usr/lib/x.so: no; /a/candidate/train/b.py:3: x", "/usr/lib/x.so: no; train/b.py:3: x"),
        ("http://host/candidate/x and a/candidate/b", "http://host/candidate/x and a/candidate/b"),
        (str(Path("/etc/hosts")), "/etc/hosts"),
    ],
)
def test_private_paths_are_shortened(text, shown):
    assert shortened(text) == shown


def test_sigkill_with_the_oom_killer_active_is_oom():
    assert of_exit(-9, [], oom_before=-1, where="training").outcome == "oom"


def test_reason_is_the_last_exception():
    log = [*TRACE, "ValueError: first", "", *TRACE, "my.module.Special: the cause", "  a note below it"]
    assert last_exception(log) == "my.module.Special: the cause"


def test_reason_is_never_empty():
    assert of_exit(3, [], 0, "training").reason == "exit code 3 while training, without a word"
