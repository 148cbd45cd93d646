"""A pre-warmed process that will run candidate code: trainer or worker, spawned before anyone knows the candidate.

The one place where a sandbox wraps their argv is `isolated`, below.
"""

import sys
from pathlib import Path

from eval import outcome
from eval.errors import Failed, RefereeError
from eval.process import Child, clean_environment, spawn
from eval.wire import channel_pair, memory_file

HELLO_SECONDS = 120.0  # for importing torch from a cold disk


def isolated(argv: list[str], folder: Path) -> list[str]:
    """The one place where a sandbox wraps a process of the candidate. `folder` is all that it may write. Level: none, yet."""
    return argv


class Part:
    """A pre-warmed process of ours (trainer or worker): its private folders, our end of its socket, its shared memory."""

    def __init__(self, role: str, run: Path, staged: Path):
        self.role, self.folder = role, run / role
        for name in ("home", "tmp", "work", "output"):
            (self.folder / name).mkdir(parents=True)
        self.channel, theirs = channel_pair()
        self.memory = memory_file(role)
        env = clean_environment(self.folder / "home", self.folder / "tmp", {"PYTHONPATH": str(staged)})
        argv = [sys.executable, "-P", "-m", f"eval.{role}", "--socket", str(theirs.fileno()), "--memory", str(self.memory)]
        self.child: Child = spawn(isolated(argv, self.folder), self.folder / "work", env, pass_fds=(theirs.fileno(), self.memory))
        theirs.close()
        self.ready = False

    def hear(self) -> bool:
        """True once it has said hello (torch is imported). RefereeError or Failed if it died, see `broken`."""
        if not self.ready:
            self.ready = any(message["op"] == "hello" for message in self.channel.pending())
            if not self.ready and self.channel.closed:
                raise self.broken()
        return self.ready

    def alive(self, oom_before: int) -> bool:
        """`hear`, but Failed if it ended after that: nobody of ours ends it, so someone outside did, or memory ran out."""
        if self.ready and (code := self.child.poll()) is not None:
            raise outcome.of_exit(code, self.child.log.settle(), oom_before, "waiting to score")
        return self.hear()

    def broken(self) -> RefereeError | Failed:
        """Why it ended before any candidate ran: the interpreter's fault, unless someone killed it."""
        if (self.child.wait(2.0) or 0) < 0:
            return outcome.of_exit(self.child.returncode, self.child.log.settle(), outcome.oom_kills(), "starting up")
        reason = outcome.last_exception(self.child.log.settle())
        return RefereeError(f"{sys.executable} cannot run the {self.role} ({reason}); `python:` must name one with torch and numpy")

    def kill(self) -> list[int]:
        """Ends the whole tree; the survivors, if any."""
        return self.child.kill()

    def greet(self, device: str) -> dict:
        """Waits for the trainer's torch and asks it what machine this is. RefereeError if torch is missing or sees no such device."""
        self.channel.sock.settimeout(HELLO_SECONDS)
        try:
            hello = self.channel.receive()
            self.channel.send(op="describe", device=device)
            answer = hello and self.channel.receive()
        except TimeoutError:
            late = f"{sys.executable} took over {HELLO_SECONDS:g} s to import torch"
            raise RefereeError(f"{late}; is its disk or memory exhausted?") from None
        if not answer:
            raise self.broken()
        self.channel.sock.settimeout(None)
        return answer["machine"]
