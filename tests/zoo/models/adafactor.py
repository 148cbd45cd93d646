"""torch's Adafactor: second moments by rows and columns only."""

import torch

from tests.zoo.base import Decoder, fit, restore, save


def load_model(directory, device):
    return restore(Decoder(), directory, device)


if __name__ == "__main__":
    model = Decoder()
    fit(model, torch.optim.Adafactor(model.parameters(), lr=0.05))
    save(model)
