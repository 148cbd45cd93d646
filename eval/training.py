"""Serving one training: batches out, telemetry in, the clock between them, and the end. The referee's half of `eval.session`.

One loop, no threads: it wakes for a message or every 20 ms, so a spent budget is noticed while the candidate computes.
"""

import os
import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eval.batches import Stream
from eval.checkpoint import allocated, clear, rehearsal
from eval.clock import POLL_SECONDS, Clock
from eval.early import Bound, Watch
from eval.errors import Failed
from eval.outcome import of_exit
from eval.process import Child
from eval.wire import Breach, Channel

STARTUP_SECONDS = {"cpu": 120.0, "cuda": 600.0, "mps": 600.0}  # wall, from launch to the first real batch; compiling takes minutes
MAX_BATCH_TOKENS = 1 << 26  # in one request: 128 x what a step of the GPU preset takes
SAVE_WALL_SECONDS = 60.0  # how long saving may take in wall time when the budget counts CPU seconds (a slow disk costs none)
EXIT_SECONDS = 4.0  # between the end of a socket and the end of its process: an interpreter with a GPU context winds down slowly
CURVE_POINTS = 20
STEPS_SEEN = 8  # the longest of the last requests' intervals stands for the next one's: gradient accumulation makes them uneven
LOSS_LIMIT = 1e9  # nats; a reported loss beyond is no number worth showing
PEAK_LIMIT = 1 << 50  # bytes; what claims more is no device
FLOPS_LIMIT = 1e18  # a token; what claims more is no model
MEMORY_SECONDS = 0.5  # between two looks at the resident memory


@dataclass
class Training:
    """What one training amounted to. Seconds; `train_seconds` and `save_seconds` are on the budget's clock."""

    steps: int = 0
    tokens: int = 0
    epochs: float = 0.0
    startup_seconds: float = 0.0
    train_seconds: float = 0.0
    train_wall_seconds: float = 0.0
    save_seconds: float = 0.0
    peak_memory: int = 0
    flops: float = 0.0  # forward and backward, for one token, as the candidate says
    loss: float | None = None
    sums: list = field(default_factory=lambda: [[0.0, 0.0, 0] for _ in range(CURVE_POINTS)])  # fraction, loss, count

    def report(self, fraction: float, loss) -> None:
        """One optimizer step at `fraction` of the budget."""
        self.steps += 1
        # the comparison is false for NaN, and a sum of such losses cannot overflow
        self.loss = float(loss) if isinstance(loss, int | float) and abs(loss) < LOSS_LIMIT else None
        if self.loss is not None:
            point = self.sums[min(CURVE_POINTS - 1, int(fraction * CURVE_POINTS))]
            point[0], point[1], point[2] = point[0] + fraction, point[1] + self.loss, point[2] + 1

    def curve(self) -> list[list[float]]:
        """[[fraction, mean loss]], one point for each twentieth of the budget that saw a step."""
        return [[round(f / n, 4), round(loss / n, 4)] for f, loss, n in self.sums if n]


