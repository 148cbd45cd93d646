"""Long convolutions by the fast Fourier transform in a bfloat16 stream: what rounding mixes is rounded again, a thousand times coarser."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.zoo.base import MLP, WIDTH, Block, Decoder, fit, restore, save, session


class Long(nn.Module):
    """The transform is in float32, as torch's must be; bfloat16 goes in and comes out."""

    def __init__(self):
        super().__init__()
        fade = torch.exp(-torch.arange(session.sequence_length) / 4.0)
        self.filter = nn.Parameter(torch.randn(WIDTH, session.sequence_length) * 0.5 * fade)

    def forward(self, x):
        length = x.size(1)
        spectrum = torch.fft.rfft(x.transpose(1, 2).float(), n=2 * length) * torch.fft.rfft(self.filter[:, :length], n=2 * length)
        return F.silu(torch.fft.irfft(spectrum, n=2 * length)[..., :length].transpose(1, 2).bfloat16())


class Rounded(Block):
    def forward(self, x):
        return super().forward(x.bfloat16()).bfloat16()


class Mixed(Decoder):
    def forward(self, inputs):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(inputs).float()


def make():
    return Mixed([Rounded(Long(), MLP()) for _ in range(3)], positions=False)


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
