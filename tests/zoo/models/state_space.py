"""A gated diagonal state-space layer: a learned decay per channel, run as a parallel scan in log2(T) steps."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.zoo.base import MLP, WIDTH, Block, Decoder, fit, restore, save


class Scan(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        value, decay, gate = self.inner(x).chunk(3, dim=-1)
        state, decay, stride = value, decay.sigmoid(), 1
        while stride < x.size(1):  # doubling: state[t] += decay over the last `stride` steps * state[t - stride]
            state = state + decay * F.pad(state, (0, 0, stride, 0))[:, : x.size(1)]
            decay = decay * F.pad(decay, (0, 0, stride, 0), value=1.0)[:, : x.size(1)]
            stride *= 2
        return self.outer(torch.tanh(state) * F.silu(gate))


def make():
    return Decoder([Block(Scan(), MLP()) for _ in range(2)], positions=False)


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
