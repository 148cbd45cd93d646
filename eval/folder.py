"""`corpus: path:DIR`: the documents of a folder of .txt (one document a file), .jsonl (field `text`) and .parquet (column `text`).

Files and folders whose name starts with a dot are ignored, folders behind links are not entered. A .txt that is not UTF-8 or
may not be read is skipped and counted, because folders of text collect strays; a broken .jsonl or .parquet is an error that names
the place, because a data set that ends half way should not train silently.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from eval.errors import RefereeError

SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can spell lone ones, which UTF-8 cannot carry: they become U+FFFD
SUFFIXES = (".txt", ".jsonl", ".parquet")


def files(root: Path) -> list[Path]:
    """All files of the three kinds below `root`, sorted. RefereeError when the folder is missing, closed or holds none."""
    if not root.is_dir():
        raise RefereeError(f"the corpus folder {root} does not exist or is not a folder; check `corpus: path:`")

    def refuse(error: OSError) -> None:
        raise RefereeError(f"the corpus folder {error.filename} cannot be listed ({error.strerror})") from error

    found = []
    for folder, below, names in os.walk(root, onerror=refuse):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [Path(folder) / name for name in names if name.endswith(SUFFIXES) and not name.startswith(".")]
    if not found:
        raise RefereeError(f"the corpus folder {root} holds no .txt, .jsonl or .parquet file (folders inside it are searched too)")
    return sorted(found)


def documents(root: Path, tally: Counter) -> Iterator[str]:
    """Every document that is not blank, as valid Unicode. `tally` counts "files" and "skipped" (files)."""
    readers = {".txt": txt, ".jsonl": jsonl, ".parquet": parquet}
    for path in files(root):
        tally["files"] += 1
        if path.exists() and not path.is_file():  # opening a fifo waits for ever, a device may never end
            raise RefereeError(f"{path} is not a plain file; move it out of the corpus folder")
        try:
            for text in readers[path.suffix](path):
                if text.strip():
                    yield text if text.isascii() else SURROGATE.sub("\ufffd", text)
        except (UnicodeDecodeError, OSError) as error:
            if path.suffix != ".txt" or not isinstance(error, UnicodeDecodeError | PermissionError):
                raise RefereeError(f"{path} cannot be read ({error}); repair it, or move it out of the corpus folder") from error
            tally["skipped"] += 1


def txt(path: Path) -> Iterator[str]:
    # newline="" keeps line ends as they are: bits per byte counts the bytes of the file
    with open(path, encoding="utf-8-sig", newline="") as file:
        yield file.read()


def jsonl(path: Path) -> Iterator[str]:
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise RefereeError(f"{path}, line {number} is not JSON ({error}); repair or remove the line") from None
            if not isinstance(record, dict) or not isinstance(record.get("text"), str):
                raise RefereeError(f"{path}, line {number} has no string field `text`; each line must be an object with one")
            yield record["text"]


def parquet(path: Path) -> Iterator[str]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise RefereeError(f"{path} needs pyarrow; run `pip install pyarrow`, or convert the file to .jsonl") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if "text" not in file.schema_arrow.names:
                raise RefereeError(f"{path} has no column `text`, only {', '.join(file.schema_arrow.names)}; rename the column")
            for batch in file.iter_batches(batch_size=1024, columns=["text"]):
                yield from (text for text in batch.column(0).to_pylist() if isinstance(text, str))
    except pyarrow.ArrowInvalid as error:
        raise RefereeError(f"{path} is not a readable parquet file ({error})") from error
