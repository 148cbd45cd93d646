"""How many rows of a batch fit the device: the client's half of `session.micro_batch`. Runs in the candidate's process, before the clock.

The answer is a function of the candidate and the device. What an earlier run of the same files found saves the climb; what another one
found only says where to begin: the answer is still the most that fits.
"""

import gc
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch

REMEMBERED = "rows.json"  # in the run's compile cache, which is handed on to repeats and descendants (eval.snapshot)
REMEMBERED_BYTES = 4096
CHAIN = 16  # errors behind an error that are looked at


def fit(largest: int, step: Callable[[int], None], device: str, cache: Path | None, shape: dict) -> int:
    """The first of `largest`, its half, a quarter, ... that `step(rows)` runs with. The last call of `step` is the one that fitted.

    `shape`: what the answer depends on beside the device, {"files": digest of the candidate, ...}. Raises what `step` raised with one
    row, and anything that is no lack of memory."""
    ladder = [largest]
    while ladder[-1] > 1:
        ladder.append(ladder[-1] // 2)
    if device.split(":")[0] == "cpu":  # memory is not what limits a batch there, and running out of it ends the process
        step(largest)
        return largest
    facts = describe(device) | {"largest": largest} | shape
    first = begin(ladder, facts, recall(cache), lambda rows: fits(rows, step, device))
    for rows in ladder[first:-1]:
        if fits(rows, step, device):
            break
    else:
        rows = ladder[-1]
        step(rows)
    remember(cache, facts | {"rows": rows})
    return rows


def begin(ladder: list[int], facts: dict, known: dict, fits: Callable[[int], bool]) -> int:
    """Which rung to try first. Other files on the same device and shape: one above what they found, and the top if even that fits."""
    rows = known.pop("rows", None)
    if rows not in ladder:
        return 0
    rung = ladder.index(rows)
    if known == facts:
        return rung
    if rung == 0 or known | {"files": ""} != facts | {"files": ""} or fits(ladder[rung - 1]):
        return 0
    return rung


def fits(rows: int, step: Callable[[int], None], device: str) -> bool:
    """Whether `step(rows)` runs. What a failed one held is free afterwards, and is not part of the peak that the result shows."""
    try:
        step(rows)
        return True
    except Exception as error:
        if not out_of_memory(error):
            raise
        print(f"{rows} rows do not fit the memory of {device}")
    free(device)  # out here: until the error is gone its traceback holds the tensors
    return False


def out_of_memory(error: BaseException | None) -> bool:
    """CUDA's own kind, MPS's RuntimeError, a library that could not allocate its workspace; also behind a compiler's error."""
    for _ in range(CHAIN):
        if error is None:
            return False
        text = str(error)
        if isinstance(error, torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and ("out of memory" in text.lower() or "STATUS_ALLOC_FAILED" in text):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def free(device: str) -> None:
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    elif device.startswith("mps"):
        torch.mps.synchronize()
        torch.mps.empty_cache()


def describe(device: str) -> dict:
    """{"device", "memory"}: name and bytes."""
    if device.startswith("cuda"):
        found = torch.cuda.get_device_properties(torch.device(device))
        return {"device": found.name, "memory": found.total_memory}
    return {"device": device, "memory": torch.mps.recommended_max_memory() if device.startswith("mps") else 0}


def recall(cache: Path | None) -> dict:
    """What an earlier run wrote down; {} where there is nothing, or nonsense: it is a file of a candidate's."""
    try:
        with open(cache / REMEMBERED if cache else os.devnull, "rb") as file:
            found = json.loads(file.read(REMEMBERED_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and type(found.get("rows")) is int else {}


def remember(cache: Path | None, found: dict) -> None:
    """Losing it costs a climb."""
    if cache is None:
        return
    try:
        cache.mkdir(parents=True, exist_ok=True)
        (cache / REMEMBERED).write_text(json.dumps(found))
    except OSError as error:
        print(f"the number of rows could not be kept ({error.strerror})")
