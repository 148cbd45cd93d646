"""Any two commits, measured in turn on shared fresh seeds: which one is better, or whether they are equal within the margin."""

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from . import pairs
from .decide import MARGIN, signed, told
from .errors import UsageError
from .gitrepo import EXECUTABLE, PLAIN, GitRepo
from .history import History
from .pairs import Compared, Pair, Side
from .records import Measurement
from .report.text import plain
from .settings import Settings
from .stats import Comparison

if TYPE_CHECKING:
    from .loop import Night

LEVEL = 0.05  # two-sided p of a difference, and one-sided p of each half of "equal within the margin"
LOOKS = 4  # with `--until`: after so many seeds, twice, four and eight times as many; each p is multiplied by it (Bonferroni)
LISTED = 5


@dataclass(frozen=True)
class Question:
    """Two revisions as they were given, and their commits. `until`: the p to reach, None for one look."""

    names: tuple[str, str]
    shas: tuple[str, str]
    until: float | None = None

    @property
    def pair(self) -> Pair:
        """The same whichever is named first, so that turning the question around asks nothing new."""
        one, other = sorted(self.shas)
        return Pair(0, f"compare {one} {other}", (Side("compare", one), Side("compare", other)))


def ask(repo: GitRepo, settings: Settings, names: tuple[str, str], until: float | None) -> Question:
    """UsageError where the two cannot be compared."""
    shas = tuple(repo.resolve(name) for name in names)
    for name, sha in zip(names, shas, strict=True):
        if not sha:
            raise UsageError(f"{plain(name)!r} is not a branch, tag or commit of this repository (`git log --oneline` lists commits)")
    if shas[0] == shas[1]:
        raise UsageError(f"{plain(names[0])} and {plain(names[1])} are the same commit {shas[0][:12]}; name two")
    other = sorted(repo.changed(*shas) - {*settings.editable})
    if not settings.command:  # nothing else of the repository is there when a model is measured
        other = [path for path in other if any(_below(path, place) for place in settings.locked)]
    if other:
        what = ", ".join(map(plain, other[:LISTED])) + (f" and {len(other) - LISTED} more" if len(other) > LISTED else "")
        allowed = ", ".join(settings.editable)
        raise UsageError(f"not only editable files ({allowed}) differ between {plain(names[0])} and {plain(names[1])}, but also {what}")
    for name, sha in zip(names, shas, strict=True):
        tree = repo.tree(sha, list(settings.editable))
        if missing := [path for path in settings.editable if tree.get(path, ("",))[0] not in (PLAIN, EXECUTABLE)]:
            raise UsageError(f"editable: {missing[0]} is not a plain file in {plain(name)}")
    return Question(names, shas, until)


def run(night: "Night", question: Question, seeds: int) -> str:
    """Measures what is missing; returns why it ended."""
    history, research, pair = night.history, night.settings.name, question.pair
    night.observer.experiment(0, f"{question.names[0]} against {question.names[1]}", "compare")
    locked = night.settings.locked or [path for path in night.repo.tree(history.base) if path not in night.settings.editable]
    changed = {path for path in night.repo.changed(history.base, question.shas[0]) if any(_below(path, place) for place in locked)}
    if changed:
        what = ", ".join(sorted(changed)[:LISTED])
        night.observer.note(f"these are measured as they were where the research began, at {history.base[:12]}: {what}")
    for look in range(LOOKS if question.until else 1):
        pairs.measure(night, pair, seeds << look)
        if night.stop.soft or Answer(history, question, research, night.settings.margin).settled:
            break
    return f"stopped by {night.stop.soft}" if night.stop.soft else "compared " + " with ".join(sha[:12] for sha in question.shas)


