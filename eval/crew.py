"""Work that several processes share while a corpus is prepared: results in the order of the tasks, and never many of them in memory.

    for result in spread("eval.encode:Encode", folder, {"split": "train"}, tasks=40, workers=8): ...

A job is a class: `Job(folder, **arguments)` opens what it needs in the build folder, `job(task)` answers one task with bytes. Worker k of n
does the tasks k, k + n, ...: nobody hands anything out, and a pipe that is full makes its worker wait. A worker dies with its parent.
"""

import importlib
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from eval.errors import RefereeError
from eval.fingerprint import cores
from eval.process import Child, clean_environment, spawn

WORTH_BYTES = 1 << 22  # of text for each worker: below, starting it takes longer than the work
LENGTH = struct.Struct("<q")  # what stands before each result


def hands(size: int) -> int:
    """How many workers `size` bytes of text are worth on this machine."""
    return max(1, min(cores(), size // WORTH_BYTES))


def spread(job: str, folder: Path, arguments: dict, tasks: int, workers: int) -> Iterator[bytes]:
    """The answers to the tasks 0 .. `tasks` - 1, in order. One worker is this process. RefereeError when a worker ends early."""
    workers = min(workers, tasks)
    if workers <= 1:
        work = hire(job)(folder, **arguments)
        yield from map(work, range(tasks))
        return
    environment = clean_environment(folder, folder, {"PYTHONPATH": str(Path(__file__).resolve().parents[1])})
    argv = [sys.executable, "-P", "-m", "eval.crew", job, str(folder), json.dumps(arguments), str(tasks), str(workers)]
    crew: list[Child] = []
    try:
        for number in range(workers):
            crew.append(spawn([*argv, str(number)], folder, environment, stdout=subprocess.PIPE))
        for task in range(tasks):
            yield answer(crew[task % workers])
    finally:
        for child in crew:
            child.stdout.close()
            child.kill()


def answer(child: Child) -> bytes:
    """The next result of one worker."""
    head = child.stdout.read(LENGTH.size)
    data = child.stdout.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else None
    if data is None or len(data) < LENGTH.unpack(head)[0]:
        child.wait(5)
        last = (child.log.settle() or ["it said nothing; was the memory full?"])[-1]
        raise RefereeError(f"a process that prepared a part of the corpus ended with {child.returncode} ({last}); run again")
    return data


def hire(job: str) -> type:
    module, _, name = job.partition(":")
    return getattr(importlib.import_module(module), name)


def main(job: str, folder: str, arguments: str, tasks: str, workers: str, number: str) -> None:
    work = hire(job)(Path(folder), **json.loads(arguments))
    for task in range(int(number), int(tasks), int(workers)):
        data = work(task)
        sys.stdout.buffer.write(LENGTH.pack(len(data)))
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
