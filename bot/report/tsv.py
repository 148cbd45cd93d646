"""results.tsv in karpathy/autoresearch's five columns: commit, val_bpb, memory_gb, status, description.

One difference, on purpose: upstream writes 0.000000 and 0.0 for a run that crashed, the best score there is. Here a number that
was not measured is `nan`, which upstream's analysis (`pd.to_numeric(errors="coerce")`) and every float parser read as missing.
Upstream knows keep, discard and crash: the baseline is its first keep, every failure a crash. What is still running is left out.
"""

from collections.abc import Iterator
from pathlib import Path

from bot.history import History
from bot.records import Experiment
from bot.report import facts
from bot.report.text import plain

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
STATUS = {"baseline": "keep", "keep": "keep", "discard": "discard"} | dict.fromkeys(facts.FAILURES, "crash")


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
    status = STATUS[experiment.status]
    value = facts.shown_value(experiment, context)[0] if status != "crash" else None
    memory = max((m.peak_memory for m in experiment.runs("baseline", "screen", "confirm")), default=0)
    sha = history.sha_of(experiment) or (history.base if experiment.id == 0 else "-")
    cells = [
        sha[:7],
        "nan" if value is None else f"{value:.6f}",
        f"{memory / 1024**3:.1f}" if memory else "nan",
        status,
        _description(experiment),
    ]
    return "\t".join(cells)


def _description(experiment: Experiment) -> str:
    if experiment.id == 0:
        return "baseline"
    text = plain(experiment.proposal.hypothesis) if experiment.proposal else "(proposal lost)"
    return f"{text} ({experiment.status})" if experiment.status in facts.FAILURES and experiment.status != "crash" else text
