"""Eight experts, row by row, each on the tokens that chose it: matrix products of one to a few rows, as many as the text says."""

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


def make():
    return Decoder([Block(Attention(), Experts()) for _ in range(2)])


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