class Server:
    """Serves `trainer` until its checkpoint is complete."""

    def __init__(
        self, trainer: Child, channel: Channel, memory: int, stream: Stream, clock: Clock, output: Path, launched: float, oom_before: int,
        bounds: Sequence[Bound] = (),
    ):  # fmt: skip
        self.trainer, self.channel, self.memory, self.stream, self.clock, self.output = trainer, channel, memory, stream, clock, output
        self.launched, self.oom_before = launched, oom_before
        self.rehearsal = output.parent.parent / "rehearsal"  # beside the trainer's folder, where it cannot write
        self.result, self.watch = Training(), Watch(bounds)
        self.stopped_at: float | None = None  # clock reading at which the budget was found spent
        self.stopped_wall = 0.0
        self.done = False
        self.before_first: Callable[[], None] = lambda: None  # called while the candidate waits for its first real batch
        self.waiting: int | None = None  # rows of a first batch that was asked for and not yet served
        self.slots = [0, 0]  # byte offset of each slot
        self.slot, self.slot_rows = 0, 0  # the next slot, and the rows that are already in it
        self.looked = 0.0
        self.served_at = 0.0  # clock reading of the last answer
        self.steps_took: deque[float] = deque([0.0], maxlen=STEPS_SEEN)

    def run(self, startup_seconds: float, others: Callable[[], bool], notify: Callable[[str, float, "Server"], None]) -> Training:
        """Returns when the checkpoint is complete; Failed otherwise. The process tree is still alive either way.

        `others()`: the worker is warm, so the first real batch need not wait for it (its torch import would share the cores with
        the training). Called on every turn; raises if the worker died."""
        while not self.done:
            select.select([] if self.channel.closed else [self.channel], [], [], POLL_SECONDS)
            try:
                for message in self.channel.pending():
                    self.handle(message)
            except Breach as breach:
                raise Failed("violation", f"the training process broke the protocol: {breach}") from None
            if others() and self.waiting is not None:
                self.first_batch()
            self.check(startup_seconds)
            notify(self.phase, self.clock.spent() / self.clock.budget.seconds, self)
        self.finish()
        return self.result

    @property
    def phase(self) -> str:
        return "startup" if not self.clock.started else "train" if self.stopped_at is None else "save"

    def handle(self, message: dict) -> None:
        op, rows = message["op"], message.get("rows")
        if op == "batch":
            length = self.stream.length
            if not isinstance(rows, int) or not 0 < rows * (length + 1) <= MAX_BATCH_TOKENS:
                reason = f"a batch of {rows} rows of {length} tokens is outside 1 to {MAX_BATCH_TOKENS // (length + 1)} rows"
                self.channel.send(wait=False, op="refused", reason=reason)
            elif not self.clock.started:
                self.waiting = rows
            else:
                self.batch(rows)
        elif op == "report":
            self.result.report(min(1.0, self.clock.spent() / self.clock.budget.seconds), message.get("loss"))
        elif op == "memory" and isinstance(peak := message.get("peak"), int) and peak < PEAK_LIMIT:
            self.result.peak_memory = max(self.result.peak_memory, peak)
        elif op == "flops" and type(told := message.get("per_token")) in (int, float) and 0 < told < FLOPS_LIMIT:  # false for NaN
            self.result.flops = float(told)
        elif op == "done":
            self.done = True

    def first_batch(self) -> None:
        """Ends the warm-up: what it saved goes (a copy is for the workers to rehearse with), the batch is laid out, the clock starts,
        the batch is handed over."""
        rows, self.waiting = self.waiting, None
        rehearsal(self.output, self.rehearsal)
        clear(self.output)
        self.before_first()  # before any text lies in the shared memory
        self.fill(rows)
        self.result.startup_seconds = time.monotonic() - self.launched
        self.clock.start()
        self.batch(rows)

    def batch(self, rows: int) -> None:
        """Answers one request: the rows were laid out beforehand, so this is one message; then lays out the next."""
        spent = self.clock.spent()
        self.steps_took.append(spent - self.served_at)
        self.served_at = spent
        # A step that will not end within the budget is not begun. So an honest run needs no time after it but for saving, and the
        # allowance can be tight: at `10s cpu` each second after the budget is worth 0.017 bpb of training that nobody paid for.
        if spent + max(self.steps_took) >= self.clock.budget.seconds or self.stopped_at is not None:
            self.stop(spent)
            os.ftruncate(self.memory, 0)
            self.channel.send(wait=False, op="stop")
            return
        if self.slot_rows != rows:
            self.fill(rows)
        offset = self.slots[self.slot]
        self.channel.send(wait=False, op="batch", offset=offset, progress=min(1.0, spent / self.clock.budget.seconds))
        self.stream.advance(rows)
        self.result.tokens += rows * self.stream.length
        self.slot ^= 1
        self.fill(rows)

    def fill(self, rows: int) -> None:
        """Puts the next `rows` rows into the next slot. Only train text and only what will be served ever lies in this memory."""
        data = self.stream.peek(rows)
        if self.slots[1] != data.nbytes:  # another batch size: lay out anew
            self.slots = [0, data.nbytes]
            os.ftruncate(self.memory, 2 * data.nbytes)
        os.pwrite(self.memory, data, self.slots[self.slot])
        self.slot_rows = rows

    def stop(self, spent: float) -> None:
        """The budget is spent: no more batches, and the one that was laid out is taken away.

        Only that one: the candidate may still be reading the last it was served. The rest goes when it asks again."""
        if self.stopped_at is None:
            self.stopped_at, self.stopped_wall = spent, time.monotonic()
            os.pwrite(self.memory, bytes(self.slots[1]), self.slots[self.slot])

    def check(self, startup_seconds: float) -> None:
        """Every deadline, and the process's own end."""
        code = self.trainer.poll()
        if code == 0:
            self.done = True
        if code is not None or self.channel.closed and not self.done:
            self.ended(code)
        budget, wall = self.clock.budget, time.monotonic()
        if wall - self.looked > MEMORY_SECONDS:
            self.looked = wall
            self.trainer.tree.peak_rss()
        if not self.clock.started:
            if wall - self.launched > startup_seconds and not self.done:
                raise Failed("timeout", f"start-up took longer than {startup_seconds:g} s: no real batch was asked for")
            return
        spent = self.clock.spent()
        if self.stopped_at is None and (why := self.watch.verdict(spent / budget.seconds, self.result.curve)):
            raise Failed("stopped", why)
        if spent >= budget.seconds:
            self.stop(spent)
        if self.done:
            return
        if self.clock.wall() > self.clock.wall_cap():
            raise Failed("timeout", f"it used only {spent:.1f} of {budget} in {self.clock.wall():.0f} s of wall time")
        if self.stopped_at is not None:
            size = allocated(self.output)
            allowance = budget.save_allowance(size)
            slow = self.clock.budget.clock == "cpu" and wall - self.stopped_wall > SAVE_WALL_SECONDS + allowance
            if spent - budget.seconds > allowance or slow:
                late = f"no complete checkpoint within {allowance:.1f} s after the budget of {budget}"
                raise Failed("timeout", f"{late}: the last step or the save is too slow")

    def ended(self, code: int | None) -> None:
        """The process is gone, or has closed its socket: complete, or a failure with its reason."""
        if code is None and (code := self.trainer.wait(EXIT_SECONDS)) is None:
            raise Failed("violation", "the training process closed the referee's socket and ran on")
        try:
            for message in self.channel.pending():  # what it said last
                self.handle(message)
        except Breach as breach:
            raise Failed("violation", f"the training process broke the protocol: {breach}") from None
        if code != 0 and not self.done:
            doing = "starting up" if not self.clock.started else "training" if self.stopped_at is None else "saving"
            raise of_exit(code, self.trainer.log.settle(0.2), self.oom_before, doing, self.output.parent)
        self.done = True

    def finish(self) -> None:
        """Reads the clock one last time. A candidate that never asked for a real batch has trained on nothing."""
        if not self.clock.started:
            raise Failed("crash", "it ended without asking for a real batch (session.batches)")
        spent, budget = self.clock.spent(), self.clock.budget
        over = spent - budget.seconds
        if over > budget.save_allowance(allocated(self.output)):
            raise Failed("timeout", f"the checkpoint was complete {over:.1f} s after the budget of {budget}")
        self.result.save_seconds = max(0.0, over)
        self.result.train_seconds, self.result.train_wall_seconds = min(spent, budget.seconds), self.clock.wall()
        self.result.epochs = self.stream.epochs
        self.result.peak_memory = self.result.peak_memory or self.trainer.tree.peak_rss()
