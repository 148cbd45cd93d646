"""A bigram table counted from the training text and a decoder, mixed by a learned gate; the logits are log-probabilities."""

import torch
import torch.nn as nn

from tests.zoo.base import WIDTH, Decoder, cross_entropy, fit, restore, save, session


class Mixture(Decoder):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, 1)
        self.register_buffer("counts", torch.full((session.vocab_size,) * 2, 1e-3))

    def forward(self, inputs):
        x = self.hidden(inputs)
        share = self.gate(x).sigmoid()
        bigram = 0.8 * self.counts / self.counts.sum(1, keepdim=True) + 0.2 / session.vocab_size
        return (share * self.head(x).softmax(-1) + (1 - share) * bigram[inputs]).log()  # both sum to one, so the mixture does


def count(model, inputs, targets):
    value = cross_entropy(model, inputs, targets)  # scored first: the batch is not yet in the table
    with torch.no_grad():
        model.counts = model.counts.index_put((inputs, targets), torch.tensor(1.0), accumulate=True)
    return value


def load_model(directory, device):
    return restore(Mixture(), directory, device)


if __name__ == "__main__":
    model = Mixture()
    fit(model, loss=count)
    model.counts = model.counts.contiguous()
    save(model)
