"""Causal dilated convolutions, gated, no attention."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.zoo.base import MLP, WIDTH, Block, Decoder, fit, restore, save


class Dilated(nn.Module):
    def __init__(self, dilation):
        super().__init__()
        self.conv, self.reach = nn.Conv1d(WIDTH, 2 * WIDTH, 3, dilation=dilation), 2 * dilation

    def forward(self, x):
        value, gate = self.conv(F.pad(x.transpose(1, 2), (self.reach, 0))).chunk(2, dim=1)
        return (torch.tanh(value) * gate.sigmoid()).transpose(1, 2)


def make():
    return Decoder([Block(Dilated(dilation), MLP()) for dilation in (1, 2, 4)], positions=False)


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
