"""results.tsv in karpathy/autoresearch's five columns: commit, val_bpb, memory_gb, status, description.

Differences, on purpose: upstream writes 0.000000 and 0.0 for a run that crashed, the best score there is. Here a number that was not
measured is `nan`, which upstream's analysis (`pd.to_numeric(errors="coerce")`) and every float parser read as missing. So is a value from
before the base moved, which is to be compared with nothing in the file. Upstream knows keep, discard and crash: the baseline is its first
keep, every failure a crash. What is still running is left out.
"""

from collections.abc import Iterator
from pathlib import Path

from bot.history import History
from bot.records import Experiment
from bot.report import facts, shown
from bot.report.allocation import FAILURES
from bot.report.text import plain

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
STATUS = {"baseline": "keep", "keep": "keep", "discard": "discard"} | dict.fromkeys(FAILURES, "crash")


def render(history: History) -> str:
    return "\n".join([HEADER, *rows(history)]) + "\n"


def write(history: History, path: Path) -> None:
    path.write_text(render(history), encoding="utf-8")


def rows(history: History) -> Iterator[str]:
    context = facts.shown_context(history)
    for experiment in sorted(history.experiments.values(), key=lambda e: e.id):
        if experiment.status in STATUS:
            yield _row(history, experiment, context)


def _row(history: History, experiment: Experiment, context: str) -> str:
    status, older = STATUS[experiment.status], history.older(experiment)
    value = shown.value(history, experiment, context).value if status != "crash" and not older else None
    memory = 0 if older else shown.peak(history, experiment)
    cells = [
        shown.commit(history, experiment)[:7] or "-",
        "nan" if value is None else f"{value:.6f}",
        f"{memory / 1024**3:.1f}" if memory else "nan",
        status,
        _description(experiment, older),
    ]
    return "\t".join(cells)


def _description(experiment: Experiment, older: bool) -> str:
    status = experiment.status if experiment.status in FAILURES and experiment.status != "crash" else ""
    notes = ", ".join(filter(None, [status, shown.origin(experiment), shown.OLDER * older]))
    return plain(shown.name(experiment)) + (f" ({plain(notes)})" if notes else "")
