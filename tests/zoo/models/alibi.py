"""ALiBi: a linear penalty on distance instead of positions, through a float mask."""

import torch

from tests.zoo.base import HEADS, MLP, Attention, Block, Decoder, causal_mask, fit, restore, save


class Alibi(Attention):
    def attend(self, q, k, v):
        steps = torch.arange(q.size(-2))
        slopes = 2.0 ** -torch.arange(1, HEADS + 1)
        bias = (steps - steps[:, None]) * slopes[:, None, None]
        bias = bias.masked_fill(~causal_mask(q.size(-2)), -1e9)  # finite: e^-1e9 is exactly zero all the same
        return (q @ k.transpose(-1, -2) / q.size(-1) ** 0.5 + bias).softmax(-1) @ v


def make():
    return Decoder([Block(Alibi(), MLP()) for _ in range(2)], positions=False)


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
