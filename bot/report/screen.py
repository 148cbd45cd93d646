"""The live screen: what runs now, how far it is, what the night has brought, how long it will last."""

import time
from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bot.history import History
from bot.records import Measurement
from bot.report import runs, terminal
from bot.report.text import Scale, duration, plain, spark

PHASES = {
    "waiting": "waiting for another measurement", "startup": "starting", "train": "training", "save": "saving", "score": "scoring",
    "settle": "asking a third worker",
}  # fmt: skip
WIDTH = 32


class Now:
    """The run in progress, as the referee reports it. Every call is a few assignments."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self.began = clock()
        self.decided = 0
        self.id, self.hypothesis, self.source = 0, "baseline", ""
        self.role = self.phase = self.last = ""
        self.index, self.fraction = 0, 0.0
        self.run_began: float | None = None
        self.losses: list[float] = []

    def begin_experiment(self, id: int, hypothesis: str, source: str) -> None:
        self.id, self.hypothesis, self.source = id, hypothesis, source
        self.last = self.role = ""

    def begin_run(self, role: str, index: int, seed: int) -> None:
        self.role, self.index, self.run_began = role, index, self.clock()
        self.phase, self.fraction = "startup", 0.0
        self.losses.clear()

    def move(self, phase: str, fraction: float, loss: float | None) -> None:
        self.phase, self.fraction = phase, min(1.0, max(0.0, fraction))
        if loss is not None and phase == "train":
            self.losses.append(loss)
            if len(self.losses) > 8 * WIDTH:
                self.losses[:] = [(a + b) / 2 for a, b in zip(self.losses[::2], self.losses[1::2], strict=False)]

    def end_run(self, measurement: Measurement) -> None:
        self.run_began = None
        value = measurement.value
        self.last = runs.ended(measurement) if value is None else f"{runs.word(measurement.role)} {Scale(value).value(value)}"


class Screen:
    def __init__(self, now: Now, history: History, stop_after: float | None, max_experiments: int | None, baseline_seeds: int):
        self.now, self.history = now, history
        self.stop_after, self.max_experiments, self.baseline_seeds = stop_after, max_experiments, baseline_seeds
        self.recount()

    def render(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(style="bright_black", no_wrap=True, width=10)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, row in [("experiment", self._experiment()), ("run", self._run()), *self._loss(), *self._night, ("time", self._time())]:
            grid.add_row(name, row)
        return Group(Rule(style="bright_black"), grid)

    def _experiment(self) -> Text:
        now = self.now
        if now.role in runs.ROLES:
            return Text("confirming what was kept")
        if not now.id:
            return Text("baseline")
        return Text.assemble((f"{now.id:04d} ", "bold"), now.hypothesis, (f"  {now.source}", "bright_black"))

    def _run(self) -> RenderableType:
        now = self.now
        if now.run_began is None:
            return Text(f"{now.last + '; ' if now.last else ''}deciding, preparing the next run", style="bright_black")
        total = f" of {self.baseline_seeds}" if now.role == "baseline" and now.index < self.baseline_seeds else ""
        line = Table.grid(padding=(0, 1))
        line.add_row(
            Text(f"{runs.word(now.role)} {now.index + 1}{total}"),
            ProgressBar(total=1.0, completed=now.fraction, width=WIDTH),
            Text(f"{PHASES.get(now.phase, plain(now.phase, 12))} {now.fraction:4.0%}  {duration(now.clock() - now.run_began)}"),
        )
        return line

    def _loss(self) -> list[tuple[str, Text]]:
        losses = list(self.now.losses)
        return [("loss", Text.assemble((spark(losses, WIDTH), "cyan"), f" {losses[-1]:.3f}"))] if losses else []

    def recount(self) -> None:
        """Called by the loop's thread, which alone may read the history; `render` runs in another."""
        numbers, line = terminal.scale(self.history), terminal.champion_values(self.history)
        best = Text(numbers.value(self.history.best), style="bold green" if self.history.keeps else "bold")
        best.append(f" {plain(self.history.metric, 20)}", style="default")
        if len(line) > 1:
            best.append(f"  {numbers.delta(line[-1] - line[0])} since the baseline  {spark(line)}", style="green")
        self._night = [("best", best), ("so far", terminal.counts_text(self.history))]

    def _time(self) -> Text:
        now, elapsed = self.now, self.now.clock() - self.now.began
        parts = [f"{duration(elapsed)} so far"]
        each = elapsed / now.decided if now.decided else None
        left = [self.stop_after - elapsed] if self.stop_after else []
        if self.max_experiments is not None and each:
            left.append(max(0, self.max_experiments - now.decided) * each)
        if left and min(left) > 0:
            parts.append(f"no new experiment after {duration(min(left))} more")
            if each:
                parts.append(f"about {max(1, round(min(left) / each))} experiments to go")
        elif left:
            parts.append("finishing the last experiment")
        return Text(", ".join(parts))
