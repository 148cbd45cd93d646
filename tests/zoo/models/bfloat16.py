"""Weights, activations and logits are bfloat16; the optimizer keeps float32 copies."""

import torch

from tests.zoo.base import Decoder, cross_entropy, fit, restore, save


def load_model(directory, device):
    return restore(Decoder().bfloat16(), directory, device)


if __name__ == "__main__":
    master, model = Decoder(), Decoder().bfloat16()
    optimizer = torch.optim.AdamW(master.parameters(), lr=5e-3)

    def publish():
        for mine, theirs in zip(model.parameters(), master.parameters(), strict=True):
            mine.data.copy_(theirs)

    def loss(_, inputs, targets):
        value = cross_entropy(model, inputs, targets)
        gradients = torch.autograd.grad(value, list(model.parameters()))
        pairs = zip(gradients, master.parameters(), strict=True)
        return sum((gradient.float() * theirs).sum() for gradient, theirs in pairs)  # backward() hands each its gradient

    publish()
    fit(master, optimizer, loss, after=publish)
    save(model)