def _below(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


class Answer:
    def __init__(self, history: History, question: Question, research: str, margin: float | None):
        self.history, self.question = history, question
        self.sign = 1 if history.direction == "min" else -1
        found = pairs.compared(history, research, question.pair)
        self.found, self.margin = found, MARGIN * found.sigma if margin is None else margin
        self.a, self.b, self.test = self._turned(found)

    def _turned(self, found: Compared) -> tuple[list[Measurement], list[Measurement], Comparison | None]:
        """As it was asked: B minus A."""
        if self.question.pair.sides[0].sha == self.question.shas[0]:
            return found.first, found.second, found.test
        test = found.test and Comparison(-found.test.delta, found.test.error, found.test.freedom)
        return found.second, found.first, test

    @property
    def p(self) -> float:
        """Two-sided, for as many looks as there may be."""
        apart = Comparison(-abs(self.test.delta), self.test.error, self.test.freedom)
        return min(1.0, 2 * apart.p() * (LOOKS if self.question.until else 1))

    @property
    def equal(self) -> bool:
        """Whether both "B loses the margin or more" and "B gains it or more" are refuted."""
        looks = LOOKS if self.question.until else 1
        return max(self.test.p(self.margin), 1 - self.test.p(-self.margin)) * looks < LEVEL

    @property
    def settled(self) -> bool:
        return bool(self.test) and (self.p < (self.question.until or LEVEL) or self.equal)

    @property
    def verdict(self) -> str:
        if not self.test:
            return "not distinguishable"
        if self.p < (self.question.until or LEVEL):
            return f"{'B' if self.test.delta < 0 else 'A'} is better"
        return "equal within the margin" if self.equal else "not distinguishable"

    def text(self) -> str:
        lines = [self._side(*side) for side in zip("AB", self.question.names, self.question.shas, (self.a, self.b), strict=True)]
        if not self.test:
            return "\n".join([*lines, "too few runs to say anything; the same command continues"])
        level = fmean(m.value for m in self.a)
        margin = signed(self.margin, level)[1:]
        shown = told(self.test, (len(self.b), len(self.a)), level, self.sign)
        looks = f", for {LOOKS} looks" if self.question.until else ""
        lines.append(f"B - A  {shown}, 95 % interval, p = {self.p:.2g}{looks}")
        verdict = f"{self.verdict} of {margin}" if self.verdict.startswith("equal") else self.verdict
        if "better" in verdict and self.equal:
            verdict += f", by less than the margin of {margin}"
        return "\n".join([*lines, f"{verdict[0].upper()}{verdict[1:]}.", *self._advice()])

    def _side(self, letter: str, name: str, sha: str, runs: list[Measurement]) -> str:
        mean = f"{signed(value := fmean(m.value for m in runs), value).removeprefix('+')}" if runs else "no run"
        return f"{letter}  {plain(name)} ({sha[:7]})  {self.history.metric} {mean}"

    def _advice(self) -> list[str]:
        if self.settled:
            return []
        if self.question.until:  # it has looked as often as it may
            return []
        return [f"--until {LEVEL} measures on, up to {1 << LOOKS - 1} times as many seeds; what is there counts, p is for {LOOKS} looks."]

    def data(self) -> dict[str, Any]:
        """Stable keys; delta, low and high are B minus A in the metric's unit."""
        half = self.test.half() if self.test else 0.0
        delta = self.sign * self.test.delta if self.test else None
        known = self.test is not None
        sides = zip("ab", self.question.names, self.question.shas, (self.a, self.b), strict=True)
        return {
            letter: {"revision": name, "commit": sha, "seeds": [m.seed for m in runs], "values": [m.value for m in runs]}
            for letter, name, sha, runs in sides
        } | {
            "metric": self.history.metric, "direction": self.history.direction, "context": self.history.context,
            "delta": delta, "low": delta - half if known else None, "high": delta + half if known else None,
            "p": self.p if known else None, "looks": LOOKS if self.question.until else 1,
            "sigma": self.found.sigma, "margin": self.margin, "verdict": self.verdict,
        }  # fmt: skip
