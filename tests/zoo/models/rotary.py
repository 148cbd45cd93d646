"""Rotary positions and torch's fused causal kernel; grouped queries (both heads share one key and value head)."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.zoo.base import HEADS, MLP, WIDTH, Block, Decoder, fit, restore, save

D = WIDTH // HEADS


def rotate(x):
    angles = torch.outer(torch.arange(x.size(-2)), 100.0 ** (-torch.arange(D // 2) / (D // 2)))
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), dim=-1)


class Grouped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(WIDTH, WIDTH + 2 * D), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = self.inner(x).split([WIDTH, D, D], dim=-1)
        q = rotate(q.unflatten(-1, (HEADS, D)).transpose(1, 2))
        y = F.scaled_dot_product_attention(q, rotate(k)[:, None], v[:, None], is_causal=True, enable_gqa=True)
        return self.outer(y.transpose(1, 2).flatten(2))


def make():
    return Decoder([Block(Grouped(), MLP()) for _ in range(2)], positions=False)


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
