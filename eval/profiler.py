"""The process that trains under torch's profiler: `eval.trainer`, except that some steps are recorded and then it ends.

    python -P -m eval.profiler --socket FD --memory FD        (spawned by eval.profiling, never by hand)

Steps are optimizer steps, seen by a hook of torch; where a candidate has an optimizer of its own, its reports; else every batch. After
SKIP of them come `steps` without the profiler, whose time is what a step really takes, one that starts it, and `steps` with it. What
is left in session.output is this process's own word: `trace.json.gz` (a chrome trace) and `facts.json`. No checkpoint, no score.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.profiler import ProfilerActivity, profile, schedule

from eval import session, trainer

SKIP = 3  # steps that warm what the warm-up did not
TRACE, FACTS = "trace.json.gz", "facts.json"
LONGEST = 256  # batches of a step; what accumulates more, or stops stepping, is cut there
PEAK_SECONDS = 0.2
SIDES = {"cpu": 768, "mps": 4096, "cuda": 8192}  # of the square matrices that show how fast products can be here
COPIED = {"cpu": 1 << 26, "mps": 1 << 28, "cuda": 1 << 29}  # bytes


class Recorder:
    """Stands before `session.batches` and `session.report`, counts steps and starts, steps and ends the profiler."""

    def __init__(self, steps: int):
        self.steps, self.batches, self.report = steps, session.batches, session.report
        self.done = -1  # whole steps since the first real batch; -1 before it
        self.stepped = self.reported = self.optimizers = self.reports = False
        self.since, self.tokens, self.served = 0, 0, 0  # batches since the last step; tokens and batches while steps are counted
        self.profiler = None
        self.plain = self.began = 0.0

    def install(self) -> None:
        register_optimizer_step_post_hook(self.after_step)
        session.batches, session.report = self.watched, self.reporting

    def after_step(self, *_) -> None:
        self.stepped = self.optimizers = True

    def reporting(self, loss) -> None:
        self.reported = self.reports = True
        self.report(loss)

    def watched(self, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for pair in self.batches(batch_size):
            self.look()
            self.served, self.tokens, self.since = self.served + 1, self.tokens + pair[0].numel(), self.since + 1
            yield pair
        recorded = self.done - SKIP - self.steps - 1
        if self.profiler is None or recorded < 1:
            needed = SKIP + 1 + 2 * self.steps
            raise RuntimeError(f"the time for a profile was spent after {max(0, self.done)} of {needed} steps; ask for fewer (--steps)")
        self.finish(recorded)

    @property
    def ended(self) -> bool:
        """Whether a step has ended since the last one did."""
        if self.optimizers or self.reports:
            return (self.stepped if self.optimizers else self.reported) or self.since >= LONGEST
        return True

    def look(self) -> None:
        """Called with every batch, before the candidate gets it."""
        if self.done >= 0 and not self.ended:
            return
        self.done, self.since = self.done + 1, 0
        self.stepped = self.reported = False
        at = self.done - SKIP
        if at in (0, self.steps, self.steps + 1, 2 * self.steps + 1):  # what is queued belongs to the step before
            synchronize()
        if at == 0:
            self.served, self.tokens, self.began = 0, 0, time.perf_counter()
        elif at == self.steps:
            self.plain = (time.perf_counter() - self.began) / self.steps
            self.per_step = {"batches": self.served / self.steps, "tokens": self.tokens / self.steps}
            plan = schedule(wait=0, warmup=1, active=self.steps, repeat=1)
            self.profiler = profile(activities=activities(), schedule=plan, record_shapes=True)
            self.profiler.start()
        elif at > self.steps:
            self.profiler.step()
            if at == 2 * self.steps + 1:
                self.finish(self.steps)

    def finish(self, recorded: int) -> None:
        """Writes both files and ends the process: nothing that comes after would be looked at."""
        self.profiler.stop()
        self.profiler.export_chrome_trace(str(session.output / TRACE))
        session.report_memory()
        facts = {"steps": recorded, "step_seconds": self.plain, "threads": torch.get_num_threads(), **self.per_step, **peaks()}
        (session.output / FACTS).write_text(json.dumps(facts))
        sys.stdout.flush()
        session._channel.send(op="done")
        os._exit(0)


def activities() -> list[ProfilerActivity]:
    return [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if session.device == "cuda" else [])]


def synchronize() -> None:
    if session.device != "cpu":
        getattr(torch, session.device).synchronize()


def peaks() -> dict[str, float | None]:
    """What this device does at best, with the candidate's own threads and precision: FLOP/s of a product by dtype, bytes/s of a copy."""
    side, size = SIDES[session.device], COPIED[session.device]
    found: dict[str, float | None] = {}
    for name, dtype in (("float32_flops", torch.float32), ("bfloat16_flops", torch.bfloat16)):
        square = partial(torch.full, (2, side, side), 0.5, dtype=dtype, device=session.device)
        found[name] = rate(square, lambda x: x[0] @ x[1], 2 * side**3)
    found["copy_bytes"] = rate(lambda: torch.zeros(2, size // 4, device=session.device), lambda x: x[0].copy_(x[1]), 2 * size)
    return found


def rate(make: Callable[[], torch.Tensor], work: Callable[[torch.Tensor], object], amount: float) -> float | None:
    """`amount` per second of the fastest of the calls that fit into PEAK_SECONDS; None where this device cannot do it."""
    try:
        data, best, end = make(), float("inf"), time.perf_counter() + PEAK_SECONDS
        while best == float("inf") or time.perf_counter() < end:
            synchronize()
            began = time.perf_counter()
            work(data)
            synchronize()
            best = min(best, time.perf_counter() - began)
        return amount / best
    except RuntimeError:  # out of memory, or no such product
        return None


if __name__ == "__main__":
    trainer.main(before=lambda go: Recorder(go["steps"]).install())
