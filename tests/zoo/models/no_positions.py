"""No positional encoding at all: order is seen through the causal mask only."""

from tests.zoo.base import Decoder, fit, restore, save


def load_model(directory, device):
    return restore(Decoder(positions=False), directory, device)


if __name__ == "__main__":
    model = Decoder(positions=False)
    fit(model)
    save(model)
