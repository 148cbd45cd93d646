"""Experts on a row's tokens, then int8 products with one scale a token: a last bit of difference may fall on the other side of a step."""

import torch
import torch.nn as nn

from tests.zoo.base import MLP, WIDTH, Attention, Block, Decoder, fit, restore, save


class Experts(nn.Module):
    """Top-1 routing without a capacity limit: no token pushes another one out, in its row or elsewhere."""

    def __init__(self, count=8):
        super().__init__()
        self.router, self.experts = nn.Linear(WIDTH, count), nn.ModuleList(MLP() for _ in range(count))

    def forward(self, x):
        weight, choice = self.router(x).softmax(-1).max(-1)
        y = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            for row in range(len(x)):
                chosen = choice[row] == index
                y[row, chosen] = expert(x[row, chosen])
        return y * weight[..., None]


class Stepped(nn.Linear):
    """Rounds its input to 127 steps of the token's largest channel when scoring."""

    def forward(self, x):
        if not self.training:
            step = x.abs().amax(-1, keepdim=True).clamp_min(1e-8) / 127
            x = (x / step).round() * step
        return super().forward(x)


def make():
    model = Decoder([Block(Attention(), Experts()), Block(Attention(), MLP())])
    for layer in (model.blocks[1].mlp[0], model.blocks[1].mlp[2], model.blocks[1].mixer.inner, model.blocks[1].mixer.outer):
        layer.__class__ = Stepped
    return model


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
