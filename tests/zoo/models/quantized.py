"""Weights are stored as int8 with one scale per output row and widened when used."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.zoo.base import Decoder, fit, restore, save


class Int8(nn.Module):
    """A linear layer with int8 weights; its output is that of the rounded matrix."""

    def __init__(self, linear):
        super().__init__()
        scale = linear.weight.detach().abs().amax(1, keepdim=True).clamp_min(1e-8) / 127
        self.register_buffer("scale", scale)
        self.register_buffer("weight", (linear.weight.detach() / scale).round().to(torch.int8))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())

    def forward(self, x):
        return F.linear(x, self.weight.float() * self.scale, self.bias)


def quantize(module):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8(child))
        else:
            quantize(child)
    return module


def load_model(directory, device):
    return restore(quantize(Decoder()), directory, device)


if __name__ == "__main__":
    model = Decoder()
    fit(model)
    save(quantize(model))
