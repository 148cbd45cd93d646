"""Learned absolute positions, float32: the plainest decoder of all."""

from tests.zoo.base import Decoder, fit, restore, save


def load_model(directory, device):
    return restore(Decoder(), directory, device)


if __name__ == "__main__":
    model = Decoder()
    fit(model)
    save(model)
