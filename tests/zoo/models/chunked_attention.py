"""Queries in chunks of 8, each over its own and the previous chunk only, in a Python loop."""

import math

import torch

from tests.zoo.base import MLP, Attention, Block, Decoder, causal_mask, fit, restore, save

CHUNK = 8


class Chunked(Attention):
    def attend(self, q, k, v):
        mask, out = causal_mask(q.size(-2)), []
        for start in range(0, q.size(-2), CHUNK):
            now, seen = slice(start, start + CHUNK), slice(max(0, start - CHUNK), start + CHUNK)
            scores = q[..., now, :] @ k[..., seen, :].transpose(-1, -2) / math.sqrt(q.size(-1))
            out.append(scores.masked_fill(~mask[now, seen], -math.inf).softmax(-1) @ v[..., seen, :])
        return torch.cat(out, dim=-2)


def make():
    return Decoder([Block(Chunked(), MLP()) for _ in range(2)])


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
