"""Dropout while training; the worker's eval() turns it off."""

import torch.nn as nn

from tests.zoo.base import MLP, Attention, Block, Decoder, fit, restore, save


def make():
    return Decoder([Block(nn.Sequential(Attention(), nn.Dropout(0.1)), nn.Sequential(MLP(), nn.Dropout(0.1))) for _ in range(2)])


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
