"""A corpus: text -> one prepared folder of tokens, splits and byte lengths, and the numpy-only way to read it.

`prepare` runs once, in the controller's environment (tokenizers, tiktoken; pyarrow for .parquet). `Corpus.open` runs wherever a
measurement runs and needs numpy alone.

    python -m eval.corpus embedded 2048         (prints the prepared folder)
    python -m eval.corpus path:my-texts 8192
    python -m eval.corpus climbmix:10 8192      (from the Hugging Face hub, see `eval.sources`)

The folder, `<cache>/corpora/<name>-<vocab_size>-<key>/`:

    meta.json            format, digest, vocabulary, pattern, splits, source; what `Corpus.meta` holds
    tokenizer.tiktoken   the learned tokens (tiktoken's format); trained on train alone
    token_bytes.npy      int32 (V,)
    train.bin val.bin sealed.bin audit.bin   uint16, or uint32 above 65,536 ids; for each document BOS, then its tokens

Two names for two questions. The *key* in the folder's name answers "is it prepared already?": sha256 of what went in (content,
vocab_size, FORMAT), so a changed text folder is a new corpus while renamed, touched or reordered files are not. The *digest* answers
"are two measurements comparable?": sha256 of what came out, because another version of a library may cut the same text differently.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eval.build import FILES, build, describe
from eval.cache import default_cache_dir, explained, locked
from eval.encode import PRIVATE
from eval.errors import RefereeError
from eval.origins import origin_of
from eval.shards import sha256
from eval.split import SPLITS
from eval.store import hash_of

__all__ = ["FILES", "PRIVATE", "Corpus", "default_cache_dir", "hash_of", "prepare", "sha256"]

FORMAT = 2  # raise it with every change of what prepare writes


class Corpus:
    """A prepared folder, checked and opened. Make it with `Corpus.open`."""

    def __init__(self, path: Path, meta: dict):
        self.path, self.meta = path, meta
        self.digest: str = meta["digest"]
        self.vocab_size: int = meta["vocab_size"]
        self.bos: int = meta["bos"]
        self.held: dict[str, np.ndarray] = {}

    @classmethod
    def open(cls, path: Path) -> "Corpus":
        """Cheap checks only: meta.json agrees with its own digest, every file is there in its full size. RefereeError otherwise."""
        path = Path(path)
        damaged = f"{path} is not an intact prepared corpus: {{}}; delete the folder and prepare it again"
        try:
            meta = json.loads((path / "meta.json").read_text())
            sizes = {name: (path / name).stat().st_size for name in FILES}
        except (OSError, ValueError) as error:
            raise RefereeError(damaged.format(error)) from error
        if not isinstance(meta, dict) or meta.get("format") != FORMAT:
            raise RefereeError(damaged.format(f"meta.json is not of format {FORMAT}"))
        if meta.get("digest") != digest_of(meta):  # from here on meta is what prepare wrote
            raise RefereeError(damaged.format("meta.json does not agree with its digest"))
        for name, size in sizes.items():
            if size != meta["files"][name]["bytes"]:
                raise RefereeError(damaged.format(f"{name} has {size} bytes instead of {meta['files'][name]['bytes']}"))
        return cls(path, meta)

    def undamaged(self) -> bool:
        """Whether every file has the bytes that `prepare` wrote. Reads them all: about 1 s per GB."""
        return all(sha256(self.path / name) == self.meta["files"][name]["sha256"] for name in FILES)

    def hold(self, *splits: str) -> None:
        """Keeps private copies of `splits` in memory from now on: a file that someone rewrites changes nothing that is read after this."""
        self.held |= {split: np.array(self.tokens(split)) for split in splits}

    def tokens(self, split: str) -> np.ndarray:
        """uint16 or uint32 (tokens of the split,), read-only, of "train", "val", "sealed" or "audit"."""
        assert split in SPLITS, f"no split is called {split!r}"
        if split in self.held:
            return self.held[split]
        return np.memmap(self.path / f"{split}.bin", dtype=self.meta["dtype"], mode="r")

    @property
    def token_bytes(self) -> np.ndarray:
        """int32 (V,): raw bytes of each token, 0 for special tokens."""
        return np.load(self.path / "token_bytes.npy", allow_pickle=False)

    def encoding(self):
        """tiktoken.Encoding, for people and for tests: no measurement needs it."""
        from eval import tokenizer

        return tokenizer.load(self.path / "tokenizer.tiktoken", self.meta["pattern"], self.meta["special_tokens"])


def digest_of(meta: dict) -> str:
    """16 hex digits over everything in meta.json that a result depends on: not where the text came from."""
    parts = {name: meta.get(name) for name in ("format", "vocab_size", "bos", "pattern", "special_tokens", "dtype", "splits", "files")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


# ---------------------------------------------------------------------------------------------------------------------------------
# preparing


def prepare(spec: str, vocab_size: int, cache_dir: Path, notify: Callable[[str], None] = lambda text: None) -> Path:
    """The prepared folder of `embedded`, `path:DIR` or `climbmix:8`; built on the first call, checked and returned on later ones.

    Concurrent callers wait for one builder. A kill leaves a half-built folder that the next builder of the same corpus deletes.
    RefereeError, one sentence with the fix: bad spec, folder missing or empty, too little text, cache not writable, disk full, no pip, no
    way to the hub."""
    cache_dir = Path(cache_dir)
    origin = origin_of(spec, cache_dir)
    if not origin.content:
        if brought := prepared(cache_dir, origin.name, vocab_size):
            notify(f"{brought} is used: its shards were never fetched here")
            return brought
        origin.fetch(notify)
    final = cache_dir / "corpora" / f"{origin.name}-{vocab_size}-{key_of(origin.content, vocab_size)}"
    if intact(final):
        return final
    waiting = f"another process is preparing {spec}; waiting for it to end"
    with explained(cache_dir), locked(final.with_suffix(".lock"), lambda: notify(waiting)):
        if intact(final):  # whoever held the lock before us built it
            return final
        for leftover in final.parent.glob(f"{final.name}.build-*"):
            shutil.rmtree(leftover)
        built = Path(tempfile.mkdtemp(prefix=f"{final.name}.build-", dir=final.parent))
        try:
            store, side, facts, source = origin.load(built / "work", notify)
            meta = {"format": FORMAT, "name": spec.partition(":")[0]} | build(built, store, side, vocab_size, notify)
            meta |= {"split": facts, "source": source | {"copies_dropped": store.copies}}
            describe(built, {"digest": digest_of(meta)} | meta)
            publish(built, final)
        finally:
            shutil.rmtree(built, ignore_errors=True)
    return final


def prepared(cache_dir: Path, name: str, vocab_size: int) -> Path | None:
    """The one intact corpus that goes by this name and size, for a machine that was brought it: without its shards, perhaps without a
    network. None where there are several: only the shards say which is meant."""
    found = [path for path in (cache_dir / "corpora").glob(f"{name}-{vocab_size}-{'[0-9a-f]' * 16}") if intact(path)]
    return found[0] if len(found) == 1 else None


def intact(path: Path) -> bool:
    """Whether `path` is a complete, undamaged corpus. Reads it all, once per `prepare`: damage found here costs a rebuild, not a night."""
    with explained(path.parent.parent):
        if not path.exists():
            return False
        try:
            corpus = Corpus.open(path)
        except RefereeError:
            return False
        # outside the try: a file of another user (0600) is no damage, and stays an error that says so
        return corpus.undamaged()


def publish(built: Path, final: Path) -> None:
    """Gives the finished folder its name in one step. The lock is held; only a damaged folder can stand in the way."""
    if final.exists():
        # a sibling, so that the damaged one disappears in one step too; its open memory maps stay valid
        trash = final.with_name(f"{final.name}.build-damaged-{os.getpid()}")
        os.rename(final, trash)
        shutil.rmtree(trash)
    os.rename(built, final)


def key_of(content: str, vocab_size: int) -> str:
    return hashlib.sha256(f"{FORMAT} {vocab_size} {content}".encode()).hexdigest()[:16]


def main(arguments: list[str]) -> None:
    if len(arguments) != 2 or not arguments[1].isdecimal():
        sys.exit("usage: python -m eval.corpus embedded|path:DIR|climbmix:N|tinystories:N VOCAB_SIZE    (for example: embedded 2048)")
    try:
        print(prepare(arguments[0], int(arguments[1]), default_cache_dir(), notify=lambda text: print(text, file=sys.stderr)))
    except RefereeError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
