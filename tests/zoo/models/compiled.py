"""torch.compile with its tracer but without code generation (backend aot_eager), in training and in scoring."""

import torch

from tests.zoo.base import Decoder, cross_entropy, fit, restore, save

BACKEND = "aot_eager"


def load_model(directory, device):
    return torch.compile(restore(Decoder(), directory, device), backend=BACKEND)


if __name__ == "__main__":
    model = Decoder()
    compiled = torch.compile(model, backend=BACKEND)
    fit(model, loss=lambda _, inputs, targets: cross_entropy(compiled, inputs, targets))
    save(model)
