"""The metric: bits per byte of the split's text under the model, computed by the referee from logits it copied (`eval.readers`).

The worker gets inputs and returns logits; log-softmax, the targets' bits and the count of bytes (exact UTF-8 bytes of each
token) are ours, so an un-normalized answer changes nothing. Accumulated in float64.
"""

import math
import os
import select
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from eval.errors import Failed, RefereeError
from eval.outcome import of_exit
from eval.process import Child
from eval.readers import ITEM, reader
from eval.wire import Breach, Channel

# Logits of one block, bytes. Small enough to stay in a CPU's cache between worker and referee, large enough to fill a GPU.
BLOCK_BYTES = {"cpu": 16 << 20, "mps": 64 << 20, "cuda": 512 << 20}
LIGHT_SHARE = 0.05  # of the scored rows, at most, in one block: a block of probes is what every measurement pays
LOAD_SECONDS, BLOCK_SECONDS = 120.0, 60.0  # wall; compiling and a cold GPU included


@dataclass
class Score:
    """`bits` and `bytes` over the scored tokens (special tokens have no bytes and are not scored); `per_token`: (rows, T) bits."""

    bits: float
    bytes: int
    tokens: int
    per_token: np.ndarray


def windows(count: int, length: int, eval_tokens: int) -> np.ndarray:
    """Starts of `eval_tokens // length` rows spread evenly over a split of `count` tokens: the same for every seed and candidate.

    Rows are at least length + 1 apart, so each target is scored once and no row's target is another row's input.
    RefereeError if the split is too small."""
    rows = eval_tokens // length
    if rows < 1 or rows * (length + 1) > count:
        most = count // (length + 1) * length
        hint = f"set eval_tokens between {length} and {most}"
        raise RefereeError(f"cannot score {eval_tokens} tokens in rows of {length}: the split holds {count}; {hint}")
    return np.arange(rows, dtype=np.int64) * (count - length - 1) // max(1, rows - 1)

COST_ADVICE = (
    "Loading may cost what saving may, and scoring what training cost for as many tokens. Let warm-up save a checkpoint: load_model and a "
    "forward pass are then rehearsed with it, off the clock, which is the time to compile."
)


