"""Is what the candidate left a checkpoint? Plain files, a size limit, a header we parse ourselves. Nothing is executed or unpickled."""

import json
import math
import os
import stat
import struct
from pathlib import Path

from eval.errors import Failed

WEIGHTS, CONFIG = "model.safetensors", "config.json"
KEPT = (".safetensors", ".json")  # what the worker gets to see; a pickle or a cache left in the folder is left behind
SIZE_LIMIT = 8 << 30  # bytes, all kept files together: 4 G parameters in bf16, far above what a 5-minute run trains
HEADER_LIMIT = 100 << 20  # safetensors' own limit for its JSON header
ITEM_BITS = {"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16}


def inspect(folder: Path) -> tuple[list[Path], int, int]:
    """(files to hand to the worker, their bytes, parameters). Failed if it is missing, damaged (crash) or breaks a rule (violation)."""
    files, total = [], 0
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_symlink():
            raise Failed("violation", f"the checkpoint holds a symbolic link ({entry.name}); only plain files are allowed")
        info = entry.stat(follow_symlinks=False)
        if not entry.name.endswith(KEPT) or stat.S_ISDIR(info.st_mode):
            continue
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
            raise Failed("violation", f"{entry.name} is not a plain file with one name; only such files are allowed in a checkpoint")
        files.append(Path(entry.path))
        total += info.st_size  # the apparent size, so that a sparse file counts in full
    if total > SIZE_LIMIT:
        raise Failed("violation", f"the checkpoint has {total / 1e9:.1f} GB, over the limit of {SIZE_LIMIT / 1e9:.1f} GB")
    names = [path.name for path in files]
    for name in (WEIGHTS, CONFIG):
        if name not in names:
            raise Failed("crash", f"no checkpoint: {name} is missing in session.output (found: {', '.join(names) or 'nothing'})")
    parameters = sum(count_parameters(path) for path in files if path.suffix == ".safetensors")
    return files, total, parameters


def count_parameters(path: Path) -> int:
    """Elements over all tensors of a safetensors file, from its header: u64 length, JSON {name: {dtype, shape, data_offsets}}, data.

    https://github.com/huggingface/safetensors#format. Failed("crash") if header or offsets do not fit the file."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(HEADER_LIMIT, size - 8):
            raise Failed("crash", f"{path.name} is damaged: it has {size} bytes and no safetensors header")
        try:
            header = json.loads(file.read(length))
            tensors = [entry for name, entry in header.items() if name != "__metadata__"]
            return sum(_elements(entry, size - 8 - length) for entry in tensors)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Failed("crash", f"{path.name} is damaged: {error}") from None


def _elements(entry: dict, room: int) -> int:
    begin, end = entry["data_offsets"]
    elements = math.prod(entry["shape"])
    if not 0 <= begin <= end <= room or elements * ITEM_BITS.get(entry["dtype"], 8) > (end - begin) * 8 * 2:  # 4-bit types: factor 2
        raise ValueError(f"a tensor of {elements} {entry['dtype']} at bytes {begin} to {end} does not fit into {room}")
    return elements


def allocated(folder: Path) -> int:
    """Bytes on disk below `folder` while it is being written (holes of a sparse file do not count). 0 if it is not there."""
    try:
        return sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in os.scandir(folder))
    except FileNotFoundError:  # renamed under our eyes: the next poll sees it
        return 0


def clear(folder: Path) -> None:
    """Removes the plain files: what warm-up saved is no result. Folders stay, and are never handed on."""
    for entry in os.scandir(folder):
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
