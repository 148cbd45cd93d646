"""The checkpoint is an exponential moving average of the weights, not the last ones."""

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tests.zoo.base import Decoder, fit, restore, save


def load_model(directory, device):
    return restore(Decoder(), directory, device)


if __name__ == "__main__":
    model = Decoder()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.97))
    fit(model, after=lambda: average.update_parameters(model))
    save(average.module)
