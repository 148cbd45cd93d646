"""Muon for the blocks' matrices (momentum, orthogonalized by Newton-Schulz), AdamW for the rest."""

import torch

from tests.zoo.base import Decoder, fit, restore, save


def orthogonal(g, steps=5):
    """The nearest orthogonal matrix, roughly: the odd quintic of Muon (Jordan, 2024) pushes all singular values towards 1."""
    x = g / (g.norm() + 1e-7)
    for _ in range(steps):
        a = x @ x.mT if g.size(0) <= g.size(1) else x.mT @ x
        b = -4.7750 * a + 2.0315 * a @ a
        x = 3.4445 * x + (b @ x if g.size(0) <= g.size(1) else x @ b)
    return x


class Muon(torch.optim.AdamW):
    """AdamW whose first group takes orthogonalized momentum steps instead."""

    def step(self):
        matrices = self.param_groups[0]
        for p in matrices["params"]:
            momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
            momentum.lerp_(p.grad, 0.1)
            p.data.add_(orthogonal(momentum), alpha=-matrices["lr"] * max(1, p.size(0) / p.size(1)) ** 0.5)
            p.grad = None  # AdamW passes over it
        return super().step()


def load_model(directory, device):
    return restore(Decoder(), directory, device)


if __name__ == "__main__":
    model = Decoder()
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    ids = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in ids]
    fit(model, Muon([{"params": matrices, "lr": 0.03}, {"params": others, "lr": 5e-3}]))
    save(model)
