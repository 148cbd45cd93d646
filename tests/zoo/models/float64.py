"""Everything in float64, logits included; the worker sends them as float32."""

from tests.zoo.base import Decoder, fit, restore, save


def load_model(directory, device):
    return restore(Decoder().double(), directory, device)


if __name__ == "__main__":
    model = Decoder().double()
    fit(model)
    save(model)
