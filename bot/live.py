"""What a person sees while the loop runs: `Observer` is what the loop calls, on a terminal a live screen, elsewhere plain lines."""

import atexit
import time
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bot.history import History
from bot.records import Experiment, Measurement
from bot.report import facts, files, runs, terminal
from bot.report.screen import Now, Screen
from bot.report.text import Scale, duration, plain, plural
from bot.settings import Settings


class Observer(Protocol):
    """`history` is the loop's own, so its counts are current. `progress` may come five times a second; `note` before `started`."""

    def started(self, settings: Settings, history: History) -> None: ...
    def note(self, text: str) -> None: ...
    def experiment(self, id: int, hypothesis: str, source: str) -> None: ...
    def run_started(self, role: str, index: int, seed: int) -> None: ...
    def progress(self, phase: str, fraction: float, loss: float | None = None) -> None: ...
    def run_finished(self, measurement: Measurement) -> None: ...
    def verdict(self, experiment: Experiment) -> None: ...
    def finished(self, history: History, reason: str) -> None: ...
    def close(self) -> None: ...


def make_observer(stream: TextIO) -> Observer:
    console = Console(file=stream)
    live = stream.isatty() and console.is_terminal and not console.is_dumb_terminal
    return LiveObserver(console) if live else PlainObserver(stream)


class PlainObserver:
    """One line per event, each behind the time of day, so that no text of a candidate begins a line (CI reads commands there)."""

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.settings: Settings | None = None
        self.scale = Scale(None)
        self.id, self.role = 0, ""

    def started(self, settings: Settings, history: History) -> None:
        self.settings, self.scale = settings, terminal.scale(history)
        self.note(opening(settings, history))

    def note(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {plain(text)}", file=self.stream, flush=True)

    def experiment(self, id: int, hypothesis: str, source: str) -> None:
        self.id = id
        self.note(f"{id:04d} {hypothesis} ({source})")

    def run_started(self, role: str, index: int, seed: int) -> None:
        self.role = role

    def progress(self, phase: str, fraction: float, loss: float | None = None) -> None:
        pass

    def run_finished(self, measurement: Measurement) -> None:
        if measurement.value is not None and measurement.role == "baseline":
            self.scale = Scale(measurement.value)
        self.note(run_line(measurement, self.scale))

    def verdict(self, experiment: Experiment) -> None:
        self.note(verdict_line(experiment))

    def finished(self, history: History, reason: str) -> None:
        self.note(f"ended: {reason}")
        conclude(terminal.console(self.stream), history, self.settings)

    def close(self) -> None:
        self.stream.flush()


class LiveObserver:
    """A screen at the terminal's foot, redrawn four times a second; what is worth keeping scrolls by above it."""

    def __init__(self, console: Console):
        self.console = console
        self.settings: Settings | None = None
        self.now = Now()
        self.screen: Screen | None = None
        self.live: Live | None = None

    def started(self, settings: Settings, history: History) -> None:
        self.settings = settings
        self.console.print(Text(opening(settings, history), style="bold"))
        self.screen = Screen(self.now, history, settings.stop_after_seconds, settings.max_experiments, settings.baseline_seeds)
        self.live = Live(get_renderable=self.screen.render, console=self.console, refresh_per_second=4, transient=True)
        self.live.start()
        atexit.register(self.close)

    def note(self, text: str) -> None:
        self.console.print(Text(plain(text), style="bold red" if text.startswith("WARNING") else "bright_black"))

    def experiment(self, id: int, hypothesis: str, source: str) -> None:
        self.now.begin_experiment(id, plain(hypothesis), plain(source))
        self._recount()

    def run_started(self, role: str, index: int, seed: int) -> None:
        self.now.begin_run(role, index, seed)

    def progress(self, phase: str, fraction: float, loss: float | None = None) -> None:
        self.now.move(phase, fraction, loss)

    def run_finished(self, measurement: Measurement) -> None:
        self.now.end_run(measurement)
        self._recount()

    def verdict(self, experiment: Experiment) -> None:
        self.now.decided += experiment.id > 0
        self._recount()
        self.console.print(Text(verdict_line(experiment), style=terminal.color(experiment.status)), highlight=False)

    def finished(self, history: History, reason: str) -> None:
        self.close()
        self.note(f"ended: {reason}")
        conclude(self.console, history, self.settings)

    def _recount(self) -> None:
        if self.screen:
            self.screen.recount()

    def close(self) -> None:
        if self.live:
            self.live.stop()
            self.live = None
            atexit.unregister(self.close)


def opening(settings: Settings, history: History) -> str:
    goal = "lower is better" if settings.direction == "min" else "higher is better"
    known = f", continuing after {plural(history.tried, 'experiment')}" if history.tried else ""
    return plain(f"{settings.branch}: {settings.metric} ({goal}), budget {settings.budget} a run, proposer {settings.proposer}{known}")


def run_line(m: Measurement, scale: Scale) -> str:
    result = scale.value(m.value) if m.outcome == "ok" else f"{runs.ended(m)}: {m.reason}"
    where = f", isolation {m.isolation}" if m.isolation else ""
    return f"{m.id:04d} {runs.word(m.role)} run {m.index + 1}, seed {m.seed}: {result} in {duration(m.seconds)}{where}"


def verdict_line(experiment: Experiment) -> str:
    verdict, id = experiment.verdict, experiment.id
    if not verdict:
        return f"{id:04d} {experiment.status}"
    if verdict.status == "baseline":
        level = f" {Scale(verdict.value).value(verdict.value)} ({plural(verdict.seeds, 'seed')})" if verdict.value is not None else ""
        return f"{id:04d} baseline{level}"
    name = f": {terminal.what(experiment, 60)}" if experiment.proposal else ""
    return plain(f"{id:04d} {verdict.status}{name} ({verdict.why})")


def conclude(console: Console, history: History, settings: Settings | None) -> None:
    console.print(terminal.summary(history))
    if settings and files.folder(settings).exists():
        console.print(Text(f"report, picture and table: {files.folder(settings)}"), soft_wrap=True)
    if history.stack and facts.change(history) and history.opened:
        console.print(Text(f"take it: git merge {plain(history.opened.branch)}"), soft_wrap=True)
