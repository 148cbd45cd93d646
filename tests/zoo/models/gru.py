"""Recurrent: two layers of torch's GRU and no attention."""

import torch.nn as nn

from tests.zoo.base import WIDTH, fit, restore, save, session


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(session.vocab_size, WIDTH)
        self.gru = nn.GRU(WIDTH, 48, num_layers=2, batch_first=True)
        self.head = nn.Linear(48, session.vocab_size)

    def forward(self, inputs):
        return self.head(self.gru(self.embed(inputs))[0])


def load_model(directory, device):
    return restore(Recurrent(), directory, device)


if __name__ == "__main__":
    model = Recurrent()
    fit(model)
    save(model)
