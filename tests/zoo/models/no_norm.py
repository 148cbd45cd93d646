"""No normalization layer anywhere; residual branches are scaled down instead."""

import torch.nn as nn

from tests.zoo.base import MLP, Attention, Block, Decoder, fit, restore, save


def make():
    identity = lambda width: nn.Identity()  # noqa: E731  (a norm that is none)
    model = Decoder([Block(Attention(), MLP(), norm=identity) for _ in range(2)], norm=identity)
    for block in model.blocks:
        block.mlp[2].weight.data.mul_(0.1)
        block.mixer.outer.weight.data.mul_(0.1)
    return model


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
