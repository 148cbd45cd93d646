"""What is known of the files of a named corpus: a record beside each, written with its first download.

It holds from then on: what the hub calls by the same name later must have the same sha256. The hub says a file's sha256 in advance; where
it does not (a mirror), the record has that of the first download. Records outlive their files, so that a prepared corpus is found again
when the shards were deleted to free the disk.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from eval.cache import explained
from eval.sources import Source


@dataclass(frozen=True)
class Record:
    """What a file is. `checked`: the hub said so in advance; else it is what the first download brought."""

    bytes: int
    sha256: str
    checked: bool
    url: str = ""
    commit: str = ""


def record_of(path: Path) -> Record | None:
    """None where the file was never here, or its record was not finished."""
    try:
        return Record(**json.loads(beside(path).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_record(path: Path, record: Record) -> None:
    temporary = beside(path).with_suffix(".new")
    temporary.write_text(json.dumps(asdict(record), indent=1) + "\n")
    os.replace(temporary, beside(path))


def beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def folder_of(source: Source, cache_dir: Path) -> Path:
    return Path(cache_dir) / "downloads" / source.name


def recorded(source: Source, shards: int, cache_dir: Path) -> list[Record] | None:
    """The records of the files, whether or not those are still here; None if one was never fetched."""
    with explained(Path(cache_dir)):
        found = [record_of(folder_of(source, cache_dir) / file) for file in source.files(shards)]
    return None if None in found else found


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
