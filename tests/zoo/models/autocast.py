"""float32 weights under autocast: matrix products in bfloat16, norms and softmax in float32."""

import torch

from tests.zoo.base import Decoder, fit, restore, save


class Mixed(Decoder):
    def forward(self, inputs):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(inputs)


def load_model(directory, device):
    return restore(Mixed(), directory, device)


if __name__ == "__main__":
    model = Mixed()
    fit(model)
    save(model)
