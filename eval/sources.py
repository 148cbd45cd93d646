"""The corpora that have a name: which files of the Hugging Face hub they are, what of them is for scoring, and how much a run takes.

    climbmix:8        the pinned validation shard and 8 training shards of about 250 MB of text each
    tinystories:2     one file; the first 20,000 stories for scoring, then 2 parts of about 250 MB of text

Facts and where they are from:

- climbmix: huggingface.co/datasets/karpathy/climbmix-400b-shuffle, shard_00000.parquet to shard_06542.parquet, column `text`. The last
  shard is the pinned validation shard and 10 training shards are the default (karpathy/autoresearch `prepare.py`: BASE_URL, MAX_SHARD,
  VAL_SHARD, --num-shards; the same set in karpathy/nanochat `nanochat/dataset.py`).
- Shards of 250 million characters in some 100 MB of zstd, 1,024 rows a row group (nanochat `dev/repackage_data_reference.py`).
- tinystories: huggingface.co/datasets/karpathy/tinystories-gpt4-clean, which upstream's README recommends for small machines: one file,
  2,732,634 stories, 2.19 GB of text in 673 MB, shuffled; rows 0 to 9,999 suggested for test, 10,000 to 19,999 for validation (its card).
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eval import folder
from eval.errors import RefereeError

TEXT_BYTES = 250_000_000  # in one training shard
TOKENS = 60_000_000  # in one training shard, at 8,192 tokens of vocabulary
# More than a candidate trains on in a second, so that no run of one epoch asks for more: the GPU preset does half of that on an H100.
TOKENS_PER_SECOND = {"cpu": 100_000, "mps": 200_000, "cuda": 2_000_000}


@dataclass(frozen=True)
class Source:
    """`most`: training shards that there are. `row_groups` of text in one file, or a file for each shard."""

    name: str
    repository: str
    most: int
    shard_bytes: int  # to be fetched for each training shard
    pinned: str  # the file whose text is for scoring
    pinned_rows: int | None = None  # its first rows only; those after them are for training
    shard_rows: int = 0  # of that file, in one training shard

    def files(self, shards: int) -> list[str]:
        """What `shards` training shards need, the pinned file first."""
        return [self.pinned] if self.shard_rows else [self.pinned, *(f"shard_{number:05d}.parquet" for number in range(shards))]

    def documents(self, paths: list[Path], shards: int) -> Iterator[tuple[str, bool]]:
        """Every document that is not blank, and whether it is pinned. `paths`: the downloaded `files`."""
        limit = None if self.pinned_rows is None else self.pinned_rows + shards * self.shard_rows
        for path in paths:
            for row, text in enumerate(folder.parquet(path)):
                if row == limit:
                    break
                if text.strip():
                    yield text, path.name == self.pinned and (self.pinned_rows is None or row < self.pinned_rows)


SOURCES = {
    source.name: source
    for source in (
        Source("climbmix", "karpathy/climbmix-400b-shuffle", 6542, 100_000_000, "shard_06542.parquet"),
        Source("tinystories", "karpathy/tinystories-gpt4-clean", 9, 0, "tinystories_gpt4_clean.parquet", 20_000, 310_000),
    )
}


def parse(spec: str) -> tuple[Source, int] | None:
    """`climbmix:8` -> (the source, 8); 0 where no number is given, None where `spec` is no such corpus. ValueError for a bad number."""
    name, colon, number = spec.partition(":")
    if name not in SOURCES:
        return None
    source = SOURCES[name]
    if not colon:
        return source, 0
    if not re.fullmatch(r"[1-9][0-9]{0,5}", number) or int(number) > source.most:
        raise ValueError(f"{spec!r} does not say how many training shards; write a number from 1 to {source.most:,}, such as `{name}:1`")
    return source, int(number)


def sized(spec: str, device: str, seconds: float) -> str:
    """`spec` with the number of shards that `seconds` of training on `device` can read once, where it names none."""
    try:
        found = parse(spec)
    except ValueError as error:
        raise RefereeError(str(error)) from None
    if not found or found[1]:
        return spec
    shards = math.ceil(seconds * TOKENS_PER_SECOND[device] / TOKENS)
    return f"{found[0].name}:{max(1, min(found[0].most, shards))}"
