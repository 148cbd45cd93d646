"""Muon's parts against what they claim to compute, and the schedules."""

import pytest
import torch

from tests.train.candidate import random_model, tokens


@pytest.mark.parametrize("shape", [(48, 48), (96, 32), (32, 96)])
def test_orthogonalize_brings_singular_values_near_one(train, shape):
    g = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(train.orthogonalize(g, 5, torch.float32))
    assert values.min() > 0.8 and values.max() < 1.2


def test_orthogonalize_keeps_the_singular_vectors(train):
    g = torch.randn(1, 24, 40, generator=torch.Generator().manual_seed(0))
    u, _, vt = torch.linalg.svd(g, full_matrices=False)
    inner = u.mT @ train.orthogonalize(g, 5, torch.float32) @ vt.mT  # diagonal, near one
    assert (inner - torch.eye(24)).abs().max() < 0.2


def test_a_stack_is_orthogonalized_matrix_by_matrix(train):
    g = torch.randn(3, 4, 16, 24)
    alone = torch.stack([train.orthogonalize(m[None], 5, torch.float32)[0] for m in g.flatten(0, 1)]).view_as(g)
    torch.testing.assert_close(train.orthogonalize(g, 5, torch.float32), alone)


def muon(train, parameters):
    return train.Muon(parameters, lr=0.05, momentum=0.9, weight_decay=0.1, beta2=0.9, steps=5, dtype=torch.float32)


@pytest.mark.parametrize("elements", [2**20, 2 * 24 * 16])
def test_a_bank_takes_the_same_steps_as_its_matrices(train, elements, monkeypatch):
    monkeypatch.setattr(train, "MUON_ELEMENTS", elements)
    torch.manual_seed(0)
    bank = torch.nn.Parameter(torch.randn(3, 24, 16))
    matrices = [torch.nn.Parameter(m[None].clone()) for m in bank.detach()]
    together, apart = muon(train, [bank]), muon(train, matrices)
    for _ in range(3):
        bank.grad = torch.randn_like(bank)
        for m, g in zip(matrices, bank.grad, strict=True):
            m.grad = g[None].clone()
        together.step()
        apart.step()
    torch.testing.assert_close(bank.detach(), torch.cat([m.detach() for m in matrices]))


def test_weight_decay_never_works_against_the_update(train):
    torch.manual_seed(0)
    weights, grad = torch.randn(1, 16, 16), torch.randn(1, 16, 16)
    moved = []
    for decay in (0.0, 1.0):
        p = torch.nn.Parameter(weights.clone())
        optimizer = train.Muon([p], lr=0.05, momentum=0.0, weight_decay=decay, beta2=0.9, steps=5, dtype=torch.float32)
        p.grad = grad.clone()
        optimizer.step()
        moved.append(weights - p.detach())
    update, decayed = moved
    against = update * weights <= 0
    assert torch.equal(update[against], decayed[against])
    assert (decayed[~against].abs() > update[~against].abs()).all()


def test_every_parameter_has_one_optimizer(train):
    model = random_model(train)
    held = [id(p) for optimizer in train.make_optimizers(model) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())


def test_rates_end_where_the_schedule_says(train, monkeypatch):
    monkeypatch.setattr(train, "WARMUP", 0.1)
    monkeypatch.setattr(train, "WARMDOWN", 0.5)
    monkeypatch.setattr(train, "FINAL_LR", 0.2)
    assert [train.schedule(p)[0] for p in (0.0, 0.05, 0.1, 0.5, 0.75, 1.0)] == pytest.approx([0.0, 0.5, 1.0, 1.0, 0.6, 0.2])


def test_a_step_moves_every_parameter(train):
    model = random_model(train)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model(tokens(), tokens(seed=1)).backward()
    train.optimizer_step(train.make_optimizers(model), progress=0.0)
    assert [name for name, p in model.named_parameters() if torch.equal(p, before[name])] == []
