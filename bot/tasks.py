"""What measures because a person asked for it (`bot.orders`): each returns one sentence for whoever asked. Raises what the work raises."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import ablate, confirm, drop, pairs, retest
from .allowance import runs
from .commits import part
from .errors import BaselineFailed
from .records import Verdict
from .report.text import plain
from .stack import OUT, Stack

if TYPE_CHECKING:
    from .loop import Night
    from .orders import Order

SEEDS = 4  # of a retest


def retested(night: "Night", order: "Order") -> str:
    retest.run(night, int(order.argument), SEEDS)
    return _answer(night, order)


def dropped(night: "Night", order: "Order") -> str:
    """Where the champion does not run, what waits for a decision can have none, and does not stand in the way."""
    id, pending = int(order.argument), night.history.pending
    if night.broken and pending:
        why = f"discarded: not decided, for the champion does not run ({night.broken})"
        night.record(Verdict(time.time(), pending.id, "discard", why))
    try:
        return drop.run(night, id, order.by)
    except BaselineFailed as error:
        if any(keep.id == id for keep in night.history.stack):
            raise
        return f"{id:04d} is taken out of the stack; the rest does not run here either ({plain(str(error), 200)})"


def left_out(night: "Night", order: "Order") -> str:
    return ablate.run(night, everything=False)


def proved(night: "Night", order: "Order") -> str:
    """First what the rest of the night has time for, as at its end; then whatever is left to show."""
    if night.settings.stop_after_seconds is not None:
        ablate.settle(night)
        confirm.run(night, left=runs)
    return ablate.confirmed(night)


DO: dict[str, Callable[["Night", "Order"], str]] = {"retest": retested, "drop": dropped, "ablate": left_out, "confirm": proved}


def measured(night: "Night") -> int:
    """Runs so far."""
    return sum(len(experiment.measurements) for experiment in night.history.experiments.values())


def undone(night: "Night", order: "Order") -> str:
    """What is left of a task that was begun."""
    again = "ask again for the rest"
    if order.command == "retest":
        pair, history = retest.pair(night.history.experiments[int(order.argument)]), night.history
        both = pairs.complete(history, night.settings.name, pair)
        return f"Not all of {SEEDS} more seeds were run ({both} by now): {again}. {_answer(night, order)}"
    stack = Stack(night.history, night.settings.margin)
    parts = [v for v in stack.order(everything=order.command == "confirm") if not stack.broken(v) and len(stack.out(v)) < OUT]
    lacks = [f"leaving out {', '.join(part(v.ids, v.hunks) for v in parts)}"] if parts else []
    if order.command == "confirm" and not stack.proved:
        now, base = (len(stack.final(sha)) for sha in (stack.whole, night.history.base))
        lacks.append(f"the final comparison ({now} v {base} runs)")
    return f"Left undone: {' and '.join(lacks) or 'little'}; {again}"


def _answer(night: "Night", order: "Order") -> str:
    return retest.answer(night.history, night.settings.name, int(order.argument), night.settings.margin).replace("\n", ". ")
