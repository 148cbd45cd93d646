"""Constants first, because they cost nothing to propose; code when tuning them stalls; constants again around what the code brought.

Whose turn it is follows from the history alone. Constants go on until PATIENCE of their proposals in a row brought no keep, fewer after
a kept change of the code, which leaves most of them where they were; or, after FEW, until the best move left is expected to bring less
than LEAST. Any keep counts as a new beginning. A mode that asks for one of the two (`bot.plateau`) gets it. Where USELESS answers in a
row could not be measured, constants have one turn, so that the machine has work while code is asked for again. On the landscapes of
`benchmarks/proposers.py` ten proposals without a keep are followed by little, and moves below LEAST bring 0.4 % of the possible gain each.
"""

from collections.abc import Callable, Mapping
from itertools import islice

from bot.accounts import is_given
from bot.history import History
from bot.proposers import Answer, ProposalContext, Proposer
from bot.proposers.constants import Constants, Found, best
from bot.proposers.past import SOURCE
from bot.records import Measurement, Proposal

PATIENCE, PATIENCE_AROUND = 10, 5  # constants proposals without a keep: at first, and after a kept change of the code
FEW, LEAST = 4, 0.2  # after so many, the best move left must be expected to bring this many standard deviations of one run
USELESS = 3
CONSTANTS = "constants"  # the mode


class Hybrid:
    """`code`: the proposer of changes to the code. `first`: constants have their turn of their own; else where a mode asks for them."""

    def __init__(self, code: Proposer, first: bool = True):
        self.code, self.first, self.constants = code, first, Constants()
        self._found: tuple[tuple, Found | None] = ((), None)  # what they were worked out for, and the constants' best move

    def slow(self, context: ProposalContext) -> bool:
        return not self.tunes(context) and self.code.slow(context)

    def tunes(self, context: ProposalContext) -> bool:
        if useless(context.history):
            return self._best(context) is not None
        return (self.first or context.mode == CONSTANTS) and tunes(context, self._best)

    def _best(self, context: ProposalContext) -> Found | None:
        """Worked out once for one state of the record: whose turn it is is asked again and again while nothing is measured."""
        key = (context.history.count, context.history.last_at, context.next_id, len(context.beside), *sorted(context.files.items()))
        known = self._found  # another thread may ask for another state
        if known[0] != key:
            known = self._found = (key, best(context))
        return known[1]

    def propose(self, context: ProposalContext) -> Answer | None:
        """By whose turn it is; by the other one, where that has nothing left."""
        turn = (self.constants, self.code) if self.tunes(context) else (self.code, self.constants)
        return turn[0].propose(context) or turn[1].propose(context)

    def repair(self, context: ProposalContext, proposal: Proposal, broken: Mapping[str, str], failure: Measurement) -> Answer | None:
        """A value that fails is not mended: it is a result."""
        repair = getattr(self.code, "repair", None)
        return repair(context, proposal, broken, failure) if repair and proposal.source != SOURCE else None


def tunes(context: ProposalContext, best: Callable[[ProposalContext], Found | None] = best) -> bool:
    """Whether it is the constants' turn. `best`: what their best move is."""
    if context.mode:
        return context.mode == CONSTANTS and best(context) is not None
    misses, patience = tries(context.history)
    found = best(context) if misses < patience else None
    return bool(found) and (misses < FEW or found.improvement >= LEAST)


def useless(history: History) -> bool:
    """Whether the newest experiments had nothing to measure."""
    newest = islice(reversed(history.experiments.values()), USELESS)
    return [bool(e.proposal and e.proposal.rejected) for e in newest] == [True] * USELESS


def tries(history: History) -> tuple[int, int]:
    """(constants proposals since the last keep, how many there may be). What the machine spoilt does not count, nor what others gave."""
    misses = 0
    for experiment in reversed(history.experiments.values()):
        proposal, verdict = experiment.proposal, experiment.verdict
        if not proposal or not verdict or is_given(experiment) or experiment.status == "invalid":
            continue
        tuned = proposal.source == SOURCE
        if experiment.status == "keep":
            return misses, PATIENCE if tuned else PATIENCE_AROUND
        misses += tuned
    return misses, PATIENCE
