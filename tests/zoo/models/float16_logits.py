"""Weights are float32, the logits leave as float16."""

from tests.zoo.base import Decoder, fit, restore, save


class Halved(Decoder):
    def forward(self, inputs):
        logits = super().forward(inputs)
        return logits if self.training else logits.half()


def load_model(directory, device):
    return restore(Halved(), directory, device)


if __name__ == "__main__":
    model = Halved()
    fit(model)
    save(model)
