"""Thirty-two layers of sixteen channels; residual branches start at zero."""

import torch.nn as nn

from tests.zoo.base import MLP, Attention, Block, Decoder, fit, restore, save


def make():
    model = Decoder([Block(Attention(16), MLP(16), 16) for _ in range(32)], width=16)
    for block in model.blocks:
        nn.init.zeros_(block.mixer.outer.weight)
        nn.init.zeros_(block.mlp[2].weight)
    return model


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
