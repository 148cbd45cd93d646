"""bfloat16 stream, float32 logits, top-2 of eight experts: sums of changing shape, rounded to bfloat16, differ by more."""

import torch
import torch.nn as nn

from tests.zoo.base import MLP, WIDTH, Attention, Block, Decoder, fit, restore, save


class Pair(nn.Module):
    """Experts add up in float32, row by row, as a fused kernel does; what leaves is bfloat16."""

    def __init__(self, count=8):
        super().__init__()
        self.router, self.experts = nn.Linear(WIDTH, count), nn.ModuleList(MLP() for _ in range(count))

    def forward(self, x):
        weights, choices = self.router(x).topk(2, dim=-1)
        weights, y = weights.softmax(-1), []
        for row, weight, choice in zip(x, weights, choices, strict=True):
            total = torch.zeros_like(row)
            for index, expert in enumerate(self.experts):
                chosen, slot = (choice == index).nonzero(as_tuple=True)
                total = total.index_add(0, chosen, expert(row[chosen]) * weight[chosen, slot, None])
            y.append(total)
        return torch.stack(y).bfloat16().float()


class Rounded(Block):
    def forward(self, x):
        return super().forward(x).bfloat16().float()


def make():
    return Decoder([Rounded(Attention(), Pair()) for _ in range(2)])


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
