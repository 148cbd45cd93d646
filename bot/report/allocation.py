"""Where the time went: wall seconds by what was done, and the runs' by what they were made for. Pure."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean

from bot.history import History
from bot.report.text import duration

FAILURES = ("crash", "timeout", "oom", "invalid", "violation")
PURPOSES = {
    "screening": "screening, one run for each change",
    "confirming": "confirming promising changes on fresh seeds",
    "champion": "the baseline and the champion",
    "leave_one_out": "leave one out",
    "final": "the final comparison and the sealed split",
    "compare": "comparisons on demand",
    "failures": "runs that failed",
}
ROLES = {
    "screen": "screening", "confirm": "confirming", "retest": "confirming", "baseline": "champion", "champion": "champion",
    "ablate": "leave_one_out", "final": "final", "compare": "compare",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spent:
    """Wall seconds by purpose. `bot` is what is left: proposing, deciding, git, waiting."""

    training: float
    startup: float
    saving: float
    scoring: float
    bot: float
    runs: int

    @property
    def total(self) -> float:
        return self.training + self.startup + self.saving + self.scoring + self.bot

    def text(self) -> str:
        parts = {"training": self.training, "scoring": self.scoring, "start-up": self.startup, "saving": self.saving}
        shares = ", ".join(f"{name} {duration(s)}" for name, s in (parts | {"everything else": self.bot}).items() if s)
        return f"{duration(self.total)} in {self.runs} runs" + (f": {shares}" if shares else "")


@dataclass(frozen=True)
class Allocation:
    seconds: dict[str, float]  # by PURPOSES
    runs: dict[str, int]
    screened: int  # screening runs that did not fail
    stopped: int  # of them, stopped early
    saved: float  # seconds that stopping them saved, as far as other screening runs tell

    @property
    def stopping(self) -> str:
        """`12 of 40 screening runs were stopped early, which saved about 3 min`; empty without any."""
        if not self.stopped:
            return ""
        saved = f", which saved about {duration(self.saved)}" if self.saved else ""
        return f"{self.stopped} of {self.screened} screening runs {'were' if self.stopped > 1 else 'was'} stopped early{saved}"

    def text(self) -> str:
        spent = sorted((name for name in PURPOSES if self.seconds[name]), key=lambda name: -self.seconds[name])
        parts = ", ".join(f"{name.replace('_', ' ')} {duration(self.seconds[name])}" for name in spent)
        return parts + (f"; {self.stopping}" if self.stopped else "")

    def section(self) -> str:
        total = sum(self.seconds.values())
        if not total:
            return ""
        rows = [f"| {words} | {duration(self.seconds[name])} | {100 * self.seconds[name] / total:.0f} % | {self.runs[name]} |"
                for name, words in PURPOSES.items() if self.runs[name]]  # fmt: skip
        note = ["", f"{self.stopping}."] if self.stopped else []
        return "\n".join(["## Where the machine time went", "", "| For | Time | Share | Runs |", "|---|---|---|---|", *rows, *note])


def spent(history: History) -> Spent:
    training = startup = saving = scoring = 0.0
    runs = 0
    for experiment in history.experiments.values():
        for m in experiment.measurements:
            startup += m.startup_seconds
            saving += m.save_seconds
            scoring += m.eval_seconds
            training += max(0.0, m.seconds - m.startup_seconds - m.save_seconds - m.eval_seconds)
            runs += 1
    measured = training + startup + saving + scoring
    return Spent(training, startup, saving, scoring, max(0.0, history.wall_seconds - measured), runs)


def allocation(history: History) -> Allocation:
    seconds, runs = dict.fromkeys(PURPOSES, 0.0), dict.fromkeys(PURPOSES, 0)
    whole: dict[str, list[float]] = defaultdict(list)  # context -> seconds of screening runs that went to the end
    stopped: list[tuple[str, float]] = []
    for experiment in history.experiments.values():
        for m in experiment.measurements:
            purpose = "failures" if m.outcome in FAILURES else ROLES[m.role]
            seconds[purpose] += m.seconds
            runs[purpose] += 1
            if m.outcome == "stopped":
                stopped.append((m.context, m.seconds))
            elif purpose == "screening":
                whole[m.context].append(m.seconds)
    usual = {context: fmean(took) for context, took in whole.items()}
    saved = sum(max(0.0, usual.get(context, took) - took) for context, took in stopped)
    return Allocation(seconds, runs, runs["screening"], len(stopped), saved)
