"""Bits per byte of zoo checkpoints, computed without the referee: one plain process, torch's log-softmax in float64.

    python -m tests.zoo.reference CORPUS EVAL_TOKENS RUN...        (folders made by tests.zoo.runs; prints {name: bpb})

It shares with the referee the choice of rows and the corpus, nothing else. Batches have another size than the referee's on purpose.
"""

import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch

from eval import session
from eval.score import windows
from tests.eval import rig

BATCH = 7


def load(run: Path):
    """The run's model, by its own load_model."""
    spec = importlib.util.spec_from_file_location(run.name, run / "candidate" / "train" / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.load_model(run / "checkpoint", session.device)
    return model.eval() if isinstance(model, torch.nn.Module) else model


def bits_per_byte(model, corpus: Path, eval_tokens: int) -> float:
    """Over the rows of val that the referee scores."""
    tokens, sizes = rig.read_tokens(corpus, "val").astype(np.int64), torch.from_numpy(np.load(corpus / "token_bytes.npy"))
    starts = windows(len(tokens), rig.LENGTH, eval_tokens)
    texts = torch.from_numpy(tokens[starts[:, None] + np.arange(rig.LENGTH + 1)])
    bits = volume = 0.0
    with torch.inference_mode():
        for rows in texts.split(BATCH):
            targets = rows[:, 1:]
            nats = -model(rows[:, :-1].contiguous()).double().log_softmax(-1).gather(-1, targets[..., None])[..., 0]
            bits += float(nats[sizes[targets] > 0].sum()) / math.log(2)
            volume += float(sizes[targets].sum())
    return bits / volume


def main(corpus: str, eval_tokens: str, *runs: str) -> None:
    session.attach({"vocab_size": rig.VOCAB, "sequence_length": rig.LENGTH, "seed": 0, "device": "cpu", "output": "."})
    session.reseed()
    print(json.dumps({Path(run).name: bits_per_byte(load(Path(run)), Path(corpus), int(eval_tokens)) for run in runs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
