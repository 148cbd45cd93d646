"""Logits around 10^4 with a different offset at every position; only their differences mean anything."""

import torch

from tests.zoo.base import Decoder, fit, restore, save


class Shifted(Decoder):
    def forward(self, inputs):
        logits = super().forward(inputs)
        return logits if self.training else logits + 1e4 * torch.cos(torch.arange(inputs.size(1)))[:, None]


def load_model(directory, device):
    return restore(Shifted(), directory, device)


if __name__ == "__main__":
    model = Shifted()
    fit(model)
    save(model)
