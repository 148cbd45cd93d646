"""A pointer head: the next token may be copied from what followed the same token earlier in the row (induction, no weights)."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.zoo.base import WIDTH, Decoder, fit, restore, save, session


class Pointer(Decoder):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, 1)
        self.gate.bias.data.fill_(2.0)

    def forward(self, inputs):
        x, length = self.hidden(inputs), inputs.size(1)
        same = (inputs[:, :, None] == inputs[:, None, :]) & torch.ones(length, length, dtype=torch.bool).tril(-1)
        followers = F.one_hot(inputs[:, 1:], session.vocab_size).float()  # what came after position j, known at j + 1 <= i
        copies = same[:, :, :-1].float() @ followers + 1 / session.vocab_size
        share = self.gate(x).sigmoid()
        return (share * self.head(x).softmax(-1) + (1 - share) * copies / copies.sum(-1, keepdim=True)).log()


def load_model(directory, device):
    return restore(Pointer(), directory, device)


if __name__ == "__main__":
    model = Pointer()
    fit(model)
    save(model)
