"""Never learns: the logits are zero for every token, so it scores the uniform distribution."""

import torch.nn as nn

from tests.zoo.base import Decoder, fit, restore, save


class Uniform(Decoder):
    def __init__(self):
        super().__init__()
        nn.init.zeros_(self.head.weight)


def load_model(directory, device):
    return restore(Uniform(), directory, device)


if __name__ == "__main__":
    model = Uniform()
    fit(model, after=lambda: nn.init.zeros_(model.head.weight))
    save(model)
