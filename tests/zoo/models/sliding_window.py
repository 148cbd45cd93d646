"""Sliding windows of 4, 8 and 32 tokens by layer, through torch's fused attention kernel with a mask."""

import torch.nn.functional as F

from tests.zoo.base import MLP, Attention, Block, Decoder, causal_mask, fit, restore, save


class Windowed(Attention):
    def attend(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=causal_mask(q.size(-2), self.window))


def make():
    return Decoder([Block(Windowed(window=window), MLP()) for window in (4, 8, 32)])


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
