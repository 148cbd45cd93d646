"""What preparing a large corpus costs: seconds of each stage, and the most memory at once, all processes together.

    python benchmarks/corpus.py 128          (MB of text in each of two training shards and the pinned one; real shards have 250)
    python benchmarks/corpus.py 128 path     (the same text as a folder: clusters of all documents instead of a pinned exam)

Synthetic English: 100,000 words by Zipf's law and some that are new, documents of 600 words on average, 3 % of which quote another one,
2 % end with one of 20 footers. The shards come from a hub on loopback (`tests.eval.hubserver`), so a network's speed is not in it.
"""

import os
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

WORDS, MEAN, FOOTERS = 100_000, 600, 20


def documents(total: int, seed: int) -> Iterator[str]:
    """Documents of `total` bytes together."""
    common, rng = np.random.default_rng(1), np.random.default_rng([2, seed])
    letters = common.integers(97, 123, (WORDS, 10)).astype(np.uint8)
    words = np.array([bytes(row[:n]).decode() for row, n in zip(letters, common.integers(2, 11, WORDS), strict=True)], dtype=object)
    chances = np.cumsum(1 / np.arange(1, WORDS + 1))
    chances /= chances[-1]

    def drawn(rng: np.random.Generator, count: int) -> list[str]:
        return words[np.searchsorted(chances, rng.random(count)).clip(max=WORDS - 1)].tolist()

    footers, before, size = [drawn(common, 60) for _ in range(FOOTERS)], [drawn(common, MEAN)], 0
    while size < total:
        text = drawn(rng, 20 + int(rng.exponential(MEAN)))
        text[::100] = map(str, rng.integers(1 << 40, size=len(text[::100])).tolist())
        if rng.random() < 0.03:
            text += before[rng.integers(len(before))][:100]
        if rng.random() < 0.02:
            text += footers[rng.integers(FOOTERS)]
        before = [*before[-999:], text]
        joined = " ".join(text)
        size += len(joined)
        yield joined


def shard(total: int, seed: int) -> bytes:
    sink = pyarrow.BufferOutputStream()
    texts = list(documents(total, seed))
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), sink, row_group_size=1024, compression="zstd")
    return sink.getvalue().to_pybytes()


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
        for seed, name in enumerate(("shard_06542.parquet", "shard_00000.parquet", "shard_00001.parquet")):
            if kind == "path":
                (Path(folder) / "texts").mkdir(exist_ok=True)
                (Path(folder) / "texts" / name).write_bytes(shard(megabytes * 10**6, seed))
            else:
                hub.files[name] = shard(megabytes * 10**6, seed)
        os.environ["HF_ENDPOINT"] = hub.url()
        watch, began = Watch(), time.monotonic()
        watch("the first look")
        prepare(f"path:{folder}/texts" if kind == "path" else "climbmix:2", 8192, Path(folder) / "cache", watch)
        watch("")
        print(f"{3 * megabytes} MB of text in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main(*[int(argument) if argument.isdecimal() else argument for argument in sys.argv[1:]])
