"""Plain SGD with Nesterov momentum and clipped gradients."""

import torch

from tests.zoo.base import Decoder, cross_entropy, fit, restore, save


class Clipped(torch.optim.SGD):
    def step(self):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1.0)
        return super().step()


def load_model(directory, device):
    return restore(Decoder(), directory, device)


if __name__ == "__main__":
    model = Decoder()
    fit(model, Clipped(model.parameters(), lr=0.3, momentum=0.9, nesterov=True), cross_entropy)
    save(model)