def block_rows(rows: int, length: int, vocab: int, device: str) -> int:
    """Rows of every block, of both workers, when `rows` are scored: a matrix product may round differently at another shape.

    As many as fit BLOCK_BYTES and LIGHT_SHARE; one row where there are fewer than 20, which is then more than LIGHT_SHARE."""
    most = max(1, min(BLOCK_BYTES[device] // (4 * length * vocab), int(rows * LIGHT_SHARE)))
    return math.ceil(rows / math.ceil(rows / most))


class Worker:
    """The referee's end of a worker process: loads a checkpoint, hands out blocks, takes logits back.

    `watch`, if set, is called while we wait: it raises when the process takes too much of the machine. `saw_text`: it has had inputs, so
    what it says may be validation text, and no word of it goes into a reason, which a proposer reads. `scratch`: where its files lie."""

    def __init__(self, child: Child, channel: Channel, memory: int, oom_before: int):
        self.child, self.channel, self.memory, self.oom_before = child, channel, memory, oom_before
        self.watch: Callable[[], None] | None = None
        self.place: Callable[[], None] | None = None  # puts the checkpoint where it is loaded from, once the candidate is imported
        self.rehearsal = ""  # folder with what warm-up saved, if it saved anything
        self.meter: Callable[[], float] | None = None  # seconds it has used, on the budget's clock
        self.allowance: Callable[[int], float] | None = None  # seconds that loading and scoring so many tokens may cost
        self.saw_text, self.scratch = False, None
        self.words: list[str] = []  # what it had said before it saw text

    def expect(self, op: str, seconds: float, doing: str) -> dict:
        """The next message, which must be `op`. Failed on anything else: an error, an end, silence."""
        deadline = time.monotonic() + seconds
        while True:
            select.select([self.channel], [], [], 0.05)
            try:
                messages = self.channel.pending()
            except Breach as breach:
                raise self.broken(breach) from None
            if messages:
                self.channel.lines = messages[1:] + self.channel.lines
                if messages[0]["op"] != op:
                    raise self.broken(Breach(f"it sent {messages[0]['op'][:80]!r} where {op!r} was due"))
                return messages[0]
            if self.channel.closed:
                code = self.child.wait(2.0)
                log = self.child.log.settle(0.2)
                raise of_exit(code, log, self.oom_before, doing, self.scratch, saw_text=self.saw_text)
            if self.watch is not None:
                self.watch()
            if time.monotonic() > deadline:
                raise Failed("timeout", f"{doing} took longer than {seconds:g} s")

    def broken(self, breach: Breach) -> Failed:
        """The violation behind `breach`, whose words are the worker's."""
        return Failed("violation", "the scoring process broke the protocol" + ("" if self.saw_text else f": {breach}"))


class Desk:
    """A worker with its checkpoint loaded: blocks of token ids go out, bits of the targets come back.

    `order`: candidate, entry, output, vocab_size, sequence_length, device. `rows` in each block, token ids of `dtype`."""

    def __init__(self, worker: Worker, order: dict, rows: int, dtype: np.dtype):
        self.worker, self.rows, self.number = worker, rows, np.dtype(dtype)
        self.shape = (rows, order["sequence_length"], order["vocab_size"])
        self.dtypes: set[str] = set()  # of the logits so far
        inputs = -(-rows * self.shape[1] * self.number.itemsize // 4096) * 4096
        logits = -(-math.prod(self.shape) * 4 // 4096) * 4096
        self.inputs, self.logits = (0, inputs), (2 * inputs, 2 * inputs + logits)
        size = 2 * (inputs + logits)
        os.ftruncate(worker.memory, size)
        layout = {"rows": rows, "dtype": self.number.name, "inputs": self.inputs, "logits": self.logits, "size": size}
        self.reader = reader(order["vocab_size"], order["device"])
        worker.channel.send(op="import", seed=0, **order)
        worker.expect("imported", LOAD_SECONDS, "importing the candidate for scoring")
        if worker.rehearsal:
            worker.channel.send(op="rehearse", seed=0, rows=rows, **order | {"output": worker.rehearsal})
            worker.expect("rehearsed", LOAD_SECONDS, "rehearsing the scoring")
        if worker.place:
            worker.place()
        self.began, self.tokens = worker.meter() if worker.meter else 0.0, 0
        worker.channel.send(op="load", seed=0, **order, **layout)
        worker.expect("loaded", LOAD_SECONDS, "loading the checkpoint")

    def settle(self) -> None:
        """Failed("timeout") if loading and scoring so far cost more than they may: training there would be training for nothing."""
        if not (self.worker.meter and self.worker.allowance):
            return
        spent, allowed = self.worker.meter() - self.began, self.worker.allowance(self.tokens)
        if spent > allowed:
            reason = f"loading and scoring took {spent:.1f} s of the budget's clock, {allowed:.1f} s are allowed"
            raise Failed("timeout", reason, explanation=COST_ADVICE)

    def bits(self, blocks: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
        """For each block of (inputs, targets), both (rows, T): float64 (rows, T), the targets' bits.

        Two blocks are under way, one computed while the other is read. Targets never enter the shared memory."""
        source, due, slot = iter(blocks), [], 0
        for _ in range(2):
            due += self._hand_out(next(source, None), len(due))
        while due:
            bits = self._read(slot, due.pop(0))
            due += self._hand_out(next(source, None), slot)
            slot ^= 1
            yield bits

    def _hand_out(self, block: tuple[np.ndarray, np.ndarray] | None, slot: int) -> list[np.ndarray]:
        """Puts the inputs into `slot`; the targets as a list of one, empty when there are no more blocks."""
        if block is None:
            return []
        if not self.worker.saw_text:
            self.worker.saw_text, self.worker.words = True, self.worker.child.log.lines()
        os.pwrite(self.worker.memory, np.ascontiguousarray(block[0], self.number), self.inputs[slot])
        self.worker.channel.send(op="block", slot=slot)
        return [block[1].astype(np.int64)]

    def _read(self, slot: int, targets: np.ndarray) -> np.ndarray:
        answer = self.worker.expect("logits", BLOCK_SECONDS, "computing logits")
        self.tokens += targets.size
        check(answer, self.shape)
        self.dtypes.add(answer["dtype"])
        try:
            bits = self.reader.bits(self.worker.memory, self.logits[slot], answer["dtype"], targets.ravel())
        except Breach as breach:
            raise self.worker.broken(breach) from None
        return bits.reshape(targets.shape)


def score(desk: Desk, texts: np.ndarray, token_bytes: np.ndarray, notify: Callable[[int], None] = lambda rows: None) -> Score:
    """Scores `texts`, token ids (R, T + 1), each row its own context. The last block is filled up with repeats, which do not count.

    `token_bytes`: int (V,). `notify` gets the rows that are done."""
    blocks = math.ceil(len(texts) / desk.rows)
    filled = texts[np.arange(blocks * desk.rows) % len(texts)].reshape(blocks, desk.rows, -1)
    per_token = np.empty((*filled.shape[:2], filled.shape[2] - 1), np.float64)
    for number, bits in enumerate(desk.bits((block[:, :-1], block[:, 1:]) for block in filled)):
        per_token[number] = bits
        notify(min(len(texts), (number + 1) * desk.rows))
    per_token = per_token.reshape(-1, per_token.shape[2])[: len(texts)]
    size = token_bytes[texts[:, 1:]]
    return Score(float(per_token[size > 0].sum()), int(size.sum()), int((size > 0).sum()), per_token)


def check(answer: dict, shape: tuple[int, int, int]) -> None:
    """Failed("crash") unless the logits are what load_model promised."""
    found, dtype = answer.get("shape"), answer.get("dtype")  # of the candidate's making: anything that JSON can say, text it saw included
    if found != list(shape):
        plain = isinstance(found, list) and len(found) < 5 and all(type(n) is int and 0 <= n < 1 << 20 for n in found)
        got = f"shape {tuple(found)}" if plain else "another shape"
        raise Failed("crash", f"the model returned logits of {got}, expected (B, T, V) = {shape}")
    if not isinstance(dtype, str) or dtype not in ITEM:
        raise Failed("crash", f"the model returned logits of another dtype than {', '.join(ITEM)}")
