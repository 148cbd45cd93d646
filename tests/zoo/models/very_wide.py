"""One layer of 512 channels, on all of the machine's cores."""

import os

import torch

from tests.zoo.base import MLP, Attention, Block, Decoder, fit, restore, save

WIDE = 512
torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())


def make():
    return Decoder([Block(Attention(WIDE), MLP(WIDE), WIDE)], width=WIDE)


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model, torch.optim.AdamW(model.parameters(), lr=1e-3))
    save(model)
