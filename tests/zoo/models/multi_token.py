"""Two extra heads predict the tokens after the next one while training; scoring uses the first head alone."""

import torch.nn as nn
import torch.nn.functional as F

from tests.zoo.base import WIDTH, Decoder, fit, restore, save, session


class Ahead(Decoder):
    def __init__(self):
        super().__init__()
        self.extra = nn.ModuleList(nn.Linear(WIDTH, session.vocab_size) for _ in range(2))


def losses(model, inputs, targets):
    x = model.hidden(inputs)
    total = F.cross_entropy(model.head(x).flatten(0, 1), targets.flatten())
    for shift, head in enumerate(model.extra, 1):
        total = total + 0.3 * F.cross_entropy(head(x[:, :-shift]).flatten(0, 1), targets[:, shift:].flatten())
    return total


def load_model(directory, device):
    return restore(Ahead(), directory, device)


if __name__ == "__main__":
    model = Ahead()
    fit(model, loss=losses)
    save(model)
