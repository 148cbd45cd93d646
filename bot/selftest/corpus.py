"""A tiny corpus in the prepared format: a Markov chain, so that there is something to learn in milliseconds."""

import json
from pathlib import Path

import numpy as np

from eval.corpus import FILES, FORMAT, PRIVATE, digest_of, sha256

VOCAB, LENGTH, EVAL_TOKENS = 64, 32, 4096
BOS = VOCAB - 1
SIZES = {"train": 60_000, "val": 6_000, "sealed": 6_000, "audit": 4_000}  # tokens
SURPRISE = 0.3  # of the tokens are drawn at random, the others follow from the one before


def make(folder: Path) -> Path:
    """Writes the corpus into `folder`, always the same one."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    jump = rng.permutation(BOS)
    splits = {}
    for split, size in SIZES.items():
        tokens = np.empty(size, np.uint16)
        tokens[0] = BOS
        surprises, others = rng.random(size) < SURPRISE, rng.integers(BOS, size=size)
        for i in range(1, size):
            follows = not surprises[i] and tokens[i - 1] != BOS
            tokens[i] = BOS if i % 100 == 0 else jump[tokens[i - 1]] if follows else others[i]
        tokens.tofile(folder / f"{split}.bin")
        splits[split] = {"tokens": size, "bytes": 0, "documents": -(-size // 100)}
    sizes = rng.integers(1, 6, VOCAB).astype(np.int32)
    sizes[BOS] = 0
    np.save(folder / "token_bytes.npy", sizes)
    (folder / "tokenizer.tiktoken").write_text("")
    meta = {"format": FORMAT, "name": "selftest", "vocab_size": VOCAB, "bos": BOS, "pattern": ".", "special_tokens": {"<|bos|>": BOS}}
    meta |= {"dtype": "uint16", "splits": splits, "source": {}}
    meta["files"] = {name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in FILES}
    (folder / "meta.json").write_text(json.dumps({"digest": digest_of(meta)} | meta))
    for name in PRIVATE:
        (folder / name).chmod(0o600)
    return folder
