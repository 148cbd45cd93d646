"""Workers on the further devices of `devices`: each a process with the whole loop, its own record, branch and state folder.

The *lead* is the process that a person started. A *scout* is `autoresearch run` under another name, on one device: it measures its own
baseline and compares with that alone. It never confirms or publishes. Lead and scouts take up each other's keeps (`bot.migration`).
A scout ends with the search of its lead: by SIGTERM, as any night, and by the kernel's hand where the lead was killed.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.process import Child, spawn

from . import keys, migration
from .ahead import LOOK
from .cores import pinned
from .devices import VISIBLE, cpu
from .report.text import plain, plural
from .siblings import FOLDER, scout_name

if TYPE_CHECKING:
    from .loop import Night
    from .settings import Settings

PACKAGE = Path(__file__).resolve().parents[1]  # the folder that holds the package `bot`
GRACE_SECONDS, AT_ONCE_SECONDS = 10.0, 4.0  # for scouts to end their measurements and to record that; where this one is to end now


class Scouts:
    """Those of one lead."""

    def __init__(self, note: Callable[[str], None] = lambda text: None):
        self.note = note
        self.children: dict[int, Child] = {}  # number -> of those that are not known to have ended
        self.logs: dict[int, Path] = {}

    def start(self, settings: "Settings", number: int, device: str) -> None:
        from .commands import place

        order = told(settings, number)
        state = Path(order["state_dir"])
        state.mkdir(parents=True, exist_ok=True)
        log = self.logs[number] = state / "log"
        read_end, write_end = os.pipe()
        words = ["-C", str(settings.root), "--config", place().config, "run", "--scout", str(read_end)]
        path = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path} | ({} if cpu(device) else {VISIBLE: device})
        try:
            with log.open("wb") as out, os.fdopen(write_end, "w") as pipe, pinned(device) if cpu(device) else nullcontext():
                argv = [sys.executable, "-P", "-m", "bot", *words]
                self.children[number] = spawn(argv, settings.root, environment, (read_end,), out.fileno(), out.fileno())
                pipe.write(json.dumps({"settings": order, "keys": held()}))
        except BrokenPipeError:  # it ended at once, and its log says why
            pass
        finally:
            os.close(read_end)

    def look(self) -> bool:
        """Tells of those that ended; whether any works."""
        for number, child in list(self.children.items()):
            if child.poll() is not None:
                del self.children[number]
                failed = f"WARNING: scout {number} failed: {plain(last_line(self.logs[number]), 300)}"
                self.note(failed if child.returncode else f"scout {number} has ended; {self.logs[number]} says why")
        return bool(self.children)

    def wait(self, night: "Night") -> bool:
        """For a lead that has nothing left to propose: until a scout kept what can be taken up here. False where that does not come."""
        while self.look() and not night.stop_reason():
            if migration.waiting(night):
                return True
            time.sleep(LOOK)
        return bool(migration.waiting(night)) and not night.stop_reason()

    def end(self, seconds: float) -> None:
        for child in self.children.values():
            child.terminate()
        until = time.monotonic() + seconds
        for child in self.children.values():
            child.wait(max(0.0, until - time.monotonic()))
            child.kill()
        self.children.clear()


@contextmanager
def beside(night: "Night") -> Iterator[None]:
    """The scouts work as long as the block."""
    settings, team = night.settings, Scouts(night.observer.note)
    night.scouts = team
    try:
        for number, device in enumerate(settings.devices[1:], 1):
            team.start(settings, number, device)
        if team.children:
            first, others = settings.devices[0], ", ".join(settings.devices[1:])
            night.observer.note(f"{plural(len(team.children), 'scout')} on {others}; this is the lead, on {first}{spends(settings)}")
        yield
    finally:
        team.end(AT_ONCE_SECONDS if night.stop.now else GRACE_SECONDS)


def spends(settings: "Settings") -> str:
    """What each of the workers may spend, in words."""
    amounts = {name: getattr(settings, name) for name in ("max_dollars", "max_tokens", "max_machine_minutes")}
    shares = ", ".join(f"{name} {amount:g}" for name, amount in amounts.items() if amount is not None)
    return f"; each has its share: {shares}" if shares else ""


def told(settings: "Settings", number: int) -> dict[str, Any]:
    """The settings of a scout: the lead's, which have its share of what may be spent. It works until its lead ends it."""
    from .report import files

    own = {"name": scout_name(settings.name, number), "state_dir": str(files.state(settings) / FOLDER / str(number)), "devices": []}
    return settings.model_dump(mode="json") | own | {"max_experiments": None, "stop_after": None, "reserve": "0%"}


def held() -> dict[str, str]:
    view = keys.view()
    return {name: view[name] for name in keys.taken()}


def received(descriptor: int, root: Path) -> "Settings":
    """Of a scout: what its lead told it. Its keys are held from here on."""
    from eval.sandbox import shield

    from .settings import Settings

    shield()
    with os.fdopen(descriptor, "rb") as pipe:
        order = json.loads(pipe.read())
    keys.hold(order["keys"])
    return Settings.build(root, order["settings"])


def last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "no output"
