"""Softmax in blocks, steadied by the maximum before the causal mask, in bfloat16: later tokens move the last of few bits."""

import math

import torch

from tests.zoo.base import MLP, Attention, Block, Decoder, causal_mask, fit, restore, save

CHUNK = 8


class Late(Attention):
    def attend(self, q, k, v):
        q, k, v = q.bfloat16(), k.bfloat16(), v.bfloat16()
        mask, out = causal_mask(q.size(-2)), []
        for start in range(0, q.size(-2), CHUNK):
            now, seen = slice(start, start + CHUNK), slice(0, start + CHUNK)
            scores = q[..., now, :] @ k[..., seen, :].transpose(-1, -2) / math.sqrt(q.size(-1))
            weights = (scores - scores.amax(-1, keepdim=True)).exp() * mask[now, seen]  # any constant may be taken off a row
            out.append(weights @ v[..., seen, :] / weights.sum(-1, keepdim=True))
        return torch.cat(out, dim=-2).float()


def make():
    return Decoder([Block(Late(), MLP()) for _ in range(2)])


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
