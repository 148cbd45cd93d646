"""Linear attention in chunks of 8 that carries a state matrix from chunk to chunk."""

import torch
import torch.nn.functional as F

from tests.zoo.base import MLP, Attention, Block, Decoder, causal_mask, fit, restore, save

CHUNK = 8


class Linear(Attention):
    def attend(self, q, k, v):
        q, k, state, out = F.elu(q) + 1, F.elu(k) + 1, 0.0, []
        v = torch.cat((v, torch.ones_like(v[..., :1])), dim=-1)  # the last channel sums the weights
        for q_part, k_part, v_part in zip(*(x.split(CHUNK, dim=-2) for x in (q, k, v)), strict=True):
            inside = (q_part @ k_part.transpose(-1, -2)) * causal_mask(q_part.size(-2))
            out.append(inside @ v_part + q_part @ state if torch.is_tensor(state) else inside @ v_part)
            state = state + k_part.transpose(-1, -2) @ v_part
        y = torch.cat(out, dim=-2)
        return y[..., :-1] / y[..., -1:]


def make():
    return Decoder([Block(Linear(), MLP()) for _ in range(2)])


def load_model(directory, device):
    return restore(make(), directory, device)


if __name__ == "__main__":
    model = make()
    fit(model)
    save(model)
