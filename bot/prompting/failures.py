"""What did not run: by class, equal endings together."""

from collections import defaultdict

from bot.prompting.trim import fill
from bot.prompting.view import View, ids
from bot.records import Experiment

REJECTED = "rejected before it ran"
WORDS = {
    "crash": "crashed", "oom": "out of memory", "timeout": "out of time", "violation": "broke the referee's rules",
    "invalid": "could not be measured (the machine's fault)", REJECTED: REJECTED,
}  # fmt: skip


def failures(view: View, tokens: int) -> str:
    groups: dict[str, dict[str, list[Experiment]]] = defaultdict(lambda: defaultdict(list))
    for experiment in reversed(view.tried):
        kind = REJECTED if experiment.proposal.rejected else experiment.status
        if kind in WORDS:
            groups[kind][ending(view, experiment)].append(experiment)
    lines = [(_class(kind, found), [_ending(view, text, same) for text, same in _sorted(found)]) for kind, found in groups.items()]
    lines.sort(key=lambda entry: -len(entry[1]))
    heads = [head for head, _ in lines]
    turns = (entries[i] for i in range(max((len(e) for _, e in lines), default=0)) for _, entries in lines if i < len(entries))
    total = len(heads) + sum(len(entries) for _, entries in lines)
    return "\n".join(fill([*heads, *turns], tokens, lambda n: f"({n:,} more endings left out)", total))


def ending(view: View, experiment: Experiment) -> str:
    """The last line of what it said when it failed; where it said nothing, the reason."""
    if experiment.proposal.rejected:
        return view.quoter.line(experiment.proposal.rejected)
    failed = next((m for m in reversed(experiment.measurements) if m.outcome == experiment.status and m.split == "val"), None)
    tail = [line for line in failed.log_tail.splitlines() if line.strip()] if failed and experiment.status in ("crash", "oom") else []
    said = tail[-1] if tail else failed.reason if failed and failed.reason else experiment.verdict.why
    return view.quoter.line(said)


def _sorted(found: dict[str, list[Experiment]]) -> list[tuple[str, list[Experiment]]]:
    """The most frequent first, then the newest: they were found newest first."""
    return sorted(found.items(), key=lambda entry: -len(entry[1]))


def _class(kind: str, found: dict[str, list[Experiment]]) -> str:
    every = [e for same in found.values() for e in same]
    return f"{WORDS[kind]}: {len(every):,} ({ids(every)})"


def _ending(view: View, text: str, same: list[Experiment]) -> str:
    times = f"{len(same)} x " if len(same) > 1 else ""
    mended = ", mended once already" if same[0].repairs else ""
    return f"{times}`{text}`: {ids(same, 3)}{mended}; {view.idea(same[0], 120)}"
