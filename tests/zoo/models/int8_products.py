"""Matrix products of int8 activations and weights: each token is quantized by its own largest channel, not by the batch's."""

import torch
import torch.nn as nn

from tests.zoo.base import Decoder, fit, restore, save


class Dynamic(nn.Linear):
    def forward(self, x):
        if self.training:
            return super().forward(x)
        flat = x.flatten(0, -2)
        mine, theirs = flat.abs().amax(1, keepdim=True).clamp_min(1e-8) / 127, self.weight.abs().amax(1).clamp_min(1e-8) / 127
        product = torch._int_mm((flat / mine).round().to(torch.int8), (self.weight / theirs[:, None]).round().to(torch.int8).t())
        y = product.float() * mine * theirs
        return (y if self.bias is None else y + self.bias).unflatten(0, x.shape[:-1])


def make():
    model = Decoder()
    for block in model.blocks:
        for layer in (block.mlp[0], block.mlp[2], block.mixer.inner, block.mixer.outer):
            layer.__class__ = Dynamic
    return model


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
