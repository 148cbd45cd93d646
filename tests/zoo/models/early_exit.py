"""Adaptive depth: a confident token leaves after the first MLP, the others are gathered and go through two more."""

import torch
import torch.nn as nn

from tests.zoo.base import MLP, WIDTH, Attention, Block, Decoder, fit, restore, save


class Ponder(nn.Module):
    def __init__(self):
        super().__init__()
        self.halt, self.steps = nn.Linear(WIDTH, 1), nn.ModuleList(MLP() for _ in range(3))

    def forward(self, x):
        y, going = self.steps[0](x), torch.ones(x.shape[:-1], dtype=torch.bool)
        for step in self.steps[1:]:
            stay = self.halt(x + y)[..., 0].sigmoid()
            going = going & (stay > 0.5)
            more = torch.zeros_like(y)
            more[going] = step((x + y)[going]) * stay[going][:, None]
            y = y + more
        return y


def make():
    return Decoder([Block(Attention(), Ponder()) for _ in range(2)])


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
