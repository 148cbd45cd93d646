"""torch.compile with generated and compiled C++ code in scoring; the training is not compiled."""

import torch

from tests.zoo.base import MLP, Attention, Block, Decoder, fit, restore, save


def make():
    return Decoder([Block(Attention(), MLP())])  # compiling takes seconds for each layer


def load_model(directory, device):
    return torch.compile(restore(make(), directory, device))


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
