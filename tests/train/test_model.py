"""Properties of the model that a wrong line would break silently: it would still train, only worse or dishonestly."""

import pytest
import torch
import torch.nn.functional as F

from tests.train import candidate
from tests.train.candidate import CONTEXT, VOCAB, random_model, tokens


def test_logits_have_one_row_per_token(train):
    assert random_model(train)(tokens(3)).shape == (3, CONTEXT, VOCAB)


@pytest.mark.parametrize("position", [1, CONTEXT // 2, CONTEXT - 1])
def test_a_changed_token_leaves_earlier_logits_exactly_as_they_were(train, position):
    model, ids = random_model(train), tokens()
    other = ids.clone()
    other[:, position] = (other[:, position] + 1) % VOCAB
    before, after = model(ids), model(other)
    assert torch.equal(before[:, :position], after[:, :position])
    assert not torch.equal(before[:, position], after[:, position])


def test_a_sequence_does_not_depend_on_its_company(train):
    model, ids = random_model(train), tokens()
    other = ids.clone()
    other[1:] = tokens(3, seed=1)
    assert torch.equal(model(ids)[0], model(other)[0])


def test_a_longer_context_takes_the_fused_kernel_and_stays_causal(monkeypatch):
    train = candidate.small(monkeypatch, PLAIN_ATTENTION=8)
    model, ids = random_model(train), tokens()
    other = ids.clone()
    other[:, 20] = (other[:, 20] + 1) % VOCAB
    assert torch.equal(model(ids)[:, :20], model(other)[:, :20])


@pytest.mark.parametrize("window", [1, 5, CONTEXT])
def test_plain_attention_equals_the_fused_kernel(train, monkeypatch, window):
    q, k, v = torch.randn(3, 2, 4, CONTEXT, 16)
    plain = train.attend(q, k, v, train.attention_mask(CONTEXT, window, q.dtype, q.device))
    monkeypatch.setattr(train, "PLAIN_ATTENTION", 0)
    fused = train.attend(q, k, v, train.attention_mask(CONTEXT, window, q.dtype, q.device))
    torch.testing.assert_close(plain, fused)


@pytest.mark.parametrize("window", [1, 5])
def test_a_window_limits_how_far_back_a_layer_sees(train, window):
    q, k, v = torch.randn(3, 1, 1, CONTEXT, 16)
    mask = train.attention_mask(CONTEXT, window, q.dtype, q.device)
    other = v.clone()
    other[:, :, 10] += 1
    changed = (train.attend(q, k, v, mask) != train.attend(q, k, other, mask)).any(dim=-1).flatten()
    assert changed.nonzero().flatten().tolist() == list(range(10, 10 + window))


def test_the_last_layer_always_sees_everything(monkeypatch):
    train = candidate.small(monkeypatch, WINDOW_PATTERN="S", SHORT_WINDOW=0.25)
    assert train.make_config().windows == [8, 8, CONTEXT]


def test_rotary_scores_depend_on_the_distance_alone(train):
    cos, sin = train.rotary_tables(CONTEXT, 16, 10_000.0)
    q, k = torch.randn(2, 1, 1, 1, 16).expand(2, 1, CONTEXT, 1, 16)
    scores = torch.einsum("bthd,bshd->ts", train.rotate(q, cos, sin), train.rotate(k, cos, sin))
    torch.testing.assert_close(scores[9, 4], scores[30, 25])
    assert abs(scores[9, 4] - scores[9, 5]) > 1e-3


def test_rotation_keeps_lengths(train):
    x = torch.randn(1, CONTEXT, 2, 16)
    torch.testing.assert_close(train.rotate(x, *train.rotary_tables(CONTEXT, 16, 10_000.0)).norm(dim=-1), x.norm(dim=-1))


def test_softcap_is_tanh_up_to_a_constant(train):
    logits = torch.linspace(-100, 100, 51)
    torch.testing.assert_close(train.softcap(logits, 15.0) - 15.0, 15.0 * torch.tanh(logits / 15.0), atol=1e-4, rtol=1e-4)


def test_the_chunked_loss_and_its_gradients_are_those_of_the_logits(train, monkeypatch):
    monkeypatch.setattr(train, "LOSS_ROWS", 5)  # the last chunk is a partial one
    hidden, head = torch.randn(32, 16).requires_grad_(), torch.randn(VOCAB, 16).requires_grad_()
    target = torch.randint(VOCAB, (32,))
    loss = train.ChunkedLoss.apply(hidden, head, target, 15.0)
    plain = F.cross_entropy(train.softcap(F.linear(hidden, head), 15.0), target)
    torch.testing.assert_close(loss, plain)
    for ours, theirs in zip(torch.autograd.grad(loss, (hidden, head)), torch.autograd.grad(plain, (hidden, head)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_training_loss_is_that_of_the_logits(train):
    model, ids, targets = random_model(train), tokens(), tokens(seed=1)
    expected = F.cross_entropy(model(ids).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(model(ids, targets), expected, atol=0.02, rtol=0)  # bfloat16 on some machines


def test_the_first_predictions_are_uniform(train):
    model = train.GPT(train.make_config(), train.compute_dtype("cpu"))
    model.init_weights()
    assert abs(model(tokens(), tokens(seed=1)).item() - torch.tensor(float(VOCAB)).log().item()) < 0.01


def test_every_parameter_gets_a_gradient(train):
    model = random_model(train)
    model(tokens(), tokens(seed=1)).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("change", [("VALUE_EMBED_EVERY", 0), ("DEPTH", 1), ("WIDTH", 50), ("WINDOW_PATTERN", "SL"), ("MLP_RATIO", 1)])
def test_other_shapes_train_too(monkeypatch, change):
    train = candidate.small(monkeypatch, **dict([change]))
    model = random_model(train)
    model(tokens(), tokens(seed=1)).backward()
    train.optimizer_step(train.make_optimizers(model), progress=0.5)
    assert torch.isfinite(model(tokens())).all()


@pytest.mark.parametrize("name", ["DEPTH", "WIDTH", "HEAD_DIM", "MLP_RATIO", "SOFTCAP", "LOSS_ROWS"])
def test_a_constant_that_makes_no_model_is_named(monkeypatch, name):
    with pytest.raises(AssertionError, match=name):
        candidate.small(monkeypatch, **{name: -1}).make_config()
