import pytest
import torch

from tests.train import candidate


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors here are tiny: a second thread would only wait, and for other tests' processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def train(monkeypatch):
    return candidate.small(monkeypatch)
