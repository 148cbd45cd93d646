"""What a candidate sees of `eval.session` without a referee. With one: test_training.py."""

import os
import subprocess
import sys

import pytest
import torch

from eval import session
from tests.eval.rig import ROOT


def test_device_comes_from_the_environment():
    code = "from eval import session; print(session.device)"
    env = os.environ | {"PYTHONPATH": str(ROOT), "AUTORESEARCH_DEVICE": "mps"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "mps"


def test_warmup_works_and_gives_shifted_random_tokens():
    (inputs, targets), _ = session.warmup(3)
    assert inputs.shape == targets.shape == (3, session.sequence_length) and inputs.dtype == torch.int64
    assert torch.equal(inputs[:, 1:], targets[:, :-1]) and int(targets.max()) < session.vocab_size


def test_batches_say_what_is_missing():
    with pytest.raises(RuntimeError, match="needs a referee"):
        next(session.batches(4))


def test_report_is_harmless():
    session.report(loss=torch.tensor(1.0))


def test_warmup_steps_do_not_change_the_seed_of_what_follows():
    drawn = []
    for steps in (1, 5):
        session.reseed()
        list(session.warmup(2, steps))
        drawn.append(torch.rand(1).item())
    assert drawn[0] == drawn[1]
