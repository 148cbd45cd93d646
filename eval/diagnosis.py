"""Why do the two workers disagree? A few more blocks to the second one, then a reason, a smallest reproduction and what can be done.

Asked only after all probes have been answered: these blocks show the second worker text that was tested.
"""

from dataclasses import dataclass

import numpy as np

from eval.agreement import NOTHING, Compared
from eval.errors import Failed
from eval.probes import Probe
from eval.score import Desk

TRIES = 10  # answers of each kind, altered and not
COMPANIES = 4  # in which a row is asked again
ROUNDS = 12  # of the search for the one token that matters; two cuts in each halve a row of 4096

ADVICE = {
    "look-ahead": "The answer at position t may depend on tokens up to t only. Check the attention mask, the padding of convolutions, "
    "normalization along the sequence and whatever else is computed over a whole row.",
    "company": "Each row must be answered as if it were alone. Batch normalization must use stored statistics, and experts must have no "
    "capacity that rows share (no dropped tokens) when scoring.",
    "unsteady": "Switch dropout and sampling off for scoring: a module that load_model returns gets .eval(), a function must see to it "
    "itself. Nothing may be counted or learned from one call to the next.",
    "state": "An answer may depend on the tokens of its own row and on the checkpoint only: not on earlier calls, caches, counters, "
    "clocks, files or the process.",
}


