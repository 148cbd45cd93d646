"""`bot.live`: what a person or a CI log sees while the loop runs."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bot.history import History
from bot.live import LiveObserver, PlainObserver, make_observer
from bot.records import Measurement, Opened, Proposal, Stopped, Verdict
from bot.report.screen import Now, Screen
from bot.settings import Settings

from .builders import Night, good_night


@pytest.fixture
def settings(tmp_path) -> Settings:
    (tmp_path / "train.py").write_text("X = 1\n")
    (tmp_path / "program.md").write_text("brief\n")
    return Settings.build(tmp_path, {"name": "demo", "editable": ["train.py"], "stop_after": "6m", "budget": "5s cpu"}).resolved("cpu")


def follow(observer, settings, night: Night) -> None:
    """Calls the observer as the loop does."""
    history = History()
    for event in night.events:
        history.add(event)
        match event:
            case Opened():
                observer.started(settings, history)
            case Proposal():
                observer.experiment(event.id, event.hypothesis, event.source)
            case Measurement():
                observer.run_started(event.role, event.index, event.seed)
                observer.progress("train", 0.5, 3.2)
                observer.run_finished(event)
            case Verdict():
                observer.verdict(history.experiments[event.id])
            case Stopped():
                observer.finished(history, event.reason)
    observer.close()


def lines(settings, night: Night) -> list[str]:
    stream = io.StringIO()
    follow(PlainObserver(stream), settings, night)
    return stream.getvalue().splitlines()


def test_a_stream_that_is_no_terminal_gets_plain_lines():
    assert isinstance(make_observer(io.StringIO()), PlainObserver)


def test_plain_lines_have_no_control_codes(settings):
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", "".join(lines(settings, good_night())))


def test_plain_output_is_one_line_per_event(settings):
    night = good_night()
    events = sum(isinstance(e, Opened | Proposal | Measurement | Verdict | Stopped) for e in night.events)
    assert sum(bool(re.match(r"\d\d:\d\d:\d\d ", line)) for line in lines(settings, night)) == events


def test_candidate_text_begins_no_line(settings):
    night = Night().baseline()
    night.failed(hypothesis="a\n::error::x\r::add-mask::y\u2028::z", reason="b\n::stop-commands::q", log_tail="::error::log")
    night.screened(hypothesis="::warning::w " * 40)
    assert not [line for line in lines(settings, night.stopped()) if line.strip().startswith("::")]


def test_plain_lines_are_flushed_at_once():
    class Stream(io.StringIO):
        flushed = 0

        def flush(self):
            self.flushed += 1

    stream = Stream()
    PlainObserver(stream).note("hello")
    assert stream.flushed == 1


def test_progress_prints_nothing_in_plain_mode():
    stream = io.StringIO()
    PlainObserver(stream).progress("train", 0.5, 3.0)
    assert stream.getvalue() == ""


def test_note_works_before_started():
    stream = io.StringIO()
    PlainObserver(stream).note("looking at the machine")
    assert "looking at the machine" in stream.getvalue()


def test_the_end_shows_headline_and_table(settings):
    text = "\n".join(lines(settings, good_night()))
    assert "3 of 12 changes kept" in text and re.search(r"0011\s+keep", text)


def test_kept_losses_are_bounded():
    now = Now()
    now.begin_run("screen", 0, 1)
    for step in range(100_000):
        now.move("train", 0.5, float(step))
    assert len(now.losses) < 1000


def rendered(screen: Screen) -> str:
    stream = io.StringIO()
    Console(file=stream, width=120).print(screen.render())
    return stream.getvalue()


def test_the_third_worker_has_a_name_and_a_bar():
    now, history = Now(), History.fold(Night().baseline().events)
    now.begin_run("screen", 0, 1)
    now.move("settle", 0.25, None)
    assert "asking a third worker  25%" in rendered(Screen(now, history, None, None, 4))


def test_experiments_to_go_are_those_of_this_run():
    """Earlier runs do not count, nor does the baseline."""
    night, stream = good_night(), io.StringIO()
    observer = LiveObserver(Console(file=stream))
    observer.now = now = Now(clock=iter(range(0, 10_000, 10)).__next__)
    history = History.fold(night.events)
    observer.screen = Screen(now, history, None, 4, 4)
    observer.verdict(history.experiments[0])
    observer.verdict(history.experiments[1])
    assert now.decided == 1 and "about 3 experiments to go" in rendered(observer.screen)


TERMINAL = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.bot import builders, test_live
from bot.live import LiveObserver, make_observer
from bot.settings import Settings
settings = Settings.build(Path({target!r}), {{"name": "demo", "editable": ["train.py"], "budget": "5s cpu"}}).resolved("cpu")
observer = make_observer(sys.stdout)
assert isinstance(observer, LiveObserver)
{body}
"""


def on_terminal(settings, body: str) -> str:
    """What a program prints to a pseudo-terminal."""
    here = Path(__file__).parent
    code = TERMINAL.format(root=str(here.parents[1]), target=str(settings.root), body=body)
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=child, stderr=child, stdin=child, env=environment)
    os.close(child)
    text = b""
    while chunk := _read(parent):
        text += chunk
    assert process.wait() == 0, text.decode()
    return text.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_the_live_screen_shows_the_experiment_and_the_best(settings):
    text = on_terminal(settings, "test_live.follow(observer, settings, builders.good_night())")
    assert all(word in text for word in ("experiment", "training", "loss", "best", "so far", "no new experiment after"))


def test_the_cursor_comes_back_when_the_loop_dies(settings):
    body = "observer.started(settings, test_live.History()); sys.exit(0)"
    text = on_terminal(settings, body)
    assert "\x1b[?25l" in text and text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
