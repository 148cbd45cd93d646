"""k nearest neighbours: hidden states of training text with the token that followed, mixed with the decoder's own prediction."""

import torch
import torch.nn.functional as F

from tests.zoo.base import WIDTH, Decoder, fit, restore, save, session

ENTRIES, NEAREST = 2048, 16


class Memory(Decoder):
    def __init__(self):
        super().__init__()
        self.register_buffer("keys", torch.zeros(ENTRIES, WIDTH))
        self.register_buffer("next", torch.zeros(ENTRIES, dtype=torch.int64))

    def forward(self, inputs):
        x = self.hidden(inputs)
        own = self.head(x).softmax(-1)
        if self.training:
            return own.log()
        nearness, which = (-torch.cdist(x.flatten(0, 1), self.keys)).topk(NEAREST)
        votes = F.one_hot(self.next[which], session.vocab_size) * nearness.softmax(-1)[..., None]
        return (0.8 * own + 0.2 * votes.sum(1).view_as(own)).log()

    @torch.no_grad()
    def remember(self, batches):
        """The last batches of training text, as the trained model sees them."""
        pairs = [(self.hidden(inputs).flatten(0, 1), targets.flatten()) for inputs, targets in batches]
        self.keys = torch.cat([keys for keys, _ in pairs])[-ENTRIES:].clone()
        self.next = torch.cat([tokens for _, tokens in pairs])[-ENTRIES:].clone()


def load_model(directory, device):
    return restore(Memory(), directory, device)


if __name__ == "__main__":
    model = Memory()
    recent = []

    def loss(model, inputs, targets):
        recent[:] = [*recent, (inputs, targets)][-(ENTRIES // inputs.numel() + 1) :]
        return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())

    fit(model, loss=loss)
    model.remember(recent)
    save(model)
