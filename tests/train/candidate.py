"""train/train.py imported by its path, as the referee's worker does, and shrunk to a size whose tests take milliseconds."""

import importlib.util
from pathlib import Path

import torch

from eval import session

PATH = Path(__file__).resolve().parents[2] / "train" / "train.py"
VOCAB, CONTEXT = 64, 32


def load(monkeypatch=None, **constants):
    """A fresh module, for a CPU; `constants` replace those of the file."""
    if monkeypatch is not None:
        monkeypatch.setattr(session, "device", "cpu")
        monkeypatch.setattr(session, "vocab_size", VOCAB)
        monkeypatch.setattr(session, "sequence_length", CONTEXT)
    spec = importlib.util.spec_from_file_location("candidate_train", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in constants.items():
        assert hasattr(module, name), f"train.py has no constant {name}"
        setattr(module, name, value)
    return module


SMALL = dict(DEPTH=3, WIDTH=64, HEAD_DIM=32, VALUE_EMBED_EVERY=2, WINDOW_PATTERN="L", BATCH_TOKENS=4 * CONTEXT)


def small(monkeypatch, **constants):
    return load(monkeypatch, **(SMALL | constants))


def random_model(train):
    """A model none of whose parts is at its (often zero) initial value, so that nothing is invisible."""
    torch.manual_seed(0)
    model = train.GPT(train.make_config(), train.compute_dtype("cpu"))
    model.init_weights()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.2)
    return model


def tokens(rows=4, length=CONTEXT, seed=0):
    return torch.randint(VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))
