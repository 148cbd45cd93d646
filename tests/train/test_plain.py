"""The yardstick of the benchmarks is the model of train.py, same loss, same steps: to be faster than another model would prove nothing."""

import pytest
import torch

from benchmarks import train_plain
from tests.train import candidate
from tests.train.candidate import random_model, tokens


@pytest.fixture
def pair(monkeypatch):
    """(train.py, its model, the plain one) in float32, with windows."""
    train = candidate.small(monkeypatch, WINDOW_PATTERN="SL")
    model = random_model(train)
    model.dtype = torch.float32
    return train, model, train_plain.PlainGPT(model)


def test_the_plain_model_is_the_same_function(pair):
    _, model, plain = pair
    ours, theirs = model(tokens()).log_softmax(-1), plain(tokens()).log_softmax(-1)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stacked", [False, True])
def test_both_take_the_same_steps(pair, monkeypatch, stacked):
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    train, model, plain = pair
    optimizers, others = train.make_optimizers(model), train_plain.make_optimizers(train, plain, stacked)
    for step in range(3):
        losses = [m(tokens(seed=step), tokens(seed=step + 1)) for m in (model, plain)]
        torch.testing.assert_close(*losses, atol=2e-3, rtol=0)
        for loss in losses:
            loss.backward()
        train.optimizer_step(optimizers, 0.5)
        train_plain.optimizer_step(train, others, 0.5)
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in model.parameters())
