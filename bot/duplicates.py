"""Has this been tried? Every experiment of the record and of imported ones, found again by what it is, not by what it is called.

Exact: the same program (`fingerprint`), whatever the champion was. Near: the same constants moved from the same values the same way by
about as much (`moved`), or nearly the same diff (`bot.similar`).

A near repeat is another experiment once the champion is materially another one: since then, something was kept or taken out that touches a
function or constant which the change touches too, or FAR changes were kept. So is one that repeats a failure, unless the numbers are at
fault: code that crashed is usually sent again because it was mended. Another budget asks another question. What other tools' logs call
kept may be tried here. What was never measured, or measured by a machine at fault, was not tried.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from bot.fingerprints import fingerprint, moved
from bot.history import History
from bot.records import Experiment, Imported
from bot.report.text import plain
from bot.similar import Shape, alike, same_move, shape, touched

__all__ = ["FAR", "Repeat", "Seen", "fingerprint", "moved"]

FAR = 5  # kept changes after which any champion is another one
SHOWN = 100  # characters of a hypothesis in a reason
UNTRIED = {"invalid", "baseline"}
FAILED = {"crash", "violation"}  # what a small change may mend; memory and time it does not
ENDED = {
    "keep": "kept", "discard": "discarded", "crash": "it crashed", "oom": "it ran out of memory", "timeout": "it took too long",
    "violation": "it broke a rule", "running": "it is being measured now", "stopped": "it is being measured now",
}  # fmt: skip

Moves = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Tried:
    """One earlier experiment. `id` 0: another tool's."""

    id: int
    name: str
    hypothesis: str
    status: str
    delta: float | None
    fingerprint: str
    moved: Moves
    lines: int  # added and removed
    at: float

    def told(self, metric: str) -> str:
        """`experiment 12, "SOFTCAP 15 -> 30": discarded, +0.0031 val_bpb`"""
        effect = f", {self.delta:+.4g} {metric} against its champion" if self.delta is not None else ""
        return f'{self.name}, "{plain(self.hypothesis, SHOWN)}": {ENDED.get(self.status, self.status)}{effect}'


@dataclass(frozen=True)
class Repeat:
    """What a change repeats. `refusal`: why it is not measured again; else `note`: why it is."""

    refusal: str = ""
    note: str = ""
    of: int = 0  # the experiment


