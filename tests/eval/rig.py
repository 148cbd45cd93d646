"""A tiny corpus and tiny candidates, measured by the real referee in real processes."""

import json
import os
import sys
from pathlib import Path

import numpy as np

from eval.corpus import FILES, FORMAT, digest_of, sha256
from tests import warm

ROOT = Path(__file__).resolve().parents[2]
VOCAB, LENGTH, EVAL_TOKENS = 64, 32, 1024
BOS = VOCAB - 1
SIZES = {"train": 20_000, "val": 6_000, "sealed": 6_000, "audit": 3_000}

MODEL = """
import json, os, sys, time
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
from eval import session

class Bigram(torch.nn.Module):
    def __init__(self, table):
        super().__init__()
        self.table = torch.nn.Parameter(table, requires_grad=False)
    def forward(self, inputs):
        return self.table[inputs]

def load_model(directory, device):
    return Bigram(load_file(Path(directory) / "model.safetensors")["table"].to(device))

def save(table):
    save_file({"table": table.contiguous()}, session.output / "model.safetensors")
    (session.output / "config.json").write_text(json.dumps({"kind": "bigram"}))
"""
TRAIN = """
if __name__ == "__main__":
    V, step = session.vocab_size, 0
    for inputs, targets in session.warmup(4):
        pass
    counts = torch.full((V, V), 0.5)
    for inputs, targets in session.batches(4):
        counts.index_put_((inputs.flatten(), targets.flatten()), torch.ones(inputs.numel()), accumulate=True)
        step += 1
        session.report(loss=5.0 - session.progress)
    save(counts.log())
"""
BIGRAM = MODEL + TRAIN


def make_corpus(folder: Path) -> Path:
    """The documented folder: a Markov chain, so that there is something to learn. val's token stream shares no row with train's."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    jump = rng.permutation(BOS)
    splits = {}
    for split, size in SIZES.items():
        draw = np.random.default_rng(8) if split == "audit" else rng
        tokens = np.empty(size, np.uint16)
        tokens[0] = BOS
        for i, (surprise, other) in enumerate(zip(draw.random(size - 1), draw.integers(BOS, size=size - 1), strict=True), 1):
            tokens[i] = BOS if i % 100 == 0 else other if surprise < 0.3 or tokens[i - 1] == BOS else jump[tokens[i - 1]]
        tokens.tofile(folder / f"{split}.bin")
        splits[split] = {"tokens": size, "bytes": 0, "documents": -(-size // 100)}
    sizes = rng.integers(1, 6, VOCAB).astype(np.int32)
    sizes[BOS] = 0
    np.save(folder / "token_bytes.npy", sizes)
    (folder / "tokenizer.tiktoken").write_text("")
    meta = {"format": FORMAT, "name": "tiny", "vocab_size": VOCAB, "bos": BOS, "pattern": ".", "special_tokens": {"<|bos|>": BOS}}
    meta |= {"dtype": "uint16", "splits": splits, "source": {}}
    meta["files"] = {name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in FILES}
    (folder / "meta.json").write_text(json.dumps({"digest": digest_of(meta)} | meta))
    return folder


def read_tokens(corpus: Path, split: str) -> np.ndarray:
    return np.fromfile(corpus / f"{split}.bin", np.uint16)


def make_candidate(folder: Path, source: str = BIGRAM) -> Path:
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "train.py").write_text(source)
    return folder


def arguments(candidate: Path, corpus: Path, scratch: Path, out: Path, **given) -> list[str]:
    options = {"seed": 1, "budget": "0.3s cpu", "sequence_length": LENGTH, "eval_tokens": EVAL_TOKENS, "device": "cpu"}
    options |= {"locks": out.parent} | given  # its own locks, so that tests may run side by side
    argv = [sys.executable, "-P", "-m", "eval", "measure", "--candidate", str(candidate), "--corpus", str(corpus)]
    argv += ["--scratch", str(scratch), "--out", str(out)]
    for name, value in options.items():
        argv.append(f"--{name.replace('_', '-')}={value}")
    return argv


def environment(**extra: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)} | extra


class Measured:
    """The result of one run, and what the process printed."""

    def __init__(self, folder: Path, source: str, corpus: Path, env: dict[str, str] | None = None, **options):
        self.folder = folder
        self.candidate = make_candidate(folder / "candidate", source)
        out = folder / "result.json"
        argv = arguments(self.candidate, corpus, folder / "scratch", out, **options)
        self.process = warm.run("eval", argv[4:], folder, environment(**(env or {})))
        self.result = json.loads(out.read_text()) if out.exists() else {}
        self.lines = [json.loads(line) for line in self.process.stdout.splitlines()]

    def __getitem__(self, name: str):
        assert self.result, f"no result: exit {self.process.returncode}\n{self.process.stderr}"
        return self.result[name]

    @property
    def log(self) -> str:
        return self["log_tail"]

    def said(self, tag: str) -> str:
        """What the candidate printed after `tag:`, last time."""
        found = [line.split(":", 1)[1] for line in self.log.splitlines() if line.startswith(tag + ":")]
        assert found, f"no {tag}: in {self.log!r} ({self['outcome']} {self['reason']})"
        return found[-1]
