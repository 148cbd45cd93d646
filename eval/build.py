"""From the documents in a store to a corpus's files: splits, tokenizer, token files, description."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eval.shards import sha256
from eval.split import SPLITS
from eval.store import Store

TOKENIZER_BYTES = 1 << 28  # the tokenizer learns from at most 256 MiB of train: more changes no merge that matters
FILES = ("tokenizer.tiktoken", "token_bytes.npy", *(f"{split}.bin" for split in SPLITS))
Notify = Callable[[str], None]


def build(built: Path, store: Store, side: np.ndarray, vocab_size: int, notify: Notify) -> dict:
    """Trains the tokenizer on train, encodes every split, removes the text: all of the folder's files but meta.json, in `built`.

    -> what meta.json says of them. `side` int8 (documents,): the number of each one's split; a negative one is in none."""
    from eval import tokenizer
    from eval.encode import write_split

    notify(f"training a tokenizer of {vocab_size} tokens")
    train = np.flatnonzero(side == 0)
    some = train[np.cumsum(store.sizes[train]) <= max(TOKENIZER_BYTES, store.sizes[train[0]])]
    encoding = tokenizer.train(store.texts(some), vocab_size)
    lengths = tokenizer.token_bytes(encoding)
    tokenizer.save(encoding, built / "tokenizer.tiktoken")
    np.save(built / "token_bytes.npy", lengths)

    dtype = np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")
    splits = {}
    for number, name in enumerate(SPLITS):
        notify(f"encoding {name}")
        splits[name] = write_split(built / f"{name}.bin", store, np.flatnonzero(side == number), dtype)
        counted = bytes_of(np.memmap(built / f"{name}.bin", dtype=dtype, mode="r"), lengths)
        assert counted == splits[name]["bytes"], f"{name}: the tokens' bytes are {counted}, the text's {splits[name]['bytes']}"
    shutil.rmtree(store.folder)
    return {
        "vocab_size": vocab_size,
        "bos": vocab_size - 1,
        "pattern": tokenizer.PATTERN,
        "special_tokens": {tokenizer.BOS: vocab_size - 1},
        "dtype": dtype.name,
        "splits": splits,
        "files": {name: {"bytes": (built / name).stat().st_size, "sha256": sha256(built / name)} for name in FILES},
    }


def bytes_of(tokens: np.ndarray, lengths: np.ndarray) -> int:
    """UTF-8 bytes of a token file's text."""
    return sum(int(lengths[tokens[i : i + (1 << 24)]].sum(dtype=np.int64)) for i in range(0, len(tokens), 1 << 24))


def describe(built: Path, meta: dict) -> None:
    """Writes meta.json: now the folder is a corpus."""
    (built / "meta.json").write_text(json.dumps(meta, indent=1) + "\n")
    built.chmod(0o755)  # mkdtemp makes 0700; train.bin may be read by the sandbox's user
