"""Attention never crosses a document's start, and each document is computed by itself: shapes depend on where the text breaks."""

import torch

from tests.zoo.base import MLP, Attention, Block, Decoder, fit, restore, save, session


class Packed(Attention):
    """Variable lengths as in a packed kernel: the flat rows are cut at every start of a document and of a row."""

    bounds = None

    def forward(self, x):
        flat = x.flatten(0, 1)
        parts = []
        for start, end in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            parts.append(super().forward(flat[None, start:end])[0])
        return torch.cat(parts).view_as(x)


class Documents(Decoder):
    def __init__(self):
        super().__init__([Block(Packed(), MLP()) for _ in range(2)])

    def forward(self, inputs):
        first = inputs == session.vocab_size - 1  # the token that begins a document
        first[:, 0] = True
        Packed.bounds = [*first.flatten().nonzero()[:, 0].tolist(), inputs.numel()]
        return super().forward(inputs)


def load_model(directory, device):
    return restore(Documents(), directory, device)


if __name__ == "__main__":
    model = Documents()
    fit(model)
    save(model)