@dataclass
class Examiner:
    """The second worker's desk, the scored rows (R, T + 1) and the first worker's bits of them (R, T)."""

    desk: Desk
    texts: np.ndarray
    bits: np.ndarray
    rng: np.random.Generator

    def separates(self, pair: Compared, at: int, enough: float) -> bool:
        """Whether the altered row, wherever it lies in whatever company, always gets an answer `enough` bits from the unaltered one's.

        Rounding depends on slot and company too; were it the cause, a perfect split of 2 x TRIES answers would come up once in 92,378."""
        probe, plain = pair.probe, self.texts[pair.probe.row, :-1]
        rows = [(probe.row, inputs) for inputs in [probe.inputs] * TRIES + [plain] * TRIES]
        order = self.rng.permutation(2 * TRIES)
        found = np.empty(2 * TRIES)
        for some in np.array_split(order, -(-len(order) // max(1, self.desk.rows - 1))):
            others = list(self.rng.permutation(len(self.texts))[: self.desk.rows - len(some)])
            block = [rows[i] for i in some] + [(int(row), self.texts[row, :-1]) for row in others]
            slots = self.rng.permutation(len(block))
            found[some] = self.ask([[block[i] for i in slots]])[0][np.argsort(slots)[: len(some)], at]
        altered, unaltered = found[:TRIES], found[TRIES:]
        return bool(max(altered.min() - unaltered.max(), unaltered.min() - altered.max()) > enough)

    def look_ahead(self, pair: Compared, at: int) -> Failed:
        """The violation, down to the one token that matters."""
        first, second = float(pair.first[at]), float(pair.second[at])
        facts = {"row": pair.probe.row, "cut": pair.probe.cut, "position": at, "first_bits": first, "second_bits": second}
        return self.violation("look-ahead", facts | self.shrink(pair.probe, at, lambda bits: abs(bits - first) > abs(second - first) / 2))

    def explain(self, block: list[Probe], pair: Compared) -> Failed:
        """The violation behind `pair`, one of `block`'s answers, where altering a row does not explain it."""
        probe, at = pair.probe, int(np.abs(pair.difference).argmax())
        first, second = float(pair.first[at]), float(pair.second[at])
        half = abs(second - first) / 2
        facts = {"row": probe.row, "cut": probe.cut, "position": at, "first_bits": first, "second_bits": second}
        once, again = self.ask([[(p.row, p.inputs) for p in block]] * 2)
        slot, where = np.unravel_index(np.abs(again - once).argmax(), once.shape)
        if abs(again[slot, where] - once[slot, where]) > max(NOTHING, half / 10):  # the very same numbers went in
            cell = {"row": block[slot].row, "cut": block[slot].cut, "position": int(where)}
            return self.violation("unsteady", cell | {"first_bits": float(once[slot, where]), "second_bits": float(again[slot, where])})
        here, others = self.plain(probe.row, at)
        there = max(others, key=lambda bits: abs(bits - first))
        if abs(here - first) <= half and abs(there - first) > max(NOTHING, abs(here - first)):
            return self.violation("company", facts | {"second_bits": there})
        return self.violation("state", facts)

    def ask(self, blocks: list[list[tuple[int, np.ndarray]]]) -> list[np.ndarray]:
        """Bits (rows, T) of the true targets of each block's (row, inputs); short blocks are filled up with scored rows."""
        full = []
        for block in blocks:
            others = self.rng.permutation(len(self.texts))[: self.desk.rows - len(block)]
            full.append(block + [(int(row), self.texts[row, :-1]) for row in others])
        return list(self.desk.bits((np.stack([i for _, i in b]), self.texts[[row for row, _ in b], 1:]) for b in full))

    def plain(self, row: int, at: int) -> tuple[float, list[float]]:
        """The unaltered row's answer in the company and slot it had before the first worker, and in COMPANIES others."""
        rows, slot = self.desk.rows, row % self.desk.rows
        blocks = [[int(r) for r in (np.arange(rows) + row - slot) % len(self.texts)]]
        for _ in range(COMPANIES):
            others = [int(r) for r in self.rng.permutation(len(self.texts)) if r != row][: rows - 1]
            blocks.append([*others, row][-rows:])
            other_slot = (slot + 1 + int(self.rng.integers(max(1, rows - 1)))) % rows
            blocks[-1].insert(min(other_slot, len(others)), blocks[-1].pop())
        found = self.ask([[(r, self.texts[r, :-1]) for r in block] for block in blocks])
        answers = [float(bits[slot if i == 0 else block.index(row), at]) for i, (bits, block) in enumerate(zip(found, blocks, strict=True))]
        return answers[0], answers[1:]

    def shrink(self, probe: Probe, at: int, differs) -> dict:
        """Which altered token matters: the first one up to which the alteration must reach."""
        true, low, high = self.texts[probe.row, :-1], probe.cut, len(probe.inputs)  # altered below `high` differs, below `low` does not
        answer = None
        for _ in range(ROUNDS):
            if high - low <= 1:
                break
            ends = sorted({low + max(1, (high - low) * (i + 1) // (self.desk.rows + 1)) for i in range(self.desk.rows)})
            if low == probe.cut and probe.cut + 1 not in ends:
                ends[0] = probe.cut + 1  # most look-ahead is by one token
            asked = [(probe.row, np.concatenate([true[: probe.cut], probe.inputs[probe.cut : end], true[end:]])) for end in ends]
            answers = self.ask([asked])[0][: len(ends), at]
            changed = [end for end, bits in zip(ends, answers, strict=True) if differs(float(bits))]
            if changed:
                high, answer = changed[0], float(answers[ends.index(changed[0])])
            low = max([low, *(end for end in ends if end < high)])
        return {"token": high - 1} | ({"second_bits": answer} if answer is not None else {})

    def violation(self, kind: str, facts: dict) -> Failed:
        gap = facts["second_bits"] - facts["first_bits"]
        row, at = facts["row"], facts["position"]
        bits = f"{facts['first_bits']:.4f} bits against {facts['second_bits']:.4f}"
        reason = {
            "look-ahead": f"it looks ahead: in row {row} the answer at position {at} changes with token {facts.get('token')} ({bits})",
            "company": f"its answers depend on the other rows of the batch: row {row}, position {at}, {bits} in other company",
            "unsteady": f"the same block asked twice gets different answers: row {row}, position {at}, {bits}",
            "state": f"a fresh process answers differently from the one that scored all rows: row {row}, position {at}, {bits}",
        }[kind]
        return Failed("violation", reason, reproduction={"kind": kind, **facts, "difference": gap}, explanation=ADVICE[kind])
