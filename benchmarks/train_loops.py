"""The two loops that train_throughput.py and train_quality.py compare: train.py's own, and the same model trained plainly."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the referee sets it; before torch starts its threads

from benchmarks import train_plain  # noqa: E402

VOCAB = {"cpu": 2048, "mps": 8192, "cuda": 8192}
CONTEXT = {"cpu": 256, "mps": 512, "cuda": 2048}


def begin(device: str) -> str:
    """Sets `eval.session` up as the referee would; returns the device."""
    if device:
        os.environ["AUTORESEARCH_DEVICE"] = device
    from eval import session

    session.vocab_size, session.sequence_length = VOCAB[session.device], CONTEXT[session.device]
    return session.device


def load_candidate(**constants):
    """A fresh train/train.py with some constants replaced."""
    spec = importlib.util.spec_from_file_location("candidate", ROOT / "train" / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in constants.items():
        assert hasattr(module, name), f"train.py has no constant {name}"
        setattr(module, name, value)
    return module


class Loop:
    """One model in training, warm. `step(batches, progress)`: an optimizer step over `passes` pairs of (rows, context) tokens.

    "ours" is set up as train.py's `main` does it. "plain" on a CPU is eager, with torch's choice of threads; on CUDA it is
    compiled, with SDPA and upstream's kind of optimizer step. Same first weights and same dtype in both."""

    def __init__(self, kind: str, device: str, constants: dict, seed: int = 0):
        import torch

        from eval import session

        train, ours = load_candidate(**constants), kind == "ours"
        if ours:
            train.keep_freed_memory()
            if train.THREADS > 0:
                torch.set_num_threads(train.THREADS)
        torch.set_float32_matmul_precision("high")
        torch.manual_seed(seed)
        model = train.GPT(train.make_config(), train.compute_dtype(device)).to(device)
        model.init_weights()
        self.parameters, self.flops = sum(p.numel() for p in model.parameters()), train.flops_per_token(model.config)
        self.dtype, self.context = model.dtype, model.config.context
        largest = train.rows_to_try(model.config)
        self.parts = Ours(train, model) if ours else Plain(train, model, compiled=device == "cuda")
        self.model, self.passes = self.parts.model, 1
        del model
        initial = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimizers = self.parts.optimizers()
        self.rows = session.micro_batch(largest, lambda rows: self.step(session.warmup(rows), 0.0))
        self.passes = max(1, round(train.BATCH_TOKENS / (self.rows * self.context)))
        self.model.load_state_dict(initial)
        del self.optimizers
        self.optimizers = self.parts.optimizers()

    def step(self, batches, progress: float) -> None:
        for inputs, targets in batches:
            (self.parts.forward(inputs, targets) / self.passes).backward()
        self.parts.update(self.optimizers, progress)


class Ours:
    """train.py's model, kernels and optimizers."""

    def __init__(self, train, model):
        self.train, self.model, self.forward = train, model, train.training_step(model)

    def optimizers(self):
        return self.train.make_optimizers(self.model)

    def update(self, optimizers, progress: float) -> None:
        self.train.optimizer_step(optimizers, progress)


class Plain:
    """Those of train_plain.py."""

    def __init__(self, train, model, compiled: bool):
        import torch

        self.train, self.compiled, self.model = train, compiled, train_plain.PlainGPT(model)
        self.forward = torch.compile(self.model, dynamic=False) if compiled else self.model

    def optimizers(self):
        return train_plain.make_optimizers(self.train, self.model, stacked=self.compiled)

    def update(self, optimizers, progress: float) -> None:
        train_plain.optimizer_step(self.train, optimizers, progress)
