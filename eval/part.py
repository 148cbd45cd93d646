"""A pre-warmed process that will run candidate code: trainer or worker, spawned in its sandbox before it knows what it will run."""

import sys
from collections.abc import Sequence
from pathlib import Path

from eval import outcome
from eval.errors import Failed, RefereeError
from eval.process import Child, clean_environment, spawn
from eval.sandbox import Sandbox
from eval.wire import channel_pair, memory_file

HELLO_SECONDS = 120.0  # for importing torch from a cold disk
COMPILED = "compiled"  # where torch and Triton keep what they have compiled, empty unless an earlier run's is put there
FOLDERS = ("home", "tmp", "work", "output")


class Part:
    """One process of ours: its private folders, our end of its socket, its shared memory, what it has `compiled`.

    `module`: trainer or worker; `name` tells two workers apart and names the folder, which is all that it may write."""

    def __init__(
        self,
        name: str,
        run: Path,
        staged: Path,
        sandbox: Sandbox,
        readable: Sequence[Path] = (),
        device: str = "cpu",
        module: str = "worker",
    ):
        self.name, self.module, self.folder = name, module, run / name
        for folder in FOLDERS:
            (self.folder / folder).mkdir(parents=True)
        self.channel, theirs = channel_pair()
        self.memory = memory_file(name)
        self.compiled = self.folder / "tmp" / COMPILED
        # Where the process sees it. bubblewrap shows our tmp as /tmp: the same path in every run, which Triton's files name
        self.inside = Path("/tmp", COMPILED) if sandbox.level == "bubblewrap" else self.compiled
        caches = {"TORCHINDUCTOR_CACHE_DIR": str(self.inside / "inductor"), "TRITON_CACHE_DIR": str(self.inside / "triton")}
        # torch keeps its compiled headers, 156 MB, outside of that folder: each run would compile them anew, for more than they save
        caches["TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"] = "0"
        env = clean_environment(self.folder / "home", self.folder / "tmp", {"PYTHONPATH": str(staged)} | caches)
        argv = [sys.executable, "-P", "-m", f"eval.{module}", "--socket", str(theirs.fileno()), "--memory", str(self.memory)]
        work = self.folder / "work"
        argv = sandbox.wrap(argv, cwd=work, write=[self.folder], read=[staged, *readable], private=self.folder / "tmp", device=device)
        self.child: Child = spawn(argv, work, env, pass_fds=(theirs.fileno(), self.memory))
        theirs.close()
        self.ready, self.worker = False, None  # worker: our end of the scoring (eval.score.Worker), once that has begun

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
            raise outcome.of_exit(code, self.child.log.settle(), oom_before, "waiting to score", self.folder)
        return self.hear()

    def broken(self) -> RefereeError | Failed:
        """Why it ended before any candidate ran: the interpreter's fault, unless someone killed it."""
        if (self.child.wait(2.0) or 0) < 0:
            return outcome.of_exit(self.child.returncode, self.child.log.settle(), outcome.oom_kills(), "starting up", self.folder)
        reason = outcome.last_exception(log := self.child.log.settle())
        if any("Permission denied" in line for line in log):
            hint = "a sandbox has no privileges: its folders, and those above them, must be open to the user who owns the run"
            return RefereeError(f"{sys.executable} cannot run the {self.module} in {self.folder} ({reason}); {hint}")
        return RefereeError(f"{sys.executable} cannot run the {self.module} ({reason}); `python:` must name one with torch and numpy")

    def kill(self) -> list[int]:
        """Ends the whole tree; the survivors, if any."""
        return self.child.kill()

    def greet(self, device: str) -> dict:
        """Waits for its torch and asks what machine this is. RefereeError if torch is missing or sees no such device."""
        self.channel.sock.settimeout(HELLO_SECONDS)
        try:
            hello = self.ready or self.channel.receive()
            self.channel.send(op="describe", device=device)
            answer = hello and self.channel.receive()
        except TimeoutError:
            late = f"{sys.executable} took over {HELLO_SECONDS:g} s to import torch"
            raise RefereeError(f"{late}; is its disk or memory exhausted?") from None
        if not answer:
            raise self.broken()
        if "error" in answer:
            raise RefereeError(answer["error"])
        self.channel.sock.settimeout(None)
        self.ready = True
        return answer["machine"]
