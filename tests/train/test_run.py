"""The run around the model: rehearsal, checkpoint, reproducibility, divergence, and a real second of training."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from eval import session
from tests.eval import rig
from tests.train import candidate
from tests.train.candidate import random_model, tokens


def test_a_checkpoint_gives_the_same_logits_bit_for_bit(train, tmp_path):
    model = random_model(train)
    train.save(model, tmp_path)
    assert torch.equal(train.load_model(tmp_path, "cpu")(tokens()), model(tokens()))


def test_load_model_ignores_the_constants_of_the_day(train, tmp_path, monkeypatch):
    model = random_model(train)
    train.save(model, tmp_path)
    other = candidate.small(monkeypatch, DEPTH=5, WIDTH=128, SOFTCAP=3.0)
    assert torch.equal(other.load_model(tmp_path, "cpu")(tokens()), model(tokens()))


def test_a_checkpoint_with_a_missing_part_is_refused(train, tmp_path):
    train.save(random_model(train), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"depth": config["depth"] + 1}))
    with pytest.raises(RuntimeError, match="size mismatch"):
        train.load_model(tmp_path, "cpu")


def test_the_rehearsal_leaves_the_model_as_it_was(train, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "output", tmp_path)
    model = random_model(train)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert train.rehearse(model, model, largest=2) == 2
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def losses(train, seed):
    """Ten steps with the schedule at fixed points: what the clock would move stands still."""
    torch.manual_seed(seed)
    model = train.GPT(train.make_config(), train.compute_dtype("cpu"))
    model.init_weights()
    optimizers, found = train.make_optimizers(model), []
    for step in range(10):
        loss = model(tokens(seed=step), tokens(seed=step + 1))
        loss.backward()
        train.optimizer_step(optimizers, progress=step / 10)
        found.append(loss.item())
    return found


def test_the_same_seed_gives_the_same_losses(train):
    assert losses(train, 1) == losses(train, 1) != losses(train, 2)


def test_a_loss_that_is_not_a_number_ends_the_run_with_a_sentence(train):
    with pytest.raises(SystemExit, match="training diverged: the loss is nan"):
        train.LossReader(1, late=0).push(torch.tensor(float("nan")))


def test_a_step_reports_the_mean_of_its_accumulated_losses(train, monkeypatch):
    reported = []
    monkeypatch.setattr(session, "report", lambda loss: reported.append(loss))
    reader = train.LossReader(2, late=1)
    for value in (1.0, 3.0, 5.0, 7.0, 9.0):
        reader.push(torch.tensor(value))
    reader.drain()
    assert reported == [2.0, 6.0]  # the fifth belongs to a step that never ended


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return rig.make_corpus(tmp_path_factory.mktemp("train") / "corpus")


def unigram_bound(corpus):
    """The lowest loss, nats, of any model that ignores the context, on the training split."""
    counts = np.bincount(rig.read_tokens(corpus, "train"), minlength=rig.VOCAB)
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())


def test_a_second_of_training_beats_every_model_without_context(corpus, tmp_path):
    run = rig.Measured(tmp_path, candidate.PATH.read_text(), corpus, budget="1s cpu")
    assert run["outcome"] == "ok", run["reason"] + run.log
    assert run["curve"][-1][1] < unigram_bound(corpus) - 0.3


def test_divergence_is_a_crash_with_its_reason_in_the_log(corpus, tmp_path):
    source = candidate.PATH.read_text().replace("loss = train_step(inputs, targets)", "loss = train_step(inputs, targets) * float('nan')")
    run = rig.Measured(tmp_path, source, corpus, budget="1s cpu")
    assert run["outcome"] == "crash" and "training diverged" in run.log


def test_the_file_imports_without_a_referee_and_says_what_is_missing(tmp_path):
    done = subprocess.run(
        [sys.executable, str(candidate.PATH)], cwd=tmp_path, env=rig.environment(AUTORESEARCH_DEVICE="cpu"), capture_output=True, text=True
    )
    assert done.returncode == 1 and "needs a referee" in done.stderr