class Seen:
    """An index over a history. Diffs are read when one is needed; `patch(id)` gives an experiment's, "" where it is gone. `without`: an
    experiment that is not looked at, as it is about to be mended."""

    def __init__(self, history: History, patch: Callable[[int], str], champion_files: Mapping[str, str], without: int = 0):
        self.history, self.patch, self.files = history, patch, champion_files
        self.same: dict[str, Tried] = {}  # fingerprint -> the newest one
        self.moves: dict[frozenset[str], list[Tried]] = {}  # names -> those that moved these, newest first
        self.diffs: list[Tried] = []  # newest first
        self.without = without
        self._shapes: dict[int, Shape] = {}
        for tried in [*reversed(self._own()), *map(_imported, reversed(history.imported))]:
            if tried.fingerprint:
                self.same.setdefault(tried.fingerprint, tried)
            if tried.moved:
                self.moves.setdefault(frozenset(tried.moved), []).append(tried)
            elif tried.id:
                self.diffs.append(tried)

    def refusal(self, files_after: Mapping[str, str], patch: str, moved: Moves) -> str:
        """Why the change that makes `files_after` of the champion need not be measured, naming the experiment; "" where it should be."""
        return self.repeat(files_after, patch, moved).refusal

    def repeat(self, files_after: Mapping[str, str], patch: str, moved: Moves) -> Repeat:
        """What the change repeats, if anything. `patch`: its diff against the champion."""
        print_after = fingerprint(files_after)
        if print_after == self._print_now:
            why = "it changes nothing but comments, layout, annotations or the names of local variables, which no measurement can tell"
            return Repeat(why)
        if tried := self.same.get(print_after):
            return self._exact(tried)
        if tried := self._near(moved, patch):
            return self._again(tried, files_after)
        return Repeat()

    @cached_property
    def _print_now(self) -> str:
        return fingerprint(self.files)

    @cached_property
    def _kept(self) -> list[int]:
        """Experiments whose change the champion has, also those that came with a newer base; each as the one that was decided."""
        stack = {self.history.origin(e).id for e in self.history.stack}
        return sorted(stack | {id for id, fate in self.history.fates.items() if fate == "merged"})

    def _own(self) -> list[Tried]:
        now = self.history.last_opened.budget if self.history.last_opened else ""
        ours = (e for id, e in self.history.experiments.items() if id not in (0, self.without) and e.proposal)
        done = (e for e in ours if not e.proposal.rejected and e.status not in UNTRIED)
        return [_tried(e) for e in done if self._budget(e) in ("", now)]

    def _budget(self, experiment: Experiment) -> str:
        run = experiment.measurements[-1] if experiment.measurements else None
        opened = self.history.openings.get(run.context) if run else None
        return opened.budget if opened else ""

    def _exact(self, tried: Tried) -> Repeat:
        told = tried.told(self.history.metric)
        if not tried.id and tried.status == "keep":
            return Repeat(note=f"the same program as {told}; it is tried here because it gained there")
        return Repeat(f"it makes the same program as {told}; propose something else", of=tried.id)

    def _near(self, moved: Moves, patch: str) -> Tried | None:
        """The newest one that did about the same."""
        for tried in self.moves.get(frozenset(moved), ()) if moved else ():
            exactly = tried.status in FAILED
            if all(same_move(moved[name], tried.moved[name], exactly) for name in moved):
                return tried
        mine = shape(patch)
        lines = sum(line[:1] in ("+", "-") for line in patch.split("\n"))
        for tried in self.diffs if mine.size else ():
            unlike = tried.lines and not tried.lines / 3 - 3 <= lines <= 3 * (tried.lines + 3)
            if not unlike and tried.status not in FAILED and alike(mine, self._shape(tried.id)):
                return tried
        return None

    def _shape(self, id: int) -> Shape:
        if id not in self._shapes:
            self._shapes[id] = shape(self.patch(id))
        return self._shapes[id]

    def _again(self, tried: Tried, files_after: Mapping[str, str]) -> Repeat:
        told = tried.told(self.history.metric)
        if not tried.id:
            kept = tried.status == "keep"
            return Repeat(note=f"about the same as {told}") if kept else Repeat(f"it does about the same as {told}; propose something else")
        if since := self._since(tried, units(self.files, files_after)):
            return Repeat(note=f"tried before as {told}; again, because {since}", of=tried.id)
        what = "moves the same constants from the same values by about as much" if tried.moved else "changes the same code in the same way"
        why = f"it {what} as {told}, and nothing that it touches was changed since; propose something else, or a materially different size"
        return Repeat(why, of=tried.id)

    def _since(self, tried: Tried, touched: frozenset[str]) -> str:
        """What makes the champion materially another one than it was for `tried`; "" for nothing."""
        kept = [id for id in self._kept if id > tried.id]
        out = [id for prune in self.history.taken_out if prune.at > tried.at for id in prune.ids if id < tried.id]
        if len(kept) >= FAR:
            return f"{len(kept)} changes were kept since"
        for id, word in [*((id, "kept") for id in kept), *((id, "taken out") for id in out)]:
            if both := sorted(touched & self._shape(id).units - {""}):
                return f"{', '.join(both)} changed since (experiment {id} was {word})"
        return ""


def units(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[str]:
    """The functions, classes and constants at the top of a file that differ."""
    changed = [path for path in after if before.get(path) != after[path]]
    return frozenset().union(*(touched(before.get(path, ""), after[path]) for path in changed))


def _tried(experiment: Experiment) -> Tried:
    proposal, verdict = experiment.proposal, experiment.verdict
    return Tried(
        experiment.id, f"experiment {experiment.id}", proposal.hypothesis, experiment.status, verdict.delta if verdict else None,
        proposal.fingerprint, proposal.moved, proposal.added + proposal.removed, proposal.at,
    )  # fmt: skip


def _imported(event: Imported) -> Tried:
    name = f"{plain(event.source, 40)} {plain(event.key, 12)}".strip()
    return Tried(0, name, event.hypothesis, event.status, event.delta, event.fingerprint, event.moved, 0, event.at)
