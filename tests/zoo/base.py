"""What the zoo's models share: a small decoder with exchangeable parts, a training loop, saving and loading.

Not imported by a candidate: `tests.zoo.source` puts this text in front of a model's own, so that each is one complete train.py.
"""

import json
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_model as fill
from safetensors.torch import save_model

from eval import session

WIDTH, HEADS = 32, 2
torch.set_num_threads(1)  # on tensors this small a second thread only costs CPU time


def causal_mask(length, window=None):
    """True where query i (row) sees key j: j <= i, and with `window` i - j < window."""
    distance = torch.arange(length)[:, None] - torch.arange(length)
    return (distance >= 0) & (distance < (window or length))


class Attention(nn.Module):
    """Causal self-attention (B, T, C) -> (B, T, C). `window`: tokens that a position sees, itself included."""

    def __init__(self, width=WIDTH, heads=HEADS, window=None):
        super().__init__()
        self.heads, self.window = heads, window
        self.inner = nn.Linear(width, 3 * width, bias=False)
        self.outer = nn.Linear(width, width, bias=False)

    def split(self, x):
        """Queries, keys and values, each (B, heads, T, D)."""
        return (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.inner(x).chunk(3, dim=-1))

    def attend(self, q, k, v):
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
        return scores.masked_fill(~causal_mask(q.size(-2), self.window), -math.inf).softmax(-1) @ v

    def forward(self, x):
        return self.outer(self.attend(*self.split(x)).transpose(1, 2).flatten(2))


class MLP(nn.Sequential):
    def __init__(self, width=WIDTH):
        super().__init__(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class Block(nn.Module):
    """Pre-norm residual block of a mixer over positions and an MLP."""

    def __init__(self, mixer, mlp, width=WIDTH, norm=nn.LayerNorm):
        super().__init__()
        self.mixer, self.mlp, self.norm1, self.norm2 = mixer, mlp, norm(width), norm(width)

    def forward(self, x):
        x = x + self.mixer(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Decoder(nn.Module):
    """Token ids (B, T) -> logits (B, T, V). `positions`: learned absolute ones are added to the embedding."""

    def __init__(self, blocks=None, width=WIDTH, positions=True, norm=nn.LayerNorm):
        super().__init__()
        blocks = blocks or [Block(Attention(), MLP()) for _ in range(2)]
        self.embed = nn.Embedding(session.vocab_size, width)
        self.positions = nn.Parameter(torch.zeros(session.sequence_length, width)) if positions else None
        self.blocks, self.norm = nn.ModuleList(blocks), norm(width)
        self.head = nn.Linear(width, session.vocab_size, bias=False)
        nn.init.normal_(self.head.weight, std=0.02)

    def hidden(self, inputs):
        x = self.embed(inputs)
        if self.positions is not None:
            x = x + self.positions[: inputs.size(1)]
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, inputs):
        return self.head(self.hidden(inputs))


def cross_entropy(model, inputs, targets):
    return F.cross_entropy(model(inputs).float().flatten(0, 1), targets.flatten())


def fit(model, optimizer=None, loss=cross_entropy, batch=8, after=lambda: None):
    """Trains until the budget is spent; `after` is called after every step. The warm-up only smoke-tests: it changes no weight."""
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=5e-3)
    for inputs, targets in session.warmup(batch):
        loss(model, inputs, targets).backward()
    save(model)  # scoring is rehearsed with it
    optimizer.zero_grad(set_to_none=True)
    for inputs, targets in session.batches(batch):
        value = loss(model, inputs, targets)
        value.backward()
        for group in optimizer.param_groups:  # down to a fifth: the last steps stop rattling
            group["lr"] = group.setdefault("peak", group["lr"]) * (1 - 0.8 * session.progress)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        after()
        session.report(loss=value.item())


def save(model):
    save_model(model, str(session.output / "model.safetensors"))
    (session.output / "config.json").write_text(json.dumps({"kind": type(model).__name__}))


def restore(model, directory, device):
    fill(model, directory / "model.safetensors", device=device)
    return model.to(device).eval()
