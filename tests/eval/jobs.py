"""Jobs for `tests.eval.test_crew`, run in processes of their own."""

import os
import time
from pathlib import Path


class Say:
    def __init__(self, folder: Path, word: str):
        self.folder, self.word = folder, word

    def __call__(self, task: int) -> bytes:
        with open(self.folder / "done", "a") as file:
            file.write(f"{task} {os.getpid()}\n")
        return f"{self.word}{task}".encode() * (task % 3) * 50_000


class Fail(Say):
    def __call__(self, task: int) -> bytes:
        if task == 3:
            raise ValueError("the third is broken")
        return b"fine"


class Die(Say):
    def __call__(self, task: int) -> bytes:
        os.kill(os.getpid(), 9)
        return b""


class Slow(Say):
    def __call__(self, task: int) -> bytes:
        (self.folder / f"pid{os.getpid()}").touch()
        time.sleep(60)
        return b""


class Stuck(Fail):
    def __call__(self, task: int) -> bytes:
        if task:
            time.sleep(60)
        return super().__call__(3)
