"""Is what the candidate left a checkpoint? Plain files, a size limit, a header we parse ourselves. Nothing is executed or unpickled."""

import contextlib
import json
import math
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from eval.errors import Failed

WEIGHTS, CONFIG = "model.safetensors", "config.json"
KEPT = (".safetensors", ".json")  # what the worker gets to see; a pickle or a cache left in the folder is left behind
SIZE_LIMIT = 8 << 30  # bytes, all kept files together: 4 G parameters in bf16, far above what a 5-minute run trains
REHEARSAL_LIMIT = 2 << 30  # bytes; above, copying costs more start-up than it is worth
HEADER_LIMIT = 100 << 20  # safetensors' own limit for its JSON header
ITEM_BITS = {"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16}


@contextlib.contextmanager
def entries(folder: Path) -> Iterator[tuple[int, list[os.DirEntry]]]:
    """(descriptor, entries by name) of the output folder. Failed unless it is a folder of its own.

    A link that the candidate put in its place would make the referee, which may do more, delete or hand on files elsewhere."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise Failed("crash", "no checkpoint: the folder session.output was removed") from None
    except OSError as error:
        raise Failed("violation", f"session.output is no longer the folder it was ({error.strerror})") from None
    try:
        yield descriptor, sorted(os.scandir(descriptor), key=lambda entry: entry.name)
    finally:
        os.close(descriptor)


def inspect(folder: Path) -> tuple[list[Path], int, int]:
    """(files to hand to the worker, their bytes, parameters). Failed if it is missing, damaged (crash) or breaks a rule (violation)."""
    files, total = [], 0
    with entries(folder) as (_, found):
        for entry in found:
            if entry.is_symlink():
                raise Failed("violation", f"the checkpoint holds a symbolic link ({entry.name}); only plain files are allowed")
            info = entry.stat(follow_symlinks=False)
            if not entry.name.endswith(KEPT) or stat.S_ISDIR(info.st_mode):
                continue
            if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
                raise Failed("violation", f"{entry.name} is not a plain file with one name; only such files are allowed in a checkpoint")
            files.append(folder / entry.name)
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
    if not os.access(path, os.R_OK):
        raise Failed("crash", f"{path.name} cannot be read: it was saved without read permission")
    with open(path, "rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(HEADER_LIMIT, size - 8):
            raise Failed("crash", f"{path.name} is damaged: it has {size} bytes and no safetensors header")
        try:
            header = json.loads(file.read(length))
            tensors = [entry for name, entry in header.items() if name != "__metadata__"]
            return sum(_elements(entry, size - 8 - length) for entry in tensors)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Failed("crash", f"{path.name} is damaged: {error}") from None


def _elements(entry: dict, room: int) -> int:
    begin, end = entry["data_offsets"]
    if not all(isinstance(number, int) and number >= 0 for number in entry["shape"]):
        raise ValueError(f"a tensor has the shape {entry['shape']}")
    elements = math.prod(entry["shape"])
    if not 0 <= begin <= end <= room or elements * ITEM_BITS.get(entry["dtype"], 8) > (end - begin) * 8 * 2:  # 4-bit types: factor 2
        raise ValueError(f"a tensor of {elements} {entry['dtype']} at bytes {begin} to {end} does not fit into {room}")
    return elements


def allocated(folder: Path) -> int:
    """Bytes on disk of what is being saved in `folder` (holes of a sparse file do not count, nor do files that are left behind)."""
    with contextlib.suppress(Failed, FileNotFoundError), entries(folder) as (_, found):  # gone, or renamed under our eyes
        return sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in found if entry.name.endswith(KEPT))
    return 0


def rehearsal(folder: Path, to: Path) -> None:
    """Copies what warm-up saved in `folder` to the new folder `to`; nothing if it is too large to be worth it. Failed as `entries` has it.

    Contents only, of plain files, through descriptors that follow no link and wait for no one: the candidate is alive meanwhile."""
    with entries(folder) as (descriptor, found), contextlib.suppress(OSError):  # a file that is gone or no file: no rehearsal
        if sum(entry.stat(follow_symlinks=False).st_size for entry in found) > REHEARSAL_LIMIT:
            return
        for entry in found:
            if entry.name.endswith(KEPT):
                source = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
                with open(source, "rb") as file:
                    if stat.S_ISREG(os.fstat(source).st_mode):
                        to.mkdir(exist_ok=True)
                        (to / entry.name).write_bytes(file.read(REHEARSAL_LIMIT))


def clear(folder: Path) -> None:
    """Removes the plain files: what warm-up saved is no result. Folders stay, and are never handed on. Failed if that cannot be done."""
    with entries(folder) as (descriptor, found):
        for entry in found:
            try:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=descriptor)
            except FileNotFoundError:
                continue  # the candidate removed it itself meanwhile
            except OSError as error:
                raise Failed("violation", f"{entry.name} in session.output cannot be removed ({error.strerror})") from None
