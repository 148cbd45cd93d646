"""Confirming outside a night: what a night would do before it, and leaving one out alone."""

from typing import TYPE_CHECKING

from . import confirm
from .loop import restore, run_experiment
from .measuring import measure_champion
from .stack import Stack

if TYPE_CHECKING:
    from .loop import Night

PLENTY = 10**6  # runs: no limit, but not the infinity that asks for what is sure already


def settle(night: "Night") -> None:
    """The ledger's gaps closed, the champion known, and what was interrupted decided: no part may be pruned below an open experiment."""
    restore(night)
    measure_champion(night)
    if (pending := night.history.pending) and not night.stop.soft:
        run_experiment(night, pending)
        measure_champion(night)


def run(night: "Night", everything: bool) -> str:
    """Leaves out each kept change whose evidence is weak, or `everything`, and its hunks; prunes as the end of a night does."""
    settle(night)
    while not night.stop.soft:
        confirm.prepare(night)
        stack = Stack(night.history, night.settings.margin)
        step = stack.next_step(None if everything else PLENTY)
        if step.action not in ("ablate", "champion", "prune"):
            return "every part that is worth it was left out once"
        confirm.act(night, stack, step)
    return f"stopped by {night.stop.soft}"


def confirmed(night: "Night") -> str:
    """All of it, without a limit on runs: until the stack is proved or cannot be."""
    settle(night)
    confirm.run(night, left=lambda night: None)
    return f"stopped by {night.stop.soft}" if night.stop.soft else "confirmed as far as it can be"
