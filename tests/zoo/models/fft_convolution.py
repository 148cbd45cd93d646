"""Long causal convolutions by the fast Fourier transform: exact in theory, while rounding mixes the whole row."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.zoo.base import MLP, WIDTH, Block, Decoder, fit, restore, save, session


class Long(nn.Module):
    """A filter as long as the context, zero-padded to twice that, so that nothing wraps around."""

    def __init__(self):
        super().__init__()
        fade = torch.exp(-torch.arange(session.sequence_length) / 4.0)
        self.filter = nn.Parameter(torch.randn(WIDTH, session.sequence_length) * 0.5 * fade)
        self.gate = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        length = x.size(1)
        spectrum = torch.fft.rfft(x.transpose(1, 2), n=2 * length) * torch.fft.rfft(self.filter[:, :length], n=2 * length)
        y = torch.fft.irfft(spectrum, n=2 * length)[..., :length].transpose(1, 2)
        return y * F.silu(self.gate(x))


def make():
    return Decoder([Block(Long(), MLP()) for _ in range(2)], positions=False)


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
