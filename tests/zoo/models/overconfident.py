"""Logits times 300: a terrible model, whose probabilities underflow to zero, but an honest one."""

from tests.zoo.base import Decoder, fit, restore, save


class Overconfident(Decoder):
    def forward(self, inputs):
        logits = super().forward(inputs)
        return logits if self.training else logits * 300


def load_model(directory, device):
    return restore(Overconfident(), directory, device)


if __name__ == "__main__":
    model = Overconfident()
    fit(model)
    save(model)
