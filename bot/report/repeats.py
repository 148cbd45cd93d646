"""How often a run reads its training text. Pure.

Up to about four passes repeated text is nearly as good as new text; after that the returns vanish (Muennighoff et al. 2023,
arXiv:2305.16264). A research that measures there finds what resists memorizing a small corpus, which need not help on a large one."""

from bot.history import History
from bot.records import Measurement
from bot.report import facts

MOST = 4.0  # passes
SHOWN = "{} passes over the training text in a run, and above {:g} a model learns it by heart: what wins here may not win on new text"
FIX = "set `corpus: climbmix`, or more text, or a smaller budget"


def passes(epochs: float) -> str:
    return f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.2g}"


def news(history: History, run: Measurement) -> str:
    """What a night is told of its first run that repeats itself too often; empty for every other run."""
    if run.epochs <= MOST:
        return ""
    for experiment in reversed(history.experiments.values()):
        for other in reversed(experiment.measurements):
            if other.epochs > MOST and other.at >= history.began_at and other is not run:
                return ""
    return f"WARNING: {SHOWN.format(passes(run.epochs), MOST)}; {FIX}"


def row(history: History) -> list[tuple[str, str]]:
    """(name, text) for a table, from the newest run of the shown context; nothing where it was never counted."""
    run = facts.last_run(history)
    if not run or not run.epochs:
        return []
    return [("Passes over the text", f"**{SHOWN.format(passes(run.epochs), MOST)}**" if run.epochs > MOST else passes(run.epochs))]


def warning(history: History) -> str:
    run = facts.last_run(history)
    return f"> [!WARNING]\n> **{SHOWN.format(passes(run.epochs), MOST)}.** The fix: {FIX}." if run and run.epochs > MOST else ""
