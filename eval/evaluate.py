"""Scores a checkpoint and tests the score: the first worker scores all rows, a second one must agree with it (DESIGN 5, step 2).

Each worker is dead before the next one gets its copy of the checkpoint, so there is nothing through which they could talk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eval import agreement, audit, probes
from eval.agreement import Compared
from eval.corpus import Corpus
from eval.diagnosis import Examiner
from eval.errors import Failed
from eval.probes import Probe
from eval.reference import Reference
from eval.score import LIGHT_SHARE, Desk, Score, Worker, block_rows, score, windows

HEAVY_CUTS = 256
AUDIT_SHARE = 4  # heavy: one audit token for so many scored ones
AUDIT_ADVICE = (
    "The gain must come from the model, not from knowing the validation text. "
    "Remove whatever carries over from earlier runs or from the text that is scored."
)
ENDED_ADVICE = (
    "The model is asked about the same text, cut and continued otherwise, in a fresh process. It must answer there as it did in the first: "
    "look for code that depends on the text's length, on what it has seen, or on the process."
)


@dataclass
class Evaluation:
    """`leak`: see `agreement.estimate`, with "dose", "seed" and "seconds"; `audit`: see `audit.gap`, None if not scored against a
    reference; `bits`: of each token, to be the reference of others."""

    score: Score
    leak: dict
    audit: dict | None
    bits: Reference


def evaluate(
    open_worker: Callable[[], Worker],
    order: dict,
    corpus: Corpus,
    split: str,
    eval_tokens: int,
    *,
    dose: str = "light",
    reference: Reference | None = None,
    probe_seed: int = 0,
    notify: Callable[[float], None] = lambda fraction: None,
    settling: Callable[[float], None] = lambda fraction: None,
    metric_version: str = "",
) -> Evaluation:
    """Scores `eval_tokens` of `split`. Failed("violation") with a reproduction if the second worker disagrees.

    `open_worker` is called twice: a first and, when that is closed, a second worker, each with `.order` (what differs from `order`: its
    own output folder) and `.close()`; a third time where a light dose leaves a doubt, which as many probes as a heavy one has settle.
    `dose`: "light" probes at most 5 % of the rows, "heavy" makes 256 cuts and scores the audit slice. `notify` gets the fraction that is
    done, `settling` that of the third worker's part."""
    if split != "val" or reference is not None and reference.metric_version != metric_version:
        reference = None  # bits of another text
    length, tokens, token_bytes = order["sequence_length"], corpus.tokens(split), corpus.token_bytes
    starts = windows(len(tokens), length, eval_tokens)
    texts = rows_at(tokens, starts, length)
    unseen = audit_rows(corpus, length, eval_tokens) if dose == "heavy" else texts[:0]
    rows = block_rows(len(starts), length, order["vocab_size"], order["device"])
    heavy = max(1, round(HEAVY_CUTS / rows))
    blocks = heavy if dose == "heavy" else max(1, int(len(starts) * LIGHT_SHARE) // rows)
    work = len(texts) + len(unseen) + blocks * rows

    first = open_worker()
    desk = Desk(first, order | first.order, rows, tokens.dtype)
    val = score(desk, texts, token_bytes, lambda done: notify(done / work))
    extra = score(desk, unseen, token_bytes, lambda done: notify((len(texts) + done) / work)) if len(unseen) else None
    desk.settle()
    first.close()

    began, sizes = time.monotonic(), token_bytes[texts[:, 1:]]
    base = baseline(reference, texts, sizes)
    inquiry = Inquiry(open_worker, order, texts, tokens, starts, val, base, sizes, desk, np.random.default_rng(probe_seed))
    leak = inquiry.ask(blocks, lambda done: notify(1 - (blocks - done) * rows / work), last=dose == "heavy")
    if leak is None:
        leak = inquiry.settle(heavy, lambda done: settling(done / heavy))
    leak |= {"dose": dose, "seed": probe_seed, "seconds": time.monotonic() - began}
    bits = Reference(val.per_token.astype(np.float32), extra.per_token.astype(np.float32) if extra else None, metric_version)
    return Evaluation(val, leak, gap_audit(bits, reference, sizes, token_bytes[unseen[:, 1:]]), bits)


@dataclass
class Inquiry:
    """What fresh workers are asked, and what they must agree with: the first worker's score `val` of the rows `texts` (R, T + 1), which
    begin at `starts` of the split's `tokens`. `base`: bits (R, T) to lay its own out against; `sizes`: bytes of each target."""

    open_worker: Callable[[], Worker]
    order: dict
    texts: np.ndarray
    tokens: np.ndarray
    starts: np.ndarray
    val: Score
    base: np.ndarray
    sizes: np.ndarray
    first: Desk
    rng: np.random.Generator

    def ask(self, blocks: int, notify: Callable[[int], None], *, last: bool) -> dict | None:
        """The leak (see `agreement.estimate`) by `blocks` blocks of probes to a fresh worker; Failed("violation") if it disagrees.

        None, unless it is the `last` to be asked, if only what few probes cannot tell from rounding speaks against the candidate. A light
        dose has three: 7 of 1,000 convicted an honest model (tests/zoo: late_mask_bfloat16) whose rounding is as local as look-ahead."""
        mass = probes.masses(self.val.per_token, self.base, self.sizes)
        plan, expected = probes.draw(mass, self.first.rows, blocks, self.rng)
        asked = probes.prepare(self.tokens, self.starts, self.texts, plan, expected, self.rng)
        worker = self.open_worker()
        try:
            desk = Desk(worker, self.order | worker.order, self.first.rows, self.tokens.dtype)
            found = compare(desk, asked, self.texts, self.val.per_token, notify)
            gain = np.where(self.sizes > 0, self.base - self.val.per_token, 0.0)
            leak = agreement.estimate(found, gain, expected, self.val.bytes)
            settled = self.judge(found, leak, asked, desk, last)
        except Failed as failed:
            raise at_second(failed, worker) from None
        worker.close()
        return leak if settled else None

    def settle(self, blocks: int, notify: Callable[[int], None]) -> dict:
        """What a third worker says. One that does not answer does not clear: it may know from its call that it is the third."""
        notify(0)  # the worker has yet to start
        try:
            return self.ask(blocks, notify, last=True)
        except Failed as failed:
            if failed.reproduction is not None or failed.outcome == "invalid":
                raise
            reason = f"the second worker disagreed with the first, and the third, which was to settle that, failed ({failed.reason})"
            raise Failed("violation", reason, explanation=ENDED_ADVICE) from None

    def judge(self, found: list[Compared], leak: dict, asked: list[list[Probe]], desk: Desk, last: bool) -> bool:
        """Whether all is settled. Failed("violation") if the worker at `desk` disagrees beyond rounding."""
        if leak["exact"]:
            return True
        coarse = self.order["device"] != "cpu" or (self.first.dtypes | desk.dtypes) != {"float32"}
        enough, examiner = agreement.LARGE["coarse" if coarse else "fine"], Examiner(desk, self.texts, self.val.per_token, self.rng)
        for pair, at in agreement.stands_out(found, enough):
            if examiner.separates(pair, at, enough):
                raise examiner.look_ahead(pair, at)
        pair = agreement.suspect(found, leak, coarse, self.val.bytes / max(1, self.val.tokens))
        if pair and last:
            at = int(np.abs(pair.difference).argmax())
            if examiner.separates(pair, at, agreement.NOTHING):  # that they disagree is settled; here it is only given its name
                raise examiner.look_ahead(pair, at)
            raise examiner.explain(next(block for block in asked if any(probe is pair.probe for probe in block)), pair)
        return pair is None


def at_second(failed: Failed, second: Worker) -> Failed:
    """A failure of the second worker, where the first one had none. Ending itself there must not be worth a second try: `invalid`,
    which is measured again, would be just that."""
    if failed.reproduction is not None:
        return failed
    outcome = "crash" if failed.outcome == "invalid" and second.channel.closed else failed.outcome
    return Failed(outcome, f"in the second worker, which had the same checkpoint: {failed.reason}", explanation=ENDED_ADVICE)


def rows_at(tokens: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """(R, T + 1) token ids: inputs and targets of each row."""
    return tokens[starts[:, None] + np.arange(length + 1)]


def audit_rows(corpus: Corpus, length: int, eval_tokens: int) -> np.ndarray:
    """Rows of the audit slice, (R, T + 1): a quarter of what is scored, or what fits."""
    tokens = corpus.tokens("audit")
    rows = min(eval_tokens // AUDIT_SHARE // length, len(tokens) // (length + 1))
    return rows_at(tokens, windows(len(tokens), length, rows * length), length) if rows else np.empty((0, length + 1), tokens.dtype)


def baseline(reference: Reference | None, texts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Bits (R, T) to lay the candidate's out against: the champion's, else those of the tokens' frequencies in these rows."""
    if reference is not None and reference.val.shape == sizes.shape:
        return reference.val.astype(np.float64)
    targets = texts[:, 1:].astype(np.int64)
    counts = np.bincount(targets.ravel())
    return np.log2(targets.size / counts[targets])


def compare(
    desk: Desk, asked: list[list[Probe]], texts: np.ndarray, bits: np.ndarray, notify: Callable[[int], None]
) -> list[Compared]:
    """The second worker's answers beside the first one's. `notify` gets the blocks that are done."""
    found = []
    blocks = ((np.stack([p.inputs for p in block]), texts[[p.row for p in block], 1:]) for block in asked)
    for number, (block, answers) in enumerate(zip(asked, desk.bits(blocks), strict=True)):
        found += [Compared(p, bits[p.row, : p.cut], answers[i, : p.cut]) for i, p in enumerate(block)]
        notify(number + 1)
    return found


def gap_audit(bits: Reference, reference: Reference | None, sizes: np.ndarray, unseen: np.ndarray) -> dict | None:
    """`audit.gap` against the reference; None without an audit slice on both sides. Failed("violation") if the gain is not there."""
    if bits.audit is None or reference is None or reference.audit is None:
        return None
    if reference.audit.shape != bits.audit.shape or reference.val.shape != bits.val.shape:
        return None
    found = audit.gap({"val": bits.val, "audit": bits.audit}, reference, sizes, unseen)
    if reason := audit.verdict(found):
        raise Failed("violation", reason, explanation=AUDIT_ADVICE)
    return found
