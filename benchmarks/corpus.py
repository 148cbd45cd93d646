"""What preparing a large corpus costs: seconds of each stage, and the most memory at once, all processes together.

    python benchmarks/corpus.py 128          (MB of text in each of two training shards and the pinned one; real shards have 250)
    python benchmarks/corpus.py 128 path     (the same text as a folder: clusters of all documents instead of a pinned exam)

Synthetic English: 100,000 words by Zipf's law and some that are new, documents of 600 words on average, 3 % of which quote another one,
2 % end with one of 20 footers. The shards come from a hub on loopback (`tests.eval.hubserver`), so a network's speed is not in it.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from eval import memory  # noqa: E402
from eval.corpus import prepare  # noqa: E402
from eval.tree import ProcessTree  # noqa: E402
from tests.eval.hubserver import serving  # noqa: E402

WORDS, MEAN, FOOTERS, LONGEST = 100_000, 600, 20, 10
CHUNK = 4 << 20  # words made at once


def spelled(rng: np.random.Generator, count: int) -> np.ndarray:
    """uint8 (count, LONGEST + 1): random words of 2 to 10 letters, then a space, then zeros."""
    table = rng.integers(97, 123, (count, LONGEST + 1)).astype(np.uint8)
    length = rng.integers(2, LONGEST + 1, count)[:, None]
    column = np.arange(LONGEST + 1)
    return np.where(column < length, table, np.where(column == length, 32, 0)).astype(np.uint8)


def documents(total: int, seed: int) -> Iterator[str]:
    """Documents of `total` bytes together."""
    rng, common, size = np.random.default_rng([2, seed]), np.random.default_rng(1), 0
    chances = np.cumsum(1 / np.arange(1, WORDS + 1))
    known, footers = spelled(common, WORDS), common.integers(0, WORDS, (FOOTERS, 60))
    while size < total:
        words = np.searchsorted(chances, rng.random(CHUNK) * chances[-1]).clip(max=WORDS - 1)
        words[::100] = WORDS + np.arange(len(words[::100]))  # new ones
        table = np.concatenate([known, spelled(rng, len(words[::100]))])
        ends = np.cumsum(20 + rng.exponential(MEAN, 2 * CHUNK // MEAN).astype(int))
        for begin, end, chance in zip(ends[:-1], ends[1:], rng.random(len(ends)), strict=False):
            if end > CHUNK or size >= total:
                break
            parts = [words[begin:end]]
            if chance < 0.03:
                parts.append(words[begin // 2 : begin // 2 + 100])
            elif chance < 0.05:
                parts.append(footers[int(begin) % FOOTERS])
            letters = table[np.concatenate(parts)].ravel()
            text = letters[letters > 0].tobytes().decode()
            size += len(text)
            yield text


def shard(path: str, total: str, seed: str) -> None:
    """Writes one, in a process of its own: what it leaves in memory is not a corpus's."""
    table = pyarrow.table({"text": list(documents(int(total), int(seed)))})
    pyarrow.parquet.write_table(table, path, row_group_size=1024, compression="zstd")


class Files(dict):
    """name -> content, read when it is asked for."""

    def get(self, name: str, default: None = None) -> bytes | None:
        return self[name].read_bytes() if name in self else default


class Watch:
    """Prints how long each stage took, and the most private memory that this process and its workers had in it."""

    def __init__(self):
        self.tree, self.stage, self.began, self.peak = ProcessTree(os.getpid()), "", time.monotonic(), 0
        threading.Thread(target=self.look, daemon=True).start()

    def look(self) -> None:
        while True:
            self.tree.refresh()
            self.peak = max(self.peak, memory.exact(self.tree.members))
            time.sleep(0.1)

    def __call__(self, stage: str) -> None:
        if self.stage:
            print(f"{time.monotonic() - self.began:8.1f} s {self.peak / 1e6:8,.0f} MB  {self.stage}", flush=True)
        self.stage, self.began, self.peak = stage, time.monotonic(), 0


def main(megabytes: int = 16, kind: str = "climbmix") -> None:
    with tempfile.TemporaryDirectory() as folder, serving() as hub:
        texts = Path(folder) / "texts"
        texts.mkdir()
        for seed, name in enumerate(("shard_06542.parquet", "shard_00000.parquet", "shard_00001.parquet")):
            subprocess.run([sys.executable, __file__, "shard", texts / name, str(megabytes * 10**6), str(seed)], check=True)
        hub.files = Files({path.name: path for path in texts.iterdir()})
        os.environ["HF_ENDPOINT"] = hub.url()
        watch, began = Watch(), time.monotonic()
        watch("the first look")
        prepare(f"path:{texts}" if kind == "path" else "climbmix:2", 8192, Path(folder) / "cache", watch)
        watch("")
        print(f"{3 * megabytes} MB of text in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["shard"]:
        shard(*sys.argv[2:])
    else:
        main(*[int(argument) if argument.isdecimal() else argument for argument in sys.argv[1:]])
