"""Gradient checkpointing: activations are computed again in the backward pass."""

from torch.utils.checkpoint import checkpoint

from tests.zoo.base import MLP, Attention, Block, Decoder, fit, restore, save


class Frugal(Block):
    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=False) if self.training else super().forward(x)


def make():
    return Decoder([Frugal(Attention(), MLP()) for _ in range(3)])


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
