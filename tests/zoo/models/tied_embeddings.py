"""Input and output embedding are one tensor; safetensors' save_model stores it once."""

from tests.zoo.base import Decoder, fit, restore, save


class Tied(Decoder):
    def __init__(self):
        super().__init__()
        self.head.weight = self.embed.weight
        self.embed.weight.data.mul_(0.1)


def load_model(directory, device):
    return restore(Tied(), directory, device)


if __name__ == "__main__":
    model = Tied()
    fit(model)
    save(model)
